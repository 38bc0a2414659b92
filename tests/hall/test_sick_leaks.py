"""Each defect lets its own kind of leak happen: none in the healthy bone, the right one after the defect."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from vertebro.case import Case
from vertebro.simulation import Simulation

CRACK = {"kind": "endplate-crack", "width": "1 mm", "length": "20 mm"}
LEFT_WALL = {"kind": "metastasis", "right": -0.45, "front": 0.2, "breach": "left"}
FISSURE = {"kind": "wall-fissure", "right": -0.2, "width": "1 mm"}
BACK_WALL = {"kind": "metastasis", "front": -0.5, "breach": "posterior"}


@cache
def _leaks(*, kind: str = "none") -> dict[str, float]:
    """Leaked volume [mL] by kind: 3 mL through a left needle, no veins, no heat, no pictures."""
    defects: dict[str, list[dict[str, Any]]] = {
        "none": [], "crack": [CRACK], "left wall": [LEFT_WALL], "fissure": [FISSURE], "back wall": [BACK_WALL],
    }  # fmt: skip
    case = Case.parse(
        {
            "anatomy": {"spacing": "1.2 mm", "veins": False, "pathology": defects[kind]},
            "marrow": {"viscosity": "1 Pa.s"},
            "heat": {"enabled": False},
            "needles": [{"name": "left", "side": "left", "gauge": 11}],
            "steps": [{"do": "inject", "needle": "left", "volume": "3 ml", "rate": "6 ml/min"}],
        }
    )
    found: dict[str, float] = {}
    for leak in Simulation(case, pictures=False).run().summary["leaks"]:
        found[leak["kind"]] = found.get(leak["kind"], 0.0) + leak["volume_ml"]
    return found


def test_a_whole_bone_without_veins_keeps_the_cement() -> None:
    assert sum(_leaks().values()) < 0.01


@pytest.mark.parametrize(
    ("kind", "leak"),
    [("crack", "D"), ("left wall", "C"), ("fissure", "canal"), ("back wall", "canal")],
)
def test_the_defect_leaks_its_own_way_and_no_other(kind: str, leak: str) -> None:
    found = _leaks(kind=kind)
    assert found.get(leak, 0.0) > 0.02
    assert found[leak] > 0.8 * sum(found.values())
