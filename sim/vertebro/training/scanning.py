"""CT at the table: a short sequence, or one quick shot of three slices at the needle; what was scanned can be read on.

A `Scan` remembers what lay in the gantry. Any plane through it can be cut later, as at a console: reading costs neither
time nor dose, scanning does.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.build import Scene
from vertebro.scans import PLANES, ct_planes
from vertebro.sources import Constant
from vertebro.training import actions as act
from vertebro.units import mm

if TYPE_CHECKING:
    from vertebro.training.session import Session

SCAN = Constant(15.0, "s", 5.0, 60.0, "vertebro", "ours", "drive in, one sequence of slices, drive out")
SCAN_DLP = Constant(12.0, "mGy.cm", 3.0, 40.0, "shepherd2011", "ours", "one short low-dose sequence")
SHOT = Constant(3.0, "s", 1.0, 10.0, "vertebro", "ours", "hands out, one turn of the tube, pictures up")
SHOT_DLP = Constant(1.5, "mGy.cm", 0.3, 6.0, "shepherd2011", "ours", "one turn at 30 mAs, three slices of 3 mm")
REACH = {"sequence": 45 * mm, "shot": 3 * mm}  # from the middle slice to the last one
THICKNESS = {"sequence": 2 * mm, "shot": 3 * mm}
NORMAL = {"axial": 2, "coronal": 1, "sagittal": 0}
WIDE, NARROW = 0.24, 0.16  # m, field of view: a pelvis, a vertebra
PIXELS = 320
Point = tuple[float, float, float]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What lay in the gantry.

    Attributes
    ----------
    number : int
        Among the session's pictures.
    time : float [s]
    mode : {"sequence", "shot"}
    centre : (3,) float [m]
        Middle of the slices.
    width : float [m]
        Field of view.
    scene : Scene
        With the needles as they lay.
    fraction : (nr, na, ns) float32 array or None
    veins : (m,) array or None [m³]
    """

    number: int
    time: float
    mode: str
    centre: Point
    width: float
    scene: Scene
    fraction: NDArray[np.float32] | None
    veins: NDArray[np.floating] | None

    @property
    def planes(self) -> tuple[str, ...]:
        """Planes that can be cut out of it: a shot has its three axial slices only."""
        return tuple(PLANES) if self.mode == "sequence" else ("axial",)

    @property
    def reach(self) -> float:
        """From the middle slice to the last one [m]."""
        return float(REACH[self.mode])

    def has(self, plane: str, offset: float) -> bool:
        """Whether a plane at `offset` [m] from the body's middle lies in what was scanned."""
        if plane not in self.planes:
            return False
        way = abs(offset - self.centre[NORMAL[plane]])
        return plane != "axial" or way <= self.reach + 0.5 * THICKNESS[self.mode]

    def cut(self, plane: str, offset: float | None = None) -> NDArray[np.floating]:
        """(rows, cols) HU of a plane through the scan's centre, or at `offset` [m] from the body's middle."""
        centre, axis = [0.0, 0.0, 0.0], NORMAL[plane]
        centre[axis] = self.centre[axis] if offset is None else offset
        found = ct_planes(
            self.scene, self.fraction, veins=self.veins, needles=bool(self.scene.needles), number=self.number,
            width=self.width, pixels=PIXELS, thickness=THICKNESS[self.mode], planes=(plane,),  # type: ignore[arg-type]
            centre=(centre[0], centre[1], centre[2]),
        )  # fmt: skip
        return found[plane].hu


def field_of_view(session: Any) -> float:
    """Width [m] of a session's CT pictures: where needles are aimed on them, the skin of the back has to be there."""
    scenario = getattr(session, "scenario", None)
    return WIDE if getattr(scenario, "guidance", "") == "ct" else NARROW


def scan(session: Session, action: act.CtSlice) -> None:
    """Do a `ct` action: time, dose, pictures, and what a trained eye reads on them. Changes the session."""
    site, quick = session.site, action.mode == "shot"
    session.rounds()
    session.spend(float(SHOT if quick else SCAN))
    scene = site.planned if site.engine is None else site.engine.scene
    needles = site.subject.needles
    fraction = None if site.subject.fraction is None else site.subject.fraction.copy()
    veins = None if site.subject.veins is None else site.subject.veins.copy()
    session.arm.seq += 1
    found = Scan(
        number=session.arm.seq, time=session.time, mode=action.mode, centre=_centre(session, action),
        width=field_of_view(session), scene=dataclasses.replace(scene, needles=needles), fraction=fraction, veins=veins,
    )  # fmt: skip
    dlp = float(SHOT_DLP if quick else SCAN_DLP)
    session.scan, session.dlp = found, session.dlp + dlp
    session.slices = {plane: found.cut(plane) for plane in found.planes}
    if not quick:
        site.read_ct()
    read_tips(session, found)
    session.tell(
        "ct", after_cement=site.engine is not None and not quick, needles=len(needles), dlp_mgy_cm=dlp, mode=action.mode
    )


def _centre(session: Session, action: act.CtSlice) -> Point:
    """Where the slices go through: a needle's tip, or the point that was asked for [m]."""
    if action.needle is not None and action.needle in session.site.tracks:
        r, a, s = (float(x) for x in session.site.tracks[action.needle].tip)
        return (r, a, s)
    r, a, s = (x * mm for x in action.centre_mm)
    return (r, a, s)


def read_tips(session: Session, scan: Scan) -> None:
    """Note where the tips lie that a scan shows, and that the needles have been seen."""
    site, tips = session.site, {}
    for track in site.tracks.values():
        if scan.has("axial", float(track.tip[2])):
            tips[track.name] = dict(zip(("right_mm", "anterior_mm", "superior_mm"), track.tip / mm, strict=True))
            track.blind.update(dict.fromkeys(track.blind, 0.0))
    site.percepts["ct"] = tips
