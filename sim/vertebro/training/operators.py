"""Scripted operators who do a whole case: an expert, a novice, and two with one bad habit each.

They see the `Observation` only, and their own script. They make norms and demonstrations reproducible and show that
the rubric tells them apart; they are no measure of people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vertebro.training.session import Session

LOOK = 0.6  # s of pedal for a look
TURN = 1.0  # s between looks while something moves
STALLED = 5  # beats without flow after which a needle is given up: a syringe takes some to build its pressure up
TEST, TEST_TIME, DEEPER = 1.0, 6.0, 3.0  # ml of contrast agent, s of pedal, mm on where it runs straight out


@dataclass(frozen=True, kw_only=True, slots=True)
class Habits:
    """What makes an operator.

    Attributes
    ----------
    views : (float, float) [deg]
        By how much the true views are missed: orbital, cranial.
    collimated : bool
    counts : bool
        Ticks the checklist, answers, counts levels.
    numbs : bool
        Gives local anaesthetic at the periosteum.
    entry_mm : (float, float)
        Error of the entry towards the midline, upwards.
    convergence : float [deg]
        Error of the angle.
    step_mm, looks_in_pedicle_mm : float
        Advance between looks; the same between the pedicle's lateral edge and the posterior wall.
    depth : float
        Share of the body's depth at which the needle stops.
    two_planes : bool
        Turns the arm during needle placement.
    starts_at : float
        Share of the working window at which the injection begins; negative is before it opens.
    rate : float [ml/min]
    watches : str
        ``"lateral"`` or ``"ap"``: the plane watched during injection.
    live : float
        Share of the injection with the pedal down.
    checks : bool
        Looks at AP in between.
    stops : bool
        Stops for leaks and for the posterior quarter.
    rear : float
        Rearmost cement at which the operator stops.
    volume : float
        Wanted in all, over the middle of the case's window; shared by the needles.
    waits : bool
        Waits for the cement to set before withdrawal.
    drill : bool
        After a leak: waits 30 s and looks before going on.
    tests : bool
        Makes a contrast test where the case asks for one, and moves a needle through which it runs straight out.
    """

    views: tuple[float, float] = (0.0, 0.0)
    collimated: bool = True
    counts: bool = True
    numbs: bool = True
    entry_mm: tuple[float, float] = (0.0, 0.0)
    convergence: float = 0.0
    step_mm: float = 5.0
    looks_in_pedicle_mm: float = 3.0
    depth: float = 0.7
    two_planes: bool = True
    starts_at: float = 0.15
    rate: float = 3.0
    watches: str = "lateral"
    live: float = 1.0
    checks: bool = True
    stops: bool = True
    rear: float = 0.29
    volume: float = 1.0
    waits: bool = True
    drill: bool = True
    tests: bool = True


OPERATORS: dict[str, Habits] = {
    "expert": Habits(),
    "novice": Habits(
        views=(6.0, 7.0),
        collimated=False,
        counts=False,
        numbs=False,
        entry_mm=(4.0, 2.0),
        convergence=4.0,
        step_mm=12.0,
        looks_in_pedicle_mm=12.0,
        depth=0.6,
        starts_at=-0.4,
        rate=7.0,
        live=0.5,
        checks=False,
        rear=0.1,
        volume=1.6,
        waits=False,
        drill=False,
        tests=False,
    ),
    "too-early": Habits(starts_at=-0.45),
    "never-lateral": Habits(two_planes=False, watches="ap"),
}


class Operator:
    """Somebody who does a case.

    Parameters
    ----------
    habits : Habits or str
        Or a name of `OPERATORS`.
    """

    def __init__(self, habits: Habits | str) -> None:
        self.habits = OPERATORS[habits] if isinstance(habits, str) else habits

    def run(self, session: Session) -> None:
        """Do the whole case, to `finish`."""
        self._access(session)
        self._cement(session)
        self._end(session)

    def ready(self, session: Session) -> None:
        """Do it up to the mixed cement, lateral view set."""
        self._access(session)
        _do(session, kind="mix")
        self._view(session, "lateral")

    def _access(self, session: Session) -> None:
        self._prepare(session)
        for level in session.telemetry()["levels"]:
            if level != session.observation().level:
                _do(session, kind="level", level=level)
            self._aim(session)
            for name in session.observation().plan["needles"]:
                self._needle(session, name)
                if self.habits.tests and session.scenario.windows.contrast:
                    self._test(session, name)

    # before ---------------------------------------------------------------------------------------------------------

    def _prepare(self, session: Session) -> None:
        for question in session.scenario.questions:
            wrong = [option for option in question.options if option not in question.right]
            answer = question.right[0] if self.habits.counts or question.critical or not wrong else wrong[0]
            _do(session, kind="answer", question=question.id, answer=answer)
        if self.habits.counts:
            for item in session.scenario.checklist:
                if item.rule in ("A2", "K9"):
                    _do(session, kind="check", item=item.id)

    def _aim(self, session: Session) -> None:
        _do(session, kind="pulse_rate", rate=7.5)
        if self.habits.collimated:
            _do(session, kind="collimate", width_mm=90, height_mm=80)
        if self.habits.two_planes:
            self._view(session, "lateral")
            _look(session)
        self._view(session, "ap")
        _look(session)
        if self.habits.counts:
            for item in session.scenario.checklist:
                if item.rule == "A3":
                    _do(session, kind="check", item=item.id)

    def _view(self, session: Session, plane: str) -> None:
        plan = session.observation().plan["views"][plane]
        wish = {"kind": "arm", **plan}
        wish["orbital_deg"] += self.habits.views[0]
        wish["cranial_deg"] += self.habits.views[1]
        session.command(wish)
        while session.observation().readouts["arm"]["moving"]:
            session.step(0.5)

    # the needle -----------------------------------------------------------------------------------------------------

    def _needle(self, session: Session, name: str) -> None:
        habits, plan = self.habits, session.observation().plan["needles"][name]
        sign = -1.0 if "left" in name else 1.0
        place = {
            "needle": name,
            "entry_mm": [plan["entry_mm"][0] - sign * habits.entry_mm[0], plan["entry_mm"][1] + habits.entry_mm[1]],
            "convergence_deg": plan["convergence_deg"] + habits.convergence,
            "caudal_deg": plan["caudal_deg"],
        }
        if habits.numbs:
            _do(session, kind="anaesthetise", **place)
        _do(session, kind="place", **place, gauge=plan["gauge"])
        if session.scenario.guidance == "ct":
            self._drive_on_ct(session, name, plan["length_mm"])
            _do(session, kind="confirm", needle=name)
            return
        _look(session)
        self._drive(session, name, plan["length_mm"])
        _look(session)
        if habits.two_planes:
            self._view(session, "ap")
            _look(session)
        _do(session, kind="confirm", needle=name)

    def _drive(self, session: Session, name: str, length: float) -> None:
        """Advance until the lateral view says that it is deep enough; without lateral, by the planned length."""
        habits = self.habits
        _advance(session, name, 0.45 * length - 2.0)
        if habits.two_planes:
            self._view(session, "lateral")
        for _ in range(60):
            _look(session)
            seen = session.observation()
            depth = seen.readouts["needles"][name]["depth_mm"]
            tip = seen.tips.get("lateral", {}).get(name)
            if habits.two_planes and tip is not None:
                if tip["depth"] >= habits.depth - 0.01:
                    return
                body = tip["past_wall_mm"] / max(tip["depth"], 1e-3) if tip["depth"] > 0.1 else 32.0
                left = (habits.depth - tip["depth"]) * body
            else:
                left = length - depth
            if left < 0.3:
                return
            step = habits.looks_in_pedicle_mm if tip is None or -12.0 < tip["past_wall_mm"] < 2.0 else habits.step_mm
            _advance(session, name, min(step, max(left, 0.3)))

    def _test(self, session: Session, name: str) -> None:
        """Contrast agent on a subtracted picture of this view; a needle with a direct way out goes a little deeper."""
        _do(session, kind="mask")
        _do(session, kind="subtract", mode="dsa")
        _do(session, kind="contrast", needle=name, volume_ml=TEST)
        self._pedal(session, True)
        session.step(TEST_TIME)
        self._pedal(session, False)
        _do(session, kind="subtract", mode="off")
        if session.observation().outflow.get(name, False):
            _advance(session, name, DEEPER)
            _look(session)

    def _drive_on_ct(self, session: Session, name: str, length: float) -> None:
        """Advance with a quick CT at the tip after every step, until it lies as deep as planned."""
        step = 4 * self.habits.step_mm
        while (left := length - session.observation().readouts["needles"][name]["depth_mm"]) > 0.3:
            _do(session, kind="ct", mode="shot", needle=name)
            _advance(session, name, min(step, left))
            step = self.habits.step_mm if left - step < 25.0 else step
        _do(session, kind="ct", mode="shot", needle=name)

    # cement ---------------------------------------------------------------------------------------------------------

    def _cement(self, session: Session) -> None:
        habits = self.habits
        _do(session, kind="mix")
        first, last = session.observation().readouts["cement"]["window_s"]
        wanted = first + habits.starts_at * (last - first if habits.starts_at >= 0 else first)
        age = session.observation().readouts["cement"]["age_s"]
        if wanted > age:
            _do(session, kind="wait", seconds=wanted - age)
        for level in session.telemetry()["levels"]:
            if level != session.observation().level:
                _do(session, kind="level", level=level)
            for number, name in enumerate(session.observation().plan["needles"]):
                if number == 0 or habits.checks:
                    self._before_cement(session)
                self._inject(session, name)

    def _before_cement(self, session: Session) -> None:
        """Both planes, or AP alone; the view of the injection last."""
        self._view(session, "ap")
        _look(session)
        if self.habits.watches == "lateral":
            self._view(session, "lateral")
            _look(session)

    def _inject(self, session: Session, name: str) -> None:
        habits, known = self.habits, len(session.observation().leaks)
        start = session.observation().readouts["syringe"]["injected_ml"]
        wanted = self._share(session)
        checked, still = 0.0, 0
        self._pedal(session, True)
        _do(session, kind="inject", needle=name, rate_ml_min=habits.rate)
        for beat in range(600):
            self._pedal(session, beat % 10 < 10 * habits.live)
            session.step(TURN)
            seen = session.observation()
            done = seen.readouts["syringe"]["injected_ml"] - start
            if habits.stops and len(seen.leaks) > known and self._leak(session):
                break
            known = max(known, len(seen.leaks))
            if habits.stops and seen.rearmost is not None and seen.rearmost < habits.rear:
                break
            if done >= wanted or seen.readouts["cement"]["state"] == "set":
                break
            still = still + 1 if seen.readouts["syringe"]["rate_ml_min"] <= 0.0 else 0
            if still >= STALLED:
                break
            if habits.checks and habits.watches == "lateral" and done - checked >= 1.5:
                checked, still = done, 0
                self._recheck(session, name)
        _do(session, kind="stop")
        self._pedal(session, False)

    def _share(self, session: Session) -> float:
        """Volume [ml] for one needle of one level."""
        low, high = session.scenario.windows.volume_ml
        count = len(session.observation().plan["needles"]) * len(session.sites)
        return self.habits.volume * 0.5 * (low + high) / count

    def _leak(self, session: Session) -> bool:
        """A leak was seen: stop, mark, wait, look; true when the injection is over."""
        _do(session, kind="stop")
        _do(session, kind="mark_leak")
        if self.habits.drill:
            self._pedal(session, False)
            session.step(32.0)
            _look(session)
        return True

    def _recheck(self, session: Session, name: str) -> None:
        """Stop, AP, back to lateral, go on."""
        _do(session, kind="stop")
        self._pedal(session, False)
        self._view(session, "ap")
        _look(session)
        self._view(session, "lateral")
        self._pedal(session, True)
        _do(session, kind="inject", needle=name, rate_ml_min=self.habits.rate)

    def _pedal(self, session: Session, down: bool) -> None:
        if session.observation().readouts["arm"]["pedal"] != down:
            _do(session, kind="pedal", down=down)

    def _end(self, session: Session) -> None:
        habits = self.habits
        if habits.waits:
            self._wait_for_dough(session)
        for level in session.telemetry()["levels"]:
            if level != session.observation().level:
                _do(session, kind="level", level=level)
            for name in list(session.observation().readouts["needles"]):
                _do(session, kind="withdraw", needle=name)
        if habits.counts:
            for plane in ("lateral", "ap") if habits.two_planes else ("ap",):
                self._view(session, plane)
                _look(session)
            _do(session, kind="ct", centre_mm=(0.0, 0.0, 0.0))
            _do(session, kind="report", leaks=sorted(set(session.observation().leaks) & set(REPORTABLE)))
            for item in session.scenario.checklist:
                if item.rule == "G3":
                    _do(session, kind="check", item=item.id)
        _do(session, kind="finish")

    def _wait_for_dough(self, session: Session) -> None:
        for _ in range(60):
            if session.observation().readouts["cement"]["state"] in ("dough", "set"):
                return
            session.step(10.0)


REPORTABLE = ("canal", "foramen", "vein", "disc", "joint", "paravertebral", "track")


def _do(session: Session, **action: Any) -> None:
    session.command(action)


def _look(session: Session) -> None:
    _do(session, kind="pedal", down=True)
    session.step(LOOK)
    _do(session, kind="pedal", down=False)


def _advance(session: Session, name: str, distance: float) -> None:
    _do(session, kind="advance", needle=name, distance_mm=distance)
