"""The cases a trainee can choose from, as plain values for the page. Light: no kernel is imported."""

from __future__ import annotations

from typing import Any

from vertebro.training.scenario import load_scenario, scenario_names


def catalogue() -> list[dict[str, Any]]:
    """All scenarios in teaching order, without the answers to their questions."""
    return [entry(name) for name in scenario_names()]


def entry(name: str) -> dict[str, Any]:
    """One scenario as the page shows it."""
    scenario = load_scenario(name)
    whole = scenario.model_dump(mode="json")
    questions = [{part: question[part] for part in ("id", "text", "options")} for question in whole["questions"]]
    parts = ("title", "difficulty", "teaching", "pitfalls", "seeds", "kind", "guidance", "places", "patient")
    kept = {part: whole[part] for part in parts}
    return {"name": name, **kept, "questions": questions, "checklist": whole["checklist"]}
