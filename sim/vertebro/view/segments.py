"""Parts of a run that a segmentation names: bone, canal, foramina, discs, veins, cement by where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertebro.build import counted_compartments
from vertebro.drainage import vein_raster
from vertebro.tissue import Compartment, Tissue
from vertebro.view.cement_fields import inside_and_outside

if TYPE_CHECKING:
    from vertebro.record import Run

CEMENT_SHARE = 0.3  # saturation from which a voxel counts as cement
OWN_SCHEME = "99VERTEBRO"
DISCS = (Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR)
NERVES = (Compartment.CANAL, Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT)
VEINS = (Compartment.VEIN_BASIVERTEBRAL, Compartment.VEIN_SEGMENTAL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One part.

    Attributes
    ----------
    label : str
    code : str
        Keyword of a SNOMED code of pydicom's dictionary, or an own code (upper case).
    kind : {"anatomy", "cement"}
    colour : (int, int, int)
        8-bit RGB, safe for the colour-blind.
    mask : (nr, na, ns) bool array
        On the simulation grid.
    """

    label: str
    code: str
    kind: str
    colour: tuple[int, int, int]
    mask: NDArray[np.bool_]


def run_segments(run: Run, time: float | None = None) -> list[Segment]:
    """The parts of a run that are there at a time [s] (default: the end); empty ones are left out."""
    compartment, tissue = run.anatomy.compartment, run.anatomy.tissue
    one = {part: compartment == part for part in Compartment}
    vein = (tissue == Tissue.VEIN) | np.isin(compartment, VEINS) | (_ducts(run) >= CEMENT_SHARE)
    anatomy = [
        ("vertebral body", "BODY", (230, 159, 0), one[Compartment.BODY]),
        ("vertebral arch", "ArchOfVertebra", (240, 228, 66), one[Compartment.ARCH]),
        ("vertebral canal", "VertebralCanal", (86, 180, 233), one[Compartment.CANAL]),
        ("foramen, left", "FORAMEN-LEFT", (0, 158, 115), one[Compartment.FORAMEN_LEFT]),
        ("foramen, right", "FORAMEN-RIGHT", (0, 120, 90), one[Compartment.FORAMEN_RIGHT]),
        ("disc above", "DISC-ABOVE", (180, 160, 200), one[Compartment.DISC_SUPERIOR]),
        ("disc below", "DISC-BELOW", (150, 130, 180), one[Compartment.DISC_INFERIOR]),
        ("veins", "Vein", (0, 114, 178), vein),
    ]
    found = [Segment(label=a, code=b, kind="anatomy", colour=c, mask=m) for a, b, c, m in anatomy]
    return [part for part in [*found, *_cement(run, time, vein | (_ducts(run) > 0))] if part.mask.any()]


def _cement(run: Run, time: float | None, vein: NDArray[np.bool_]) -> list[Segment]:
    inside, outside = (share >= CEMENT_SHARE for share in inside_and_outside(run, time))
    compartment = counted_compartments(run.scene)
    in_nerves, in_discs = np.isin(compartment, NERVES), np.isin(compartment, DISCS)
    in_veins = vein & ~in_nerves & ~in_discs
    parts = [
        ("cement in the bone", "CEMENT-BONE", (213, 94, 0), inside),
        ("cement leaked into canal and foramina", "CEMENT-CANAL", (204, 0, 0), outside & in_nerves),
        ("cement leaked into discs", "CEMENT-DISC", (204, 121, 167), outside & in_discs),
        ("cement leaked into veins", "CEMENT-VEIN", (120, 40, 140), outside & in_veins),
        ("cement leaked elsewhere", "CEMENT-AROUND", (90, 60, 60), outside & ~in_nerves & ~in_discs & ~in_veins),
    ]
    return [Segment(label=a, code=b, kind="cement", colour=c, mask=m) for a, b, c, m in parts]


def _ducts(run: Run) -> NDArray[np.float32]:
    """Share of each voxel taken by veins outside the bone that are thinner than voxels."""
    network = run.anatomy.network
    if network is None:
        return np.zeros(run.anatomy.grid.shape, np.float32)
    outside = np.where(network.inside, 0.0, network.volume)
    return vein_raster(network, run.anatomy.grid).fraction(outside, np.flatnonzero(~network.inside))
