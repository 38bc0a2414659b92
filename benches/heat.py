"""Heat and cure beside the flow they follow: CPU seconds of both in the same run, the hardening afterwards included."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benches.measure import Result

PRESET = "first-injection"


def share_of_flow(quick: bool) -> list[Result]:
    """CPU seconds of heat over those of the flow in a whole injection; then without the hardening."""
    from vertebro.case import Case
    from vertebro.simulation import Simulation

    case = Case.preset(PRESET).with_settings({"anatomy.spacing": "1.2 mm" if quick else "0.8 mm"})
    best: dict[str, float] = {}
    anatomy = None
    for _ in range(2 if quick else 3):  # the first one compiles
        simulation = Simulation(case, pictures=False, anatomy=anatomy)
        anatomy = simulation.scene.anatomy
        spent = _clocked(simulation)
        simulation.run()
        best = {name: min(seconds, best.get(name, seconds)) for name, seconds in spent.items()}
    warmth = simulation.warmth
    if warmth is None:
        raise RuntimeError("the case follows no heat")
    shape = " x ".join(map(str, simulation.scene.anatomy.grid.shape))
    followed = warmth.summary()["followed_s"]
    note = f"{shape} voxels, cpu flow {best['flow']:.2f} s, heat {best['follow']:.2f} + {best['finish']:.2f} s"
    more = {f"{name}_cpu_s": seconds for name, seconds in best.items()}
    return [
        Result(
            name="heat / flow, whole run",
            value=(best["follow"] + best["finish"]) / best["flow"],
            unit="1",
            note=f"{note}; {simulation.state.time:.0f} s of injection, followed to {followed:.0f} s",
            more=more | {"energy_balance_error": warmth.field.balance_error},
        ),
        Result(name="heat / flow, injection only", value=best["follow"] / best["flow"], unit="1", note=note),
    ]


def _clocked(simulation: Any) -> dict[str, float]:
    """CPU seconds of flow, of heat during the injection and of heat afterwards; filled while the simulation runs."""
    spent = {"flow": 0.0, "follow": 0.0, "finish": 0.0}

    def clocked(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*positional: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return call(*positional, **named)
            finally:
                spent[name] += time.process_time() - start

        return run

    simulation.stepper.advance = clocked("flow", simulation.stepper.advance)
    for name in ("follow", "finish"):
        setattr(simulation.warmth, name, clocked(name, getattr(simulation.warmth, name)))
    return spent


BENCHES = [share_of_flow]
