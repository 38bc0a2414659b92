"""One level on the table: its anatomy, the trainee's needles, the injection, and what has been seen of it."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from vertebro.anatomy.anatomy import Anatomy
from vertebro.approaches import SIDES, plan_path
from vertebro.bedside import Bedside, judge
from vertebro.build import Scene, build
from vertebro.case import Case
from vertebro.delivery import Push
from vertebro.errors import CaseError, SessionError
from vertebro.leakage import LeakEvent
from vertebro.observe import Camera
from vertebro.procedure import Needle
from vertebro.procedure.breach import heary_2004
from vertebro.sources import Constant
from vertebro.tissue import Compartment
from vertebro.training.arm import Subject
from vertebro.training.contrast import ContrastTest
from vertebro.training.eyes import Eyes
from vertebro.training.log import TICKS
from vertebro.training.needles import BONE, Field, Track, track_of
from vertebro.training.views import working_views
from vertebro.units import deg, ml, mm

CT_VOLUME = Constant(0.02 * ml, "m^3", 0.005 * ml, 0.1 * ml, "yeom2003", "ours", "leak that a control CT shows")
SHOWN_AFTER = 20  # ticks from the end of a round until its result is on display: the time the solver has for it
_SOLVER = ThreadPoolExecutor(1, thread_name_prefix="vertebro-round")
REGIONS = {"epidural": "canal", "canal": "canal", "beyond": "vein", "joint": "joint", "track": "track"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """A piece of the injection that is being computed.

    Attributes
    ----------
    dt : float [s]
    needle : str or None
        Through which cement is pushed.
    tick : int
        At which it ended.
    shown : int
        Tick at which its result comes on display; until then the pictures show the one before.
    beam : bool
        Whether the beam was on when it ended.
    ages : dict
        Plane → age [s] of its picture then.
    """

    dt: float
    needle: str | None
    tick: int
    shown: int
    beam: bool
    ages: dict[str, float]
    work: Future[Push | None]


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
        self.round: Round | None = None
        self.injected = self.embolic = 0.0  # m³, as of the last round on display
        self.margin = 1.0
        self.leaks: tuple[LeakEvent, ...] = ()
        self.test: ContrastTest | None = None
        self.outflow: dict[str, bool] = {}  # by needle: what a test, seen alone, told of direct outflow where it lies
        self.known: set[int] = set()
        self.visible: dict[int, int] = {}
        self.on_ct: set[int] = set()
        self.spotted_at: dict[str, tuple[Any, ...]] = {}
        self.margin_seen: float | None = None
        self.walled = not np.any(self.anatomy.compartment == Compartment.JOINT)  # cement has a posterior wall to heed
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
                "line_mm": [needle.entry / mm, needle.tip / mm],
                "convergence_deg": convergence / deg,
                "caudal_deg": caudal / deg,
                "length_mm": needle.length / mm,
                "gauge": needle.gauge,
            }
        self._plan = {"level": self.level, "needles": rows, "views": self.views()}
        return self._plan

    def views(self) -> dict[str, dict[str, float]]:
        """Angles and table of the true AP and lateral, as the planning CT tells them."""
        return working_views(self.anatomy, self.eyes.marks)

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
        self.subject.camera = self.subject.camera.again(scene)
        self.began = self.tick = tick
        self.moved.clear()

    def rehearse(self) -> None:
        """Let the solver load its kernels on an injection nobody sees, in its own thread, before the first real one."""
        _SOLVER.submit(lambda: _one_round(Bedside(self.planned), 0.1, (self.names[0], 3e-8)))

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

    def leaked_veins(self, leak: LeakEvent) -> np.ndarray:
        """(segments,) cement [m³] of one leak in each vein."""
        engine = self.engine
        if engine is None:
            raise SessionError("no injection has begun", where="leak")
        return engine.witness.leaked_veins(leak)  # type: ignore[arg-type]

    def read_ct(self) -> None:
        """Note the leaks that a CT of now shows."""
        if self.engine is not None:
            self.on_ct |= {leak.key for leak in self.leaks if leak.volume >= CT_VOLUME}

    def compute(
        self, dt: float, push: tuple[str, float] | None, tick: int, *, beam: bool, ages: dict[str, float]
    ) -> None:
        """Let the solver do the next round [s] in its own thread, so that pictures go on meanwhile.

        Parameters
        ----------
        dt : float [s]
        push : (str, float), optional
            Needle and wanted rate [m³/s].
        tick : int
            Of the end of the round.
        beam, ages : bool, dict
            What the operator saw then, see `Round`.
        """
        engine = self.engine
        if engine is None or self.round is not None:
            raise SessionError("a round at the wrong moment", where="round", value=tick)
        self.tick = tick
        work = _SOLVER.submit(_one_round, engine, dt, push)
        self.round = Round(
            dt=dt, needle=push and push[0], tick=tick, shown=tick + SHOWN_AFTER, beam=beam, ages=ages, work=work
        )

    def settle(self) -> tuple[Round, Push | None] | None:
        """Wait for the round that is being computed and bring its result on display; None without one."""
        done = self.round
        if done is None:
            return None
        self.round = None
        push = done.work.result()
        self.refresh()
        return done, push

    def refresh(self) -> None:
        """Bring what is shown of the cement up to date."""
        engine = self.engine
        if engine is None:
            return
        self.subject.fraction = engine.fraction()
        self.subject.veins = engine.veins.copy()
        self.subject.number += 1
        self.injected, self.embolic = engine.state.injected_volume, engine.monitor.embolic_volume
        self.leaks, self.margin = engine.leaks(), engine.witness.risks.posterior_margin

    # contrast -----------------------------------------------------------------------------------------------------

    @property
    def tracing(self) -> bool:
        """Whether contrast agent is going in."""
        return self.test is not None and self.test.running

    def trace(self, name: str, volume: float, tick: int) -> None:
        """Begin to inject contrast [m³]; what an earlier test left is forgotten."""
        scene = dataclasses.replace(
            self.planned, needles=(self._needle(name),), placements=(), steps=self.planned.steps
        )
        self.test = ContrastTest(scene, name, volume, tick)

    def follow_contrast(self, tick: int) -> dict[str, Any] | None:
        """Bring the contrast in the beam to a tick; where it went, once all is in."""
        test, subject = self.test, self.subject
        if test is None:
            return None
        found = None
        if test.running and tick >= test.due:
            test.push(tick)
            subject.contrast, subject.dye = test.fraction(), subject.dye + 1
            found = None if test.running else test.facts()
        subject.left = test.left(tick)
        if not test.running and subject.left == 0.0:
            self.test = subject.contrast = None
        return found

    def learn_outflow(self) -> None:
        """What an operator who saw the whole test without the bones now knows of the needle's outflow."""
        test = self.test
        if test is not None and test.alone and test.shunt is not None:
            self.outflow[test.needle] = test.shunt

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


def _one_round(engine: Bedside, dt: float, push: tuple[str, float] | None) -> Push | None:
    if push is not None:
        return engine.push(*push, dt)
    engine.rest(dt)
    return None


def region(compartment: str, route: str) -> str:
    """Place of a leak in the rubric's words: canal, foramen, vein, disc, paravertebral, track, joint."""
    name = compartment.lower()
    if name in REGIONS:
        return REGIONS[name]
    for part in ("foramen", "disc"):
        if name.startswith(part):
            return part
    return "vein" if name.startswith("vein") or (route == "segmental" and name == "beyond") else "paravertebral"


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
