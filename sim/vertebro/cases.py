"""The case library: named, complete inputs."""

from __future__ import annotations

from typing import Any

_LEFT = {"name": "left", "side": "left", "gauge": 11}
_RIGHT = {"name": "right", "side": "right", "gauge": 11}


def _inject(needle: str, volume: str, rate: str = "3 ml/min") -> dict[str, Any]:
    return {"do": "inject", "needle": needle, "volume": volume, "rate": rate}


CASES: dict[str, dict[str, Any]] = {
    "first-injection": {
        "title": "First injection: osteoporotic L1, one left transpedicular needle, 4 ml",
        "needles": [_LEFT],
        "steps": [_inject("left", "4 ml")],
    },
    "two-needles": {
        "title": "Osteoporotic L1, both pedicles, 2 ml each",
        "needles": [_LEFT, _RIGHT],
        "steps": [_inject("left", "2 ml"), {"do": "wait", "duration": "20 s"}, _inject("right", "2 ml")],
    },
    "runny-cement": {
        "title": "Too early: low-viscosity cement two minutes after mixing",
        "cement": {"preset": "generic-low", "age_at_start": "2 min"},
        "needles": [_LEFT],
        "steps": [_inject("left", "4 ml", "6 ml/min")],
    },
    "thick-cement": {
        "title": "High-viscosity cement through a thin cannula: the hand is the limit",
        "cement": {"preset": "generic-high", "age_at_start": "7 min"},
        "needles": [{**_LEFT, "gauge": 13}],
        "steps": [_inject("left", "4 ml")],
    },
    "large-volume": {
        "title": "Eight millilitres into an osteoporotic L1",
        "needles": [_LEFT],
        "steps": [_inject("left", "8 ml")],
    },
    "young-bone": {
        "title": "Dense bone (BV/TV 0.18), 3 ml",
        "anatomy": {"bone_fraction": 0.18},
        "needles": [_LEFT],
        "steps": [_inject("left", "3 ml")],
    },
}
