"""Which kind of leak the cement outside the bone belongs to, voxel by voxel and vein by vein."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.build import counted_compartments
from vertebro.drainage import vein_raster
from vertebro.leakage.events import TRACK_DEPTH
from vertebro.tissue import Compartment
from vertebro.view.cement_fields import IN_BONE

if TYPE_CHECKING:
    from vertebro.record import Run

# kind of a leak where nothing but the place is known
BY_PLACE = {
    Compartment.PARAVERTEBRAL: "C",
    Compartment.JOINT: "C",
    Compartment.CANAL: "canal",
    Compartment.VEIN_BASIVERTEBRAL: "B",
    Compartment.VEIN_SEGMENTAL: "S",
    Compartment.FORAMEN_LEFT: "foramen",
    Compartment.FORAMEN_RIGHT: "foramen",
    Compartment.DISC_SUPERIOR: "D",
    Compartment.DISC_INFERIOR: "D",
}
# kinds that a place may hold; which of them follows from the nearest leak of the run
MAY_BE = {
    Compartment.PARAVERTEBRAL: ("C", "S", "D"),
    Compartment.CANAL: ("canal", "B"),
    Compartment.VEIN_BASIVERTEBRAL: ("B", "canal"),
}
BY_ROUTE = {
    "basivertebral": "B", "epidural": "B", "intervertebral": "B", "segmental": "S", "ascending": "S",
    "outlet": "embolus", "disc_superior": "D", "disc_inferior": "D", "canal": "canal", "foramen_left": "foramen",
    "foramen_right": "foramen", "tissue": "C",
}  # fmt: skip
SEEN = 0.02  # share of a voxel from which its cement is drawn


def leaked_by_kind(run: Run, time: float | None = None) -> dict[str, NDArray[np.float32]]:
    """Cement outside the bone, apart by kind of leak.

    Parameters
    ----------
    run : Run
    time : float [s], optional
        Default: the end.

    Returns
    -------
    dict of str to (nr, na, ns) float32 array
        Saturation of the voxels, veins and cracks included; only the kinds that are there.
    """
    saturation = run.saturation[len(run.times) - 1 if time is None else run.index_at(time)]
    compartment = counted_compartments(run.scene)
    found: dict[str, NDArray[np.float32]] = {}
    outside = (saturation > SEEN) & ~np.isin(compartment, IN_BONE)
    for place in np.unique(compartment[outside]):
        here = outside & (compartment == place)
        for kind, part in _apart(run, Compartment(place), here).items():
            _add(found, kind, np.where(part, saturation, 0).astype(np.float32))
    track = _beside_the_bone(saturation > SEEN, compartment, run.anatomy.grid.spacing)
    if track.any():
        _add(found, "track", np.where(track, saturation, 0).astype(np.float32))
    for kind, share in _in_veins(run, time).items():
        _add(found, kind, share)
    return found


def _add(found: dict[str, NDArray[np.float32]], kind: str, share: NDArray[np.float32]) -> None:
    found[kind] = np.maximum(found[kind], share) if kind in found else share


def _apart(run: Run, place: Compartment, here: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """Voxels of one place by kind: that of the nearest leak of the run that may lie there."""
    leaks = [
        leak
        for leak in run.summary.get("leaks", [])
        if leak["kind"] in MAY_BE.get(place, ()) and leak.get("position_mm") is not None
    ]
    kinds = sorted({str(leak["kind"]) for leak in leaks})
    if len(kinds) < 2:
        return {kinds[0] if kinds else BY_PLACE.get(place, "C"): here}
    where = run.anatomy.grid.world(np.argwhere(here)) * 1e3
    nearest = np.stack(
        [
            np.min([((where - leak["position_mm"]) ** 2).sum(axis=1) for leak in leaks if leak["kind"] == kind], axis=0)
            for kind in kinds
        ]
    ).argmin(axis=0)
    out = {}
    for number, kind in enumerate(kinds):
        out[kind] = np.zeros_like(here)
        out[kind][here] = nearest == number
    return out


def _beside_the_bone(
    wet: NDArray[np.bool_], compartment: NDArray[np.uint8], spacing: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Wet voxels of the needles' tracks in soft tissue; nearer to the bone they count as part of it."""
    track = wet & (compartment == Compartment.TRACK)
    if not track.any():
        return track
    bone = np.isin(compartment, (Compartment.BODY, Compartment.ARCH))
    away = ndimage.distance_transform_edt(~bone, sampling=spacing)
    return track & (away > TRACK_DEPTH) if bone.any() else track


def _in_veins(run: Run, time: float | None) -> dict[str, NDArray[np.float32]]:
    network, held = run.anatomy.network, run.vein_cement(time).astype(float)
    if network is None or not held.any():
        return {}
    raster, out = vein_raster(network, run.anatomy.grid), {}
    kinds = np.array([BY_ROUTE[str(route)] for route in network.route])
    for kind in np.unique(kinds[(held > 0) & ~network.inside]):
        share = raster.fraction(held, np.flatnonzero(~network.inside & (kinds == kind)))
        if (share > SEEN).any():
            out[str(kind)] = share
    return out
