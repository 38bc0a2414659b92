"""The watch on the risks: what it follows is what `measure_result` measures, and each limit speaks once."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from leakage.scene import FRAME, GRID, VOXEL, compartments, empty, line, paint
from vertebro.errors import CaseError, GeometryError
from vertebro.leakage import RiskSettings, RiskWatch, measure_result
from vertebro.tissue import Compartment
from vertebro.units import ml

COMPARTMENT = compartments()


def watch(**limits: float) -> RiskWatch:
    return RiskWatch(grid=GRID, compartment=COMPARTMENT, frame=FRAME, settings=RiskSettings(**limits))


def signs(here: RiskWatch) -> list[str]:
    return [sign.sign for sign in here.signs]


def test_nothing_is_no_risk() -> None:
    here = watch()
    assert here.look(1.0, empty()) == []
    assert here.row() == {"posterior_margin": 1.0, "canal_encroachment": 0.0, "volume_foramen_m3": 0.0}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_it_follows_what_the_result_measures(seed: int) -> None:
    random = np.random.default_rng(seed)
    cement = np.where(random.random(GRID.shape) < 0.02, VOXEL * random.random(GRID.shape), 0.0)
    here, result = watch(), measure_result(cement, grid=GRID, compartment=COMPARTMENT, frame=FRAME)
    here.look(1.0, cement)
    assert here.posterior_margin == pytest.approx(result.posterior_margin)
    assert here.canal_encroachment == pytest.approx(result.canal_encroachment)
    assert here.foramen_volume == pytest.approx(result.foramen_volume)


def test_the_posterior_quarter_is_told_when_the_cement_enters_it_and_only_once() -> None:
    """The body runs from a = -10 to 10 mm; cement creeps back from the middle in steps of one voxel of 2 mm."""
    here, cement = watch(), empty()
    for time, a in enumerate((1, -1, -3, -5, -7, -9)):
        here.look(float(time), paint(cement, [(1, a, 1)]))
        assert here.posterior_margin == pytest.approx((a - 1 + 10) / 20)
    (sign,) = here.signs
    assert (sign.sign, sign.time, sign.source) == ("posterior quarter", 3.0, "jp_tech")
    assert sign.value == pytest.approx(0.2)


def test_the_canal_is_entered_first_and_narrowed_later() -> None:
    """The slice of the canal is 8 by 5 voxels: 10 of them are a quarter, 12 are more."""
    here, cement = watch(), empty()
    here.look(1.0, paint(cement, line((-7, -19, 1), (-7, -15, 1))))
    here.look(2.0, paint(cement, line((-5, -19, 1), (5, -19, 1))))
    here.look(3.0, paint(cement, line((-5, -17, 1), (5, -17, 1))))
    assert [(sign.sign, sign.time) for sign in here.signs] == [("canal entered", 1.0), ("canal narrowed", 3.0)]
    assert here.signs[0].value == pytest.approx(3 / 40)
    assert here.canal_encroachment == pytest.approx(15 / 40)
    assert here.signs[1].words == "cement takes 38 % of the canal's cross-section, more than 25 %"


def test_a_foramen_and_a_vein_speak_by_volume() -> None:
    here = watch(foramen_volume=0.01 * ml, embolic_load=1e-3 * ml)
    assert here.look(1.0, paint(empty(), [(11, -15, 1)]), 1e-4 * ml) == []
    here.look(2.0, paint(empty(), [(11, -15, 1), (-11, -15, 1)]), 2e-3 * ml)
    assert signs(here) == ["foramen entered", "embolic load"]
    assert here.signs[1].to_dict()["value_ml"] == pytest.approx(2e-3)


def test_the_wings_and_lower_bodies_of_a_sacrum_have_no_posterior_quarter() -> None:
    """They lie behind the posterior wall of S1 by nature."""
    compartment = np.full(GRID.shape, Compartment.BODY, np.uint8)
    here = RiskWatch(grid=GRID, compartment=compartment, frame=FRAME)
    here.look(1.0, paint(empty(), [(-17, -9, 1), (1, -13, -9)]))
    assert signs(here) == []
    here.look(2.0, paint(empty(), [(-17, -9, 1), (5, -7, 1)]))
    assert signs(here) == ["posterior quarter"]
    assert here.posterior_margin == pytest.approx(0.1)


def test_a_bone_without_a_canal_has_no_posterior_quarter() -> None:
    frame = dataclasses.replace(FRAME, canal_centre=None)
    here = RiskWatch(grid=GRID, compartment=COMPARTMENT, frame=frame)
    here.look(1.0, paint(empty(), [(1, -9, 1)]))
    assert here.signs == []


@pytest.mark.parametrize("limits", [{"posterior_margin": 0.0}, {"canal_narrowed": 1.5}, {"embolic_load": float("nan")}])
def test_absurd_limits_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(CaseError, match="out of range"):
        RiskSettings(**limits)


def test_arrays_must_fit() -> None:
    with pytest.raises(GeometryError):
        watch().look(1.0, empty()[1:])
