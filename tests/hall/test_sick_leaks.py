"""Each defect lets its own kind of leak happen: none in the healthy bone, the right one after the defect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vertebro.anatomy.pathology_cracks import Crack
from vertebro.case import Case
from vertebro.simulation import Simulation

CRACK = {"kind": "endplate-crack", "width": "1 mm", "length": "20 mm"}  # slits from the endplate on
LEFT_WALL = {"kind": "metastasis", "right": -0.45, "front": 0.2, "breach": "left", "flow_factor": 0.8}
FISSURE = {"kind": "wall-fissure", "right": -0.2, "width": "1.2 mm", "length": "14 mm"}
THIN = FISSURE | {"width": "0.6 mm"}  # slits beside the voxels, as the next one
LEFT_FISSURE = {"kind": "wall-fissure", "wall": "left", "width": "0.8 mm", "length": "14 mm"}
MIDDLE: dict[str, Any] = {}
SIDE = {"depth": 0.6, "lateral": "9 mm"}
BACK = {"depth": 0.35, "lateral": "3 mm"}


def _leaks(defects: list[dict[str, Any]], needle: dict[str, Any]) -> dict[str, float]:
    """Leaked volume [mL] by kind: 3 mL through a left needle, no veins, no heat, no pictures."""
    case = Case.parse(
        {
            "anatomy": {"spacing": "1.2 mm", "veins": False, "pathology": defects},
            "marrow": {"viscosity": "1 Pa.s"},
            "heat": {"enabled": False},
            "needles": [{"name": "left", "side": "left", "gauge": 11} | needle],
            "steps": [{"do": "inject", "needle": "left", "volume": "3 ml", "rate": "6 ml/min"}],
        }
    )
    run = Simulation(case, pictures=False).run()
    _adds_up(run.history)
    found: dict[str, float] = {}
    for leak in run.summary["leaks"]:
        found[leak["kind"]] = found.get(leak["kind"], 0.0) + leak["volume_ml"]
    return found


def _adds_up(history: dict[str, np.ndarray]) -> None:
    """In every round voxels, cracks and what has left make up what was injected."""
    parts = [column for name, column in history.items() if name.startswith("cement_")]
    np.testing.assert_allclose(np.sum(parts, axis=0), history["volume_injected_m3"], rtol=1e-6)


@pytest.mark.parametrize(
    ("defect", "needle", "leak"),
    [
        (CRACK, MIDDLE, "D"),
        pytest.param(LEFT_WALL, SIDE, "C", marks=pytest.mark.slow),
        pytest.param(FISSURE, BACK, "canal", marks=pytest.mark.slow),
        (THIN, BACK, "canal"),
        pytest.param(LEFT_FISSURE, SIDE, "C", marks=pytest.mark.slow),
    ],
    ids=["endplate crack", "eaten left wall", "posterior fissure", "thin posterior fissure", "thin left fissure"],
)
def test_a_defect_leaks_its_own_way_and_the_whole_bone_does_not(
    defect: dict[str, Any], needle: dict[str, Any], leak: str
) -> None:
    found = _leaks([defect], needle)
    assert found.get(leak, 0.0) > 0.012
    assert found[leak] > 0.75 * sum(found.values())
    assert _leaks([], needle).get(leak, 0.0) < 0.1 * found[leak]


def test_slits_leak_what_voxels_do_to_the_order_of_magnitude(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same endplate crack both ways. Coarse voxels leak more: refined, they leak less (`pathology_slits`)."""
    slits = _leaks([CRACK], MIDDLE)["D"]
    monkeypatch.setattr(Crack, "is_slit", lambda crack, grid: False)
    voxels = _leaks([CRACK], MIDDLE)["D"]
    assert 0.15 * voxels < slits < 1.2 * voxels
