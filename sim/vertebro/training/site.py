"""One level on the table: its anatomy, the trainee's needles, the injection, and what has been seen of it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from vertebro.aim import lying
from vertebro.anatomy.anatomy import Anatomy
from vertebro.approaches import SIDES, plan_path
from vertebro.bedside import Bedside, Tracer, judge
from vertebro.build import Scene, build
from vertebro.case import Case
from vertebro.errors import CaseError, SessionError
from vertebro.imaging import Gantry, aim_view
from vertebro.leakage import LeakEvent
from vertebro.observe import Camera
from vertebro.procedure import Needle
from vertebro.procedure.breach import heary_2004
from vertebro.sources import Constant
from vertebro.training.arm import Subject
from vertebro.training.eyes import Eyes
from vertebro.training.log import TICKS
from vertebro.training.needles import BONE, Field, Track
from vertebro.units import deg, ml, mm

CONTRAST_VISCOSITY = Constant(
    0.01, "Pa.s", 0.005, 0.03, "vertebro", "ours", "iohexol 300 at body temperature and blood"
)
CONTRAST_RATE = Constant(2e-7, "m^3/s", 5e-8, 5e-7, "vertebro", "ours", "12 mL/min by hand")
WASHOUT = Constant(15.0, "s", 3.0, 60.0, "vertebro", "ours", "time constant with which contrast leaves the marrow")
SHUNT = Constant(0.15, "1", 0.05, 0.5, "vertebro", "ours", "share of the contrast outside bone that speaks of a shunt")
CT_VOLUME = Constant(0.02 * ml, "m^3", 0.005 * ml, 0.1 * ml, "yeom2003", "ours", "leak that a control CT shows")
REGIONS = {"epidural": "canal", "canal": "canal", "beyond": "vein", "joint": "joint", "track": "track"}


class Site:
    """One level and everything done to it.

    Parameters
    ----------
    case : Case
    anatomy : Anatomy, optional
        Ready made, to save building it.
    """

    def __init__(self, case: Case, anatomy: Anatomy | None = None) -> None:
        self.case = case
        self.planned: Scene = build(case, anatomy=anatomy)
        self.anatomy = self.planned.anatomy
        self.level = self.anatomy.level
        self.field = Field(self.anatomy)
        self.eyes = Eyes(self.anatomy)
        self.tracks: dict[str, Track] = {}
        self.plan_needles = _plans(self.planned)
        self.subject = Subject(anatomy=self.anatomy, camera=Camera(self.planned), level=self.level)
        self.engine: Bedside | None = None
        self.began = 0  # tick at which the engine's clock was 0
        self.tick = 0  # up to which the engine has come
        self.stopped = 0  # tick of the last round with cement flowing
        self.moved: set[str] = set()
        self.used: set[str] = set()
        self.tracer: Tracer | None = None
        self.traced = 0
        self.known: set[int] = set()
        self.visible: dict[int, int] = {}
        self.on_ct: set[int] = set()
        self.spotted_at: dict[str, tuple[Any, ...]] = {}
        self.margin_seen: float | None = None
        self._plan: dict[str, Any] = {}
        self.percepts: dict[str, dict[str, dict[str, float]]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Needles that the case asks for."""
        return tuple(needle.name for needle in self.planned.needles)

    def plan(self) -> dict[str, Any]:
        """What the planning CT told: entry, angles and depth of each needle, and the poses that see it squarely."""
        if self._plan:
            return self._plan
        rows = {}
        for name in self.names:
            needle = self.plan_needles[name]
            track = track_of(needle, name)
            convergence, caudal = track.angles()
            rows[name] = {
                "entry_mm": [needle.entry[0] / mm, needle.entry[2] / mm],
                "convergence_deg": convergence / deg,
                "caudal_deg": caudal / deg,
                "length_mm": needle.length / mm,
                "gauge": needle.gauge,
            }
        self._plan = {"level": self.level, "needles": rows, "views": self.views()}
        return self._plan

    def views(self) -> dict[str, dict[str, float]]:
        """Angles and table of the true AP and lateral, as the planning CT tells them."""
        found, gantry = {}, Gantry.angiography()
        for plane in ("ap", "lateral"):
            pose = aim_view(f"true-{plane}", self.eyes.marks, lying=lying(self.anatomy))
            place = gantry.position(pose)
            found[plane] = {
                "orbital_deg": place.orbital / deg,
                "cranial_deg": place.cranial / deg,
                "table_lateral_mm": place.lateral / mm,
                "table_height_mm": place.height / mm,
                "table_longitudinal_mm": place.longitudinal / mm,
            }
        return found

    def track(self, name: str) -> Track:
        """A needle of the trainee.

        Raises
        ------
        SessionError
            If it has not been placed.
        """
        if name not in self.tracks:
            raise SessionError(
                "this needle is not in the patient",
                where="needle",
                value=name,
                allowed=", ".join(self.tracks) or "none is; place one first",
            )
        return self.tracks[name]

    def show(self) -> None:
        """Bring what is in the beam up to date after needles moved."""
        found = [track.needle() for track in self.tracks.values()]
        self.subject.needles = tuple(needle for needle in found if needle is not None)
        self.subject.steel += 1

    # injection ----------------------------------------------------------------------------------------------------

    def begin(self, tick: int, *, age: float, preset: str) -> None:
        """Start the injection's clock with the needles as they lie.

        Parameters
        ----------
        tick : int
        age : float [s]
            Of the cement.
        preset : str
            Its card.
        """
        case = self.case.with_settings({"cement.preset": preset, "cement.age_at_start": age})
        scene = build(case, anatomy=self.anatomy)
        needles = tuple(self._needle(name) for name in sorted(set(self.plan_needles) | set(self.tracks)))
        scene = dataclasses.replace(
            scene, needles=needles, placements=tuple(judge(needle, self.anatomy) for needle in needles)
        )
        self.engine = Bedside(scene)
        self.subject.camera = Camera(scene)
        self.began = self.tick = tick
        self.moved.clear()

    def _needle(self, name: str) -> Needle:
        own = self.tracks[name].needle() if name in self.tracks else None
        return own or dataclasses.replace(self.plan_needles[name], name=name)

    def may_inject(self, name: str) -> Track:
        """The needle, if cement can be injected through it.

        Raises
        ------
        SessionError
            If it is not in, or its tip is not in bone.
        """
        track = self.track(name)
        if self.field.label(track.tip) not in BONE:
            raise SessionError(
                "the tip is not in bone: nobody connects cement to it",
                where="needle",
                value=f"{name} at {track.depth / mm:.1f} mm",
                hint="advance the needle into the body",
            )
        return track

    def settle_needles(self) -> None:
        """Tell the injection where the needles are now."""
        if self.engine is None:
            return
        for name in sorted(self.moved & set(self.tracks)):
            needle = self.tracks[name].needle()
            if needle is not None:
                self.engine.place(needle)
        self.moved.clear()

    def leaked(self, leak: LeakEvent) -> np.ndarray:
        """(nr, na, ns) volume share of one leak's cement."""
        engine = self.engine
        if engine is None:
            raise SessionError("no injection has begun", where="leak")
        return engine.witness.leaked(leak, self.subject.fraction)  # type: ignore[arg-type]

    def read_ct(self) -> None:
        """Note the leaks that a CT of now shows."""
        if self.engine is not None:
            self.on_ct |= {leak.key for leak in self.engine.leaks() if leak.volume >= CT_VOLUME}

    def refresh(self) -> None:
        """Bring the cement in the beam up to date."""
        if self.engine is not None:
            self.subject.fraction = self.engine.fraction()
            self.subject.veins = self.engine.veins
            self.subject.number += 1

    # contrast -----------------------------------------------------------------------------------------------------

    def trace(self, name: str, volume: float, tick: int) -> dict[str, Any]:
        """Inject contrast [m³]; returns where it went."""
        scene = dataclasses.replace(
            self.planned, needles=(self._needle(name),), placements=(), steps=self.planned.steps
        )
        self.tracer = Tracer(scene, name, viscosity=CONTRAST_VISCOSITY)
        self.tracer.push(float(CONTRAST_RATE), volume / float(CONTRAST_RATE))
        self.traced = tick
        volumes = self.tracer.volumes()
        outside = volume - volumes.get("body", 0.0) - volumes.get("arch", 0.0)
        return {
            "needle": name,
            "volume_ml": volume / ml,
            "outside_share": max(outside, 0.0) / volume,
            "canal_ml": (volumes.get("canal", 0.0) + volumes.get("vein_basivertebral", 0.0)) / ml,
            "shunt": outside / volume > float(SHUNT),
        }

    def contrast_now(self, tick: int) -> np.ndarray | None:
        """What is left of the contrast."""
        if self.tracer is None:
            return None
        left = math.exp(-(tick - self.traced) / TICKS / float(WASHOUT))
        if left < 0.02:
            self.tracer = None
            return None
        return np.asarray(self.tracer.fraction() * np.float32(left))

    # findings -----------------------------------------------------------------------------------------------------

    def needle_facts(self, name: str) -> dict[str, Any]:
        """What can be said about a needle as it lies (truth)."""
        track, target = self.track(name), self.plan_needles[name]
        needle = track.needle()
        if needle is None:
            raise SessionError("the needle only touches the skin", where="needle", value=name)
        found = judge(needle, self.anatomy)
        plan_contact = self.field.first_bone(target.entry, target.direction)
        entry = None
        if plan_contact is not None and track.contact is not None:
            entry = float(np.linalg.norm(track.contact - plan_contact)) / mm
        return found.to_dict() | {
            "entry_error_mm": entry,
            "target_error_mm": float(np.linalg.norm(needle.tip - target.tip)) / mm,
            "angle_error_deg": math.acos(float(np.clip(needle.direction @ target.direction, -1, 1))) / deg,
            "heary": heary_2004(found.tip_compartment, found.breaches),
            "no_go_mm": {volume: way / mm for volume, way in track.no_go.items()},
            "moment_n_m": track.moment,
            "tip_mm": needle.tip / mm,
        }

    def leak_facts(self, leak: LeakEvent) -> dict[str, Any]:
        """One leak for the log: kind, region, volume, times on the session's clock."""
        offset = self.began / TICKS
        return {
            "key": leak.key,
            "level": self.level,
            "kind": leak.kind.value,
            "region": region(leak.compartment, leak.route),
            "compartment": leak.compartment,
            "volume_ml": leak.volume / ml,
            "t_leak_s": offset + leak.onset,
            "t_detected_s": offset + leak.detected,
            "t_visible_s": self.visible[leak.key] / TICKS if leak.key in self.visible else None,
            "words": leak.words,
        }


def region(compartment: str, route: str) -> str:
    """Place of a leak in the rubric's words: canal, foramen, vein, disc, paravertebral, track, joint."""
    name = compartment.lower()
    if name in REGIONS:
        return REGIONS[name]
    for part in ("foramen", "disc"):
        if name.startswith(part):
            return part
    return "vein" if name.startswith("vein") or (route == "segmental" and name == "beyond") else "paravertebral"


def track_of(needle: Needle, side: str) -> Track:
    """A trainee's needle that lies as a given one."""
    return Track(
        name=needle.name,
        side="right" if "right" in side else "left",
        gauge=needle.gauge,
        entry=needle.entry,
        direction=needle.direction,
        depth=needle.length,
    )


def _plans(scene: Scene) -> dict[str, Needle]:
    """Planned needles by name; a side that the case does not use is planned too, in case the trainee does."""
    plans = {needle.name: needle for needle in scene.needles}
    first = scene.case.needles[0]
    for side in SIDES:
        if side not in plans:
            try:
                path = plan_path(scene.anatomy, "transpedicular", side, gauge=first.gauge, depth=first.depth)
            except CaseError:
                continue
            plans[side] = path.needle(side)
    return plans
