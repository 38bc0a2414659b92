"""Trabecular spacing and anisotropy: the models' closed forms and the ranges that were measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import CaseError
from vertebro.materials.trabecular import (
    ANISOTROPY_LAWS,
    anisotropy_of,
    microstructure,
    osteoporosis,
    principal_factors,
    trabecular_spacing,
)

THICK = 0.13e-3


def test_plates_leave_the_classical_gap() -> None:
    """Plates 0.13 mm thick that fill a tenth stand 1.17 mm apart."""
    assert float(trabecular_spacing(0.1, THICK, rod_share=0.0)) == pytest.approx(9 * THICK)


@pytest.mark.parametrize("fraction", [0.04, 0.08, 0.15])
def test_rods_of_that_spacing_fill_a_cubic_lattice_to_the_fraction(fraction: float) -> None:
    """Three rods of length L per cell of edge L: 3 π t² L / 4 over L³."""
    cell = float(trabecular_spacing(fraction, THICK, rod_share=1.0)) + THICK
    assert 3 * np.pi * THICK**2 / 4 / cell**2 == pytest.approx(fraction, rel=1e-12)


def test_spacing_of_old_bone_is_as_measured() -> None:
    """Tb.Sp 0.7 to 1.2 mm at BV/TV 0.06 to 0.10 (physics dossier 3.2)."""
    spacing = trabecular_spacing(np.linspace(0.06, 0.10, 9), THICK)
    assert spacing.min() > 0.7e-3
    assert spacing.max() < 1.2e-3


@given(st.floats(0.02, 0.5), st.floats(1.02, 2.0))
def test_less_bone_is_farther_apart_and_never_less_anisotropic(fraction: float, factor: float) -> None:
    assert float(trabecular_spacing(fraction, THICK)) > float(trabecular_spacing(fraction * factor, THICK))
    assert float(osteoporosis(fraction)) >= float(osteoporosis(fraction * factor))


def test_anisotropy_grows_from_baroud_to_nauman() -> None:
    np.testing.assert_allclose(osteoporosis([0.35, 0.20, 0.125, 0.05, 0.03]), [1.28, 1.28, 1.665, 2.05, 2.05])
    assert float(anisotropy_of(0.1, "baroud2004")) == 1.28
    assert float(anisotropy_of(0.1, "nauman1999")) == 2.05
    assert float(anisotropy_of(0.1, 1.5)) == 1.5


@given(st.floats(1.0, 3.0))
def test_principal_factors_keep_the_geometric_mean(ratio: float) -> None:
    r, a, s = principal_factors(ratio)
    assert r * a * s == pytest.approx(1.0)
    assert s / r == pytest.approx(ratio)
    assert r == a


def test_microstructure_has_one_value_per_voxel() -> None:
    made = microstructure(np.full((2, 3), 0.1))
    assert made.porosity.shape == made.thickness.shape == made.spacing.shape == made.anisotropy.shape == (2, 3)
    assert made.porosity[0, 0] == pytest.approx(0.9)


def test_unknown_law_and_impossible_ratio_are_refused() -> None:
    with pytest.raises(CaseError, match=next(iter(ANISOTROPY_LAWS))):
        anisotropy_of(0.1, "wolff")
    with pytest.raises(CaseError, match="anisotropy"):
        anisotropy_of(0.1, 0.0)
