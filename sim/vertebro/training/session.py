"""`Session`: commands in, pictures and telemetry out; one clock for physics, curing, C-arm and dose; one log.

The clock counts ticks of 1/60 s. Commands act on the tick they come at, rounds of the injection and pulses fall on
ticks, so how the caller cuts time into steps changes nothing, and a log replayed gives the same session.

>>> session = Session("first-steps", seed=11)                          # doctest: +SKIP
>>> session.command({"kind": "pedal", "down": True})                   # doctest: +SKIP
>>> session.step(1.0); [frame.pane for frame in session.frames()]      # doctest: +SKIP
['ap']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vertebro import __version__
from vertebro.anatomy.anatomy import Anatomy
from vertebro.errors import SessionError, VertebroError
from vertebro.imaging import window_level
from vertebro.sources import Constant
from vertebro.training import panel
from vertebro.training.actions import Act, parse_action
from vertebro.training.arm import Arm, Frame
from vertebro.training.handlers import HANDLERS
from vertebro.training.log import TICKS, Log
from vertebro.training.memory import Memory
from vertebro.training.needles import Track
from vertebro.training.patient import Patient
from vertebro.training.scanning import Scan
from vertebro.training.scenario import Scenario, load_scenario
from vertebro.training.site import Site
from vertebro.training.watching import book, look
from vertebro.units import mm

Mode = Literal["coach", "exam"]
QUIET = 30.0  # s without injecting after which the injection is followed in longer rounds
REST_ROUNDS = (4, 20)  # of the case's interval: at first, and when all is quiet
FLINCH = Constant(4e-3, "m", 1e-3, 15e-3, "vertebro", "ours", "how far a patient who is hurt moves")


class Session:
    """One training session.

    Parameters
    ----------
    scenario : str or Scenario
    seed : int, optional
        Of the anatomy and the noise; by default the scenario's first.
    mode : {"coach", "exam"}
        A coach gives hints.
    settings : dict, optional
        Dotted keys of the case to change, such as a coarser grid.
    log : Path, optional
        File for the log as it comes.
    anatomies : mapping of level to Anatomy, optional
        Ready made ones of the same scenario, seed and settings.
    progress : callable, optional
        ``progress(stage, fraction)`` while the anatomy is built.

    Raises
    ------
    SessionError
        If the scenario or the mode is unknown.
    """

    def __init__(
        self,
        scenario: str | Scenario,
        seed: int | None = None,
        mode: Mode = "coach",
        *,
        settings: dict[str, Any] | None = None,
        log: Path | None = None,
        anatomies: Mapping[str, Anatomy] | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> None:
        if mode not in ("coach", "exam"):
            raise SessionError("unknown mode", where="mode", value=mode, allowed="coach, exam")
        self.scenario, self.mode, self.settings = load_scenario(scenario), mode, dict(settings or {})
        self.seed = self.scenario.seeds[0] if seed is None else seed
        self.sites: dict[str, Site] = {}
        for number in range(len(self.scenario.sites)):
            case = self.scenario.case(self.seed, number, self.settings)
            if progress is not None:
                progress(f"building {case.anatomy.level}", number / len(self.scenario.sites))
            self.sites[case.anatomy.level] = Site(case, (anatomies or {}).get(case.anatomy.level))
        self.level = next(iter(self.sites))
        self.arm = Arm(rows=self.site.case.imaging.rows, seed=self.seed)
        self.patient = Patient(seed=self.seed)
        self.tick, self.finished = 0, False
        self._left = 0.0  # s, not yet a tick
        self.mixed: int | None = None
        self.preset = self.site.case.cement.preset
        self.injecting: tuple[str, float, str] | None = None  # needle, rate [m³/s], level
        self.looks: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, str] = {}
        self.checked: set[str] = set()
        self.saved: list[Frame] = []
        self.slices: dict[str, np.ndarray] = {}
        self.scan: Scan | None = None  # what lay in the CT last
        self.marks, self.dlp, self.hand_seconds = 0, 0.0, 0.0
        self.last_round: dict[str, Any] = {}
        self.said: set[str] = set()
        self.hinted: dict[str, int] = {}
        self.memory: Memory | None = None  # keeps pictures and fields for a debrief, where one is wanted
        self._lived = 0
        self.log = Log(log)
        self.log.add(
            "start",
            0,
            version=__version__,
            scenario=self.scenario.id,
            scenario_version=self.scenario.version,
            digest=self.scenario.digest,
            seed=self.seed,
            mode=mode,
            settings=self.settings,
            windows=self.scenario.windows.model_dump(),
            questions=[q.model_dump(include={"id", "rule", "critical"}) for q in self.scenario.questions],
            checklist=[item.model_dump(include={"id", "rule"}) for item in self.scenario.checklist],
            rules=list(self.scenario.rules),
            needles={level: list(site.names) for level, site in self.sites.items()},
        )
        self.log.flush()

    # for the app --------------------------------------------------------------------------------------------------

    @property
    def time(self) -> float:
        """Seconds on the session's clock."""
        return self.tick / TICKS

    @property
    def site(self) -> Site:
        """The level in the beam."""
        return self.sites[self.level]

    def command(self, action: Act | dict[str, Any]) -> None:
        """Do something now.

        Raises
        ------
        SessionError
            If the action is unknown, or not possible at this moment.
        """
        wish = parse_action(action)
        if self.finished:
            raise SessionError("the session is over", where="action", value=wish.kind)  # type: ignore[attr-defined]
        line = self.log.add("action", self.tick, level=self.level, action=wish.model_dump())
        try:
            HANDLERS[wish.kind](self, wish)  # type: ignore[attr-defined]
        except VertebroError as error:
            line["refused"] = error.message
            raise
        finally:
            if self.arm.changed < self.tick and wish.kind != "pedal":  # type: ignore[attr-defined]
                self.arm.changed = self.tick
            self.log.flush()

    def step(self, dt: float) -> None:
        """Let time pass [s]; at 1x the caller's own, at another speed more or less of it."""
        if not (math.isfinite(dt) and dt >= 0.0):
            raise SessionError("impossible step", where="dt", value=dt, allowed=">= 0 s")
        if self.finished:
            return
        self._left += dt * TICKS
        whole = math.floor(self._left + 1e-9)
        self._left = max(self._left - whole, 0.0)
        self._to(self.tick + whole)
        self.log.flush()

    def go(self, tick: int) -> None:
        """Go to a tick of the clock, as a replay does.

        Raises
        ------
        SessionError
            If it has passed.
        """
        if tick < self.tick:
            raise SessionError("the clock does not run backwards", where="tick", value=tick, allowed=f">= {self.tick}")
        self._to(tick)
        self._left = 0.0
        self.log.flush()

    def frames(self) -> list[Frame]:
        """What the monitors show: the held or live picture of each plane, and the last CT slice."""
        shown = self.arm.frames()
        if self.scan is not None:
            grey = np.asarray(window_level(self.slices["axial"]), np.uint16) * np.uint16(257)
            shown.append(
                Frame(
                    pane="ct", seq=self.scan.number, time=self.scan.time, display16=grey, live=False,
                    orbital_deg=0.0, cranial_deg=0.0, mm_per_pixel=self.scan.width / mm / grey.shape[0],
                )
            )  # fmt: skip
        return shown

    def telemetry(self) -> dict[str, Any]:
        """Read-outs as plain JSON values; see `vertebro.training.panel`."""
        return panel.telemetry(self)

    def observation(self) -> panel.Observation:
        """What an operator could perceive now."""
        return panel.observation(self)

    # for the handlers ---------------------------------------------------------------------------------------------

    def tell(self, event: str, /, **facts: Any) -> None:
        """Note an event of now."""
        self.log.add("event", self.tick, event=event, **({"level": self.level} | facts))

    def spend(self, seconds: float) -> None:
        """Let the time pass that an action takes."""
        self._to(self.tick + round(seconds * TICKS))

    def cement_age(self) -> float | None:
        """Age [s] of the cement; None before it is mixed."""
        return None if self.mixed is None else (self.tick - self.mixed) / TICKS

    def injected(self) -> float:
        """Cement injected so far, all levels [m³]."""
        return sum(site.injected for site in self.sites.values())

    @property
    def injecting_needle(self) -> str | None:
        """The needle of this level that is being injected through."""
        return self.injecting[0] if self.injecting is not None and self.injecting[2] == self.level else None

    @property
    def phase(self) -> str:
        """What the dose is booked on: position, needle, cement, after."""
        if self.mixed is not None:
            used = any(site.used for site in self.sites.values())
            return "after" if used and not any(site.tracks for site in self.sites.values()) else "cement"
        return "needle" if self.site.tracks else "position"

    def shoot(self, *, single: bool = False) -> None:
        """Take a picture, and look at it."""
        site = self.site
        self._contrast(site)
        frame = self.arm.shoot(site.subject, self.tick, phase=self.phase, single=single)
        for plane in sorted(self.arm.subtracting.lost):
            self.arm.subtracting.lost.discard(plane)
            self.tell("mask lost", plane=plane)
        look(self, frame, single)
        if self.memory is not None:
            self.memory.picture(self, frame)

    def decide(self, point: str, **facts: Any) -> None:
        """Note how well the operator could see at a moment that mattered."""
        seen = {
            plane: {"age_s": self.arm.age(plane, self.tick), "score": self.looks[plane]["score"]}
            for plane in ("ap", "lateral")
            if plane in self.looks
        }
        self.tell("decision point", point=point, seen=seen, **facts)

    def met(self, track: Track, event: str, facts: dict[str, Any]) -> None:
        """What the tip has met."""
        if event == "posterior wall crossed" and self.scenario.guidance == "fluoroscopy":
            self.decide("posterior wall", needle=track.name)
        self.tell(event, **facts)
        if event == "bone contact" and not facts["numb"]:
            self.patient.say("Ouch! That hurts.", pain=7.0)
            turn = np.random.default_rng((self.seed, self.tick)).uniform(0.0, 2 * math.pi)
            self.arm.nudge(float(FLINCH) * math.cos(turn), float(FLINCH) * math.sin(turn))
            self.tell("patient in pain", needle=track.name, moved_mm=FLINCH / mm)

    def beam_off(self) -> None:
        """Book the beam since the pedal went down."""
        arm = self.arm
        share = arm.open_area / arm.beam if arm.beam else 1.0
        facts = {"beam_s": arm.beam, "wasted_s": arm.wasted, "open_share": share, "hand_s": self.hand_seconds}
        self.tell("beam off", **facts, dap_gy_cm2=arm.ledger.total.dose_area_product * 1e4)

    def end(self) -> None:
        """Close the session: final findings into the log."""
        if self.injecting is not None:
            HANDLERS["stop"](self, None)
        self.rounds()
        self.arm.press(False, self.tick)
        self.beam_off()
        self.decide("end")
        self.finished = True
        total = self.arm.ledger
        self.log.add("end", self.tick, dose=total.to_dict(), dlp_mgy_cm=self.dlp, levels=panel.truth(self))
        self.log.close()

    # the clock ----------------------------------------------------------------------------------------------------

    def _to(self, goal: int) -> None:
        """Go to a tick; rounds and pulses on the way fall where they are due."""
        while self.tick < goal:
            sites = self.sites.values()
            stops = [goal, self.arm.next_pulse(self.tick), self.arm.bumps, *(self._round_due(site) for site in sites)]
            stops.append((self.tick // TICKS + 1) * TICKS)  # the patient lives on between rounds
            stops += [site.test.due for site in sites if site.test is not None]
            stops += [site.round.shown for site in sites if site.round is not None]
            self.tick = min(stop for stop in stops if stop > self.tick)
            if not self.arm.roll(self.tick):
                self.tell("arm stopped")
            if self.tick % TICKS == 0:
                self._live()
            for site in sites:
                self._contrast(site)
                if site.round is not None and self.tick >= site.round.shown:
                    self.settle(site)
                if self.tick >= self._round_due(site):
                    self.settle(site)
                    self._round(site)
            if self.arm.pulse_due(self.tick):
                self.shoot()

    def _contrast(self, site: Site) -> None:
        """Bring a level's contrast agent up to now."""
        test = site.test
        if test is not None and test.running and self.tick >= test.due:
            self.arm.changed = self.tick  # there is something new to see
        if (facts := site.follow_contrast(self.tick)) is not None:
            self.tell("contrast injected", **(facts | {"level": site.level}))
            site.learn_outflow()

    def _round_due(self, site: Site) -> int:
        if site.engine is None:
            return 1 << 60
        interval = max(1, round(site.case.flow.interval * TICKS))
        if self.injecting is None or self.injecting[2] != site.level:
            interval *= REST_ROUNDS[(self.tick - site.stopped) / TICKS > QUIET]
        return max(site.tick + interval, self.tick)

    def rounds(self) -> None:
        """Bring every injection up to now."""
        for site in self.sites.values():
            self.settle(site)
            self._round(site)
            self.settle(site)

    def _round(self, site: Site) -> None:
        """Let the solver begin what has passed since the last round."""
        ticks = self.tick - site.tick
        if site.engine is None or ticks <= 0:
            return
        push = None
        if self.injecting is not None and self.injecting[2] == site.level:
            push = self.injecting[:2]
            site.stopped = self.tick
            self.arm.changed = self.tick
        ages: dict[str, float] = {plane: self.arm.age(plane, self.tick) for plane in self.arm.last}
        site.compute(ticks / TICKS, push, self.tick, beam=self.arm.pedal, ages=ages)

    def settle(self, site: Site) -> None:
        """Bring the round of a level on display that is being computed."""
        found = site.settle()
        if found is None:
            return
        book(self, site, *found)
        if self.memory is not None:
            self.memory.round(self, site)

    def _live(self) -> None:
        """Let the patient live until now."""
        embolic = sum(site.embolic for site in self.sites.values())
        self.patient.live((self.tick - self._lived) / TICKS, self.injected(), embolic)
        self._lived = self.tick
        if self.patient.alarming and "alarm" not in self.said:
            self.said.add("alarm")
            self.tell("vital signs alarming", map_mmhg=self.patient.map_now, spo2=self.patient.oxygen)
