"""From CT numbers, mineral density and T-scores to the bone volume fraction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import CaseError
from vertebro.materials import bone


def test_pure_marrow_and_pure_bone_are_the_ends_of_the_mixture() -> None:
    assert bone.bone_fraction_from_hu([-40.0, 1800.0]).tolist() == [0.0, 1.0]


@given(st.floats(0.0, 1.0))
def test_hu_and_bone_fraction_invert_each_other(fraction: float) -> None:
    hu = bone.hu_from_bone_fraction(fraction)
    assert float(bone.bone_fraction_from_hu(hu)) == pytest.approx(fraction, abs=1e-12)


def test_published_ct_numbers_give_the_porosities_of_the_dossier() -> None:
    """φ = 1 − (HU + 40)/1840: young 236 HU, decade means 180 and 107, osteoporotic 70, severe 33."""
    phi = bone.porosity(bone.bone_fraction_from_hu(np.array([236.0, 180.0, 107.0, 70.0, 33.0])))
    np.testing.assert_allclose(phi, [0.85, 0.88, 0.92, 0.94, 0.96], atol=0.005)


def test_fractions_are_clipped_and_integers_are_not_wrapped() -> None:
    hu = np.array([-32768, -1000, 32767], np.int16)
    assert bone.bone_fraction_from_hu(hu, low=0.02, high=0.9).tolist() == pytest.approx([0.02, 0.02, 0.9])


def test_single_precision_stays_single() -> None:
    assert bone.bone_fraction_from_hu(np.zeros(3, np.float32)).dtype == np.float32


def test_density_of_osteoporosis_is_a_bone_fraction_of_seven_percent() -> None:
    assert bone.bone_fraction_from_density(77.0) == pytest.approx(0.07)


def test_t_score_meets_the_limits_of_quantitative_ct() -> None:
    """acr_qct: osteopenia below 120 mg/cm³, osteoporosis below 80."""
    assert bone.density_from_t_score(-1.0) == pytest.approx(120.0)
    assert bone.density_from_t_score(-2.5) == pytest.approx(80.0)


@given(st.floats(-4.2, 2.9), st.floats(0.01, 0.1))
def test_a_better_t_score_is_denser_bone(score: float, step: float) -> None:
    assert bone.mean_bone_fraction(t_score=score + step) > bone.mean_bone_fraction(t_score=score) > 0.03


def test_every_measure_of_density_names_the_same_osteoporotic_bone() -> None:
    """BV/TV 0.08 is 88 mg/cm³, 107 HU and T −2.2."""
    for measure in ({"density": 88.0}, {"hu": 107.2}, {"t_score": -2.2}, {"bone_fraction": 0.08}):
        assert bone.mean_bone_fraction(**measure) == pytest.approx(0.08, rel=1e-3), measure
    assert bone.mean_bone_fraction(default=0.11) == 0.11


def test_two_measures_of_density_are_refused_by_name() -> None:
    with pytest.raises(CaseError, match="density and t_score are both given"):
        bone.mean_bone_fraction(density=80.0, t_score=-2.5)


def test_a_t_score_that_leaves_no_bone_is_refused() -> None:
    with pytest.raises(CaseError, match=r"-4\.2 to 3"):
        bone.density_from_t_score(-6.0)


def test_marrow_brighter_than_bone_is_refused() -> None:
    with pytest.raises(CaseError, match="hu_marrow < hu_bone"):
        bone.bone_fraction_from_hu(0.0, hu_marrow=100.0, hu_bone=50.0)
    with pytest.raises(CaseError):
        bone.hu_from_bone_fraction(0.1, hu_marrow=100.0, hu_bone=50.0)
