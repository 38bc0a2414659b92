"""From CT numbers to permeability: the mixture law, Kozeny's law and what was measured."""

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


def test_rod_kozeny_is_its_closed_form() -> None:
    """Rods of diameter t fill 1−φ: surface 4(1−φ)/t per volume, and Kozeny K = φ³/(c S²) with c = 5."""
    phi, t = 0.88, 0.13e-3
    surface = 4 * (1 - phi) / t
    assert float(bone.rod_kozeny(phi, thickness=t)) == pytest.approx(phi**3 / (5 * surface**2), rel=1e-12)
    assert float(bone.rod_kozeny(phi, thickness=t)) == pytest.approx(1.0e-8, rel=0.03)


def test_rod_kozeny_meets_a_lattice_boltzmann_biopsy() -> None:
    """lhdl2009: BV/TV 0.233, Tb.Th 0.23 mm, 3.2e-9 to 5.7e-9 m² over three axes."""
    assert 3.2e-9 < float(bone.rod_kozeny(1 - 0.233, thickness=0.23e-3)) < 5.7e-9


def test_rod_kozeny_meets_measured_cores_of_elderly_bone() -> None:
    assert bone.PERMEABILITY_AP * 0.6 < float(bone.rod_kozeny(0.93)) < bone.PERMEABILITY_SI * 1.4


@given(st.floats(0.5, 0.97), st.floats(0.001, 0.02))
def test_more_pores_never_conduct_less(phi: float, step: float) -> None:
    for law in bone.PERMEABILITY_LAWS.values():
        low, high = law(np.array([phi, phi + step]))
        assert high >= low


def test_bovine_fit_lies_below_the_rod_law() -> None:
    assert float(bone.kohles2001(0.9)) < float(bone.rod_kozeny(0.9))


def test_measured_mean_ignores_density() -> None:
    k = bone.baroud2004(np.array([0.8, 0.95]))
    assert k[0] == k[1] == pytest.approx(3.75e-8, rel=0.01)


@given(st.floats(1.0, 3.0))
def test_principal_factors_keep_the_geometric_mean(ratio: float) -> None:
    r, a, s = bone.principal_factors(ratio)
    assert r * a * s == pytest.approx(1.0)
    assert s / r == pytest.approx(ratio)
    assert r == a


def test_density_of_osteoporosis_is_a_bone_fraction_of_seven_percent() -> None:
    assert bone.bone_fraction_from_density(77.0) == pytest.approx(0.07)


def test_unknown_law_names_the_known_ones() -> None:
    with pytest.raises(CaseError, match="rod-kozeny"):
        bone.permeability_law("darcy")


def test_marrow_brighter_than_bone_is_refused() -> None:
    with pytest.raises(CaseError, match="hu_marrow < hu_bone"):
        bone.bone_fraction_from_hu(0.0, hu_marrow=100.0, hu_bone=50.0)
    with pytest.raises(CaseError):
        bone.hu_from_bone_fraction(0.1, hu_marrow=100.0, hu_bone=50.0)


def test_flat_bone_has_no_negative_anisotropy() -> None:
    with pytest.raises(CaseError, match="anisotropy"):
        bone.principal_factors(0.0)
