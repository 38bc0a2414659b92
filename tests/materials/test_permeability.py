"""Laws of permeability against the numbers their papers print."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import CaseError
from vertebro.materials.permeability import (
    PERMEABILITY_AP,
    PERMEABILITY_LAWS,
    PERMEABILITY_SI,
    kozeny,
    permeability_law,
    permeability_tensor,
)
from vertebro.materials.trabecular import Microstructure, microstructure

FRACTIONS = np.linspace(0.03, 0.5, 200)


def _explained(values: np.ndarray, *predictors: np.ndarray) -> float:
    """R² of a least-squares fit."""
    design = np.stack([np.ones_like(values), *predictors], axis=1)
    rest = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return float(1 - rest.var() / values.var())


def test_kozeny_is_its_closed_form() -> None:
    """Rods of diameter t fill 1−φ: surface 4(1−φ)/t per volume, and Kozeny K = φ³/(c S²) with c = 5."""
    phi, t = 0.88, 0.13e-3
    surface = 4 * (1 - phi) / t
    assert float(kozeny(phi, t)) == pytest.approx(phi**3 / (5 * surface**2), rel=1e-12)
    assert float(kozeny(phi, t)) == pytest.approx(1.0e-8, rel=0.03)


def test_rod_kozeny_meets_a_lattice_boltzmann_biopsy() -> None:
    """lhdl2009: BV/TV 0.233, Tb.Th 0.23 mm, 3.2e-9 to 5.7e-9 m² over three axes."""
    biopsy = microstructure(0.233, thickness=0.23e-3, anisotropy=1.0)
    assert 3.2e-9 < float(permeability_law("rod-kozeny")(biopsy)) < 5.7e-9


@pytest.mark.parametrize("law", ["rod-kozeny", "widmer2013"])
def test_laws_of_structure_meet_measured_cores_of_elderly_bone(law: str) -> None:
    """baroud2004: 4.45e-8 and 3.44e-8 m² with 40 % spread, lumbar cores of the old (BV/TV about 0.07)."""
    assert PERMEABILITY_AP * 0.6 < float(permeability_law(law)(microstructure(0.07))) < PERMEABILITY_SI * 1.4


def test_baroud_gives_both_published_means_whatever_the_density() -> None:
    tensor = permeability_tensor(microstructure(FRACTIONS, anisotropy="baroud2004"), "baroud2004")
    np.testing.assert_allclose(tensor[2], 4.45e-8, rtol=0.02)
    np.testing.assert_allclose(tensor[:2], 3.44e-8, rtol=0.02)


def test_nauman_spans_its_published_range_and_falls() -> None:
    """nauman1999: 2.68e-11 to 2.00e-8 m² over all specimens, less with more bone."""
    tensor = permeability_tensor(microstructure(FRACTIONS, anisotropy="nauman1999"), "nauman1999")
    assert tensor.max() == pytest.approx(2.00e-8, rel=1e-6)
    assert tensor.min() == pytest.approx(2.68e-11, rel=1e-6)
    assert np.all(np.diff(tensor, axis=1) <= 0)


def test_widmer_explains_as_much_by_porosity_and_by_spacing_as_published() -> None:
    """widmer2013: R² of porosity alone 0.88 to 0.89 across the spine, 0.60 along it; with Tb.Sp 0.96 to 0.97."""
    random = np.random.default_rng(3)
    fraction, thick = random.uniform(0.06, 0.16, 4000), random.normal(0.13e-3, 0.015e-3, 4000)
    bone = microstructure(fraction, thickness=np.clip(thick, 0.09e-3, 0.18e-3))
    across = permeability_tensor(bone, "widmer2013")[0]
    alone = _explained(np.log(across), bone.porosity)
    both = _explained(np.log(across), bone.porosity, bone.spacing)
    assert 0.80 < alone < 0.93
    assert both > 0.96


def test_spacing_counts_for_widmer_and_thickness_for_rods() -> None:
    """Widmer and Ferguson: thickness plays a minor role once porosity and spacing are known."""
    thin = microstructure(0.1, thickness=0.11e-3)
    same_gap = Microstructure(
        porosity=thin.porosity, thickness=2 * thin.thickness, spacing=thin.spacing, anisotropy=thin.anisotropy
    )
    assert float(permeability_law("widmer2013")(same_gap)) == float(permeability_law("widmer2013")(thin))
    assert float(permeability_law("rod-kozeny")(same_gap)) > 3 * float(permeability_law("rod-kozeny")(thin))


def test_bovine_fit_lies_below_the_rod_law() -> None:
    bone = microstructure(0.1)
    assert float(permeability_law("kohles2001")(bone)) < float(permeability_law("rod-kozeny")(bone))


@pytest.mark.parametrize("law", PERMEABILITY_LAWS)
@given(fraction=st.floats(0.03, 0.5), step=st.floats(0.001, 0.02))
def test_more_pores_never_conduct_less(law: str, fraction: float, step: float) -> None:
    dense, open_ = permeability_law(law)(microstructure(np.array([fraction + step, fraction])))
    assert open_ >= dense > 0


@pytest.mark.parametrize("law", PERMEABILITY_LAWS)
def test_every_tensor_is_positive_and_widest_along_the_spine(law: str) -> None:
    tensor = permeability_tensor(microstructure(FRACTIONS), law)
    assert tensor.shape == (3, 200)
    assert tensor.min() > 0
    np.testing.assert_array_equal(tensor[0], tensor[1])
    assert np.all(tensor[2] >= 1.279 * tensor[0])
    mean = permeability_law(law)(microstructure(FRACTIONS))
    np.testing.assert_allclose(np.prod(tensor, axis=0) ** (1 / 3), mean, rtol=1e-12)


def test_unknown_law_names_the_known_ones() -> None:
    with pytest.raises(CaseError, match="rod-kozeny"):
        permeability_law("darcy")
