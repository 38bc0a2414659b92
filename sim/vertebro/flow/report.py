"""What the stepper tells: events, and a report of each call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from vertebro.flow.control import WellRun


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """Something a person should know: ``sealed``, ``pressure-cap``, ``cap-released`` or ``full``.

    Attributes
    ----------
    kind : str
    time : float [s]
    well : str
    text : str
        A sentence with numbers.
    """

    kind: str
    time: float
    well: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What one `Stepper.advance` did.

    Attributes
    ----------
    steps, solves, iterations : int
        Transport steps, pressure fields and multigrid iterations.
    residual : float
        Largest relative residual of the pressure solves.
    balance_error : float
        |injected - in the pores - out of the outlets| / injected since time 0.
    well_pressures, well_rates : dict of float [Pa], [m³/s]
        At the last step; an infinite pressure means that nothing can flow.
    events : tuple of FlowEvent
    seconds : float
        CPU seconds of this thread.
    """

    steps: int
    solves: int
    iterations: int
    residual: float
    balance_error: float
    well_pressures: dict[str, float]
    well_rates: dict[str, float]
    events: tuple[FlowEvent, ...] = ()
    seconds: float = field(default=0.0, compare=False)


@dataclass(slots=True)
class Tally:
    """Running sums of one call."""

    steps: int = 0
    solves: int = 0
    iterations: int = 0
    residual: float = 0.0
    events: list[FlowEvent] = field(default_factory=list)

    def report(self, runs: Iterable[WellRun], balance: float, seconds: float) -> StepReport:
        """The sums with the wells' last pressures and rates."""
        runs = list(runs)
        return StepReport(
            steps=self.steps,
            solves=self.solves,
            iterations=self.iterations,
            residual=self.residual,
            balance_error=balance,
            well_pressures={r.well.name: r.pressure for r in runs},
            well_rates={r.well.name: r.rate for r in runs},
            events=tuple(self.events),
            seconds=seconds,
        )
