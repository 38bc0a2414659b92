"""Small hand-made logs: what a metric should see, without simulating anything."""

from __future__ import annotations

from typing import Any

from vertebro.training.log import Log
from vertebro.training.scenario import load_scenario


def second(t: float) -> int:
    return round(60 * t)


def start(name: str = "first-steps", **changes: Any) -> Log:
    scenario, log = load_scenario(name), Log()
    facts = {
        "scenario": scenario.id,
        "scenario_version": scenario.version,
        "digest": scenario.digest,
        "version": "0",
        "seed": 1,
        "mode": "exam",
        "settings": {},
        "windows": scenario.windows.model_dump(),
        "questions": [q.model_dump(include={"id", "rule", "critical"}) for q in scenario.questions],
        "checklist": [item.model_dump(include={"id", "rule"}) for item in scenario.checklist],
        "rules": [],
        "needles": {"L3": ["left"]},
    }
    log.add("start", 0, **facts | changes)
    return log


def act(log: Log, t: float, kind: str, **more: Any) -> None:
    log.add("action", second(t), level="L3", action={"kind": kind, **more})


def event(log: Log, t: float, name: str, **facts: Any) -> None:
    log.add("event", second(t), event=name, level="L3", **facts)


def inject(log: Log, t: float, until: float, *, rate: float = 0.05, ages: dict[str, float] | None = None) -> None:
    """Rounds of a second with cement flowing [ml/s], pictures of some age."""
    time, total = t, 0.0
    act(log, t, "inject", needle="left", rate_ml_min=60 * rate)
    while time < until - 1e-9:
        time, total = time + 1.0, total + rate
        row(log, time, rate, total, {"lateral": 0.1} if ages is None else ages)
    act(log, until, "stop")
    event(log, until, "injection stops", needle="left", margin=0.3, injected_ml=total)


def row(log: Log, t: float, rate: float, total: float, ages: dict[str, float], **more: Any) -> None:
    facts = {
        "level": "L3",
        "until_s": t,
        "dt": 1.0,
        "rate_ml_s": rate,
        "injected_ml": total,
        "syringe_kpa": 100.0,
        "viscosity_pa_s": 80.0,
        "margin": 0.4,
        "ages_s": ages,
        "alarming": False,
        "leaks_ml": {},
    }
    log.add("row", second(t), **facts | more)


def leak(log: Log, t: float, *, key: int = 1, region: str = "disc", volume: float = 0.02) -> None:
    facts = {"key": key, "kind": "D", "region": region, "compartment": region, "words": "a place"}
    event(log, t, "leak", volume_ml=volume, t_leak_s=t, **facts)


def visible(log: Log, t: float, *, key: int = 1, region: str = "disc", volume: float = 0.05) -> None:
    event(log, t, "leak visible", key=key, plane="lateral", volume_ml=volume, region=region)
