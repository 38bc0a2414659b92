"""Density, permeability and shell as a case sets them."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.build import build_anatomy
from vertebro.case import Case
from vertebro.errors import CaseError

COARSE = {"anatomy": {"spacing": "1.4 mm"}}


def _case(**anatomy: object) -> Case:
    return Case.parse({"anatomy": COARSE["anatomy"] | anatomy})


@pytest.mark.parametrize(
    ("measure", "fraction"),
    [({}, 0.08), ({"density": "80 mg/cm^3"}, 80 / 1100), ({"t_score": -2.5}, 80 / 1100), ({"hu": "107.2 HU"}, 0.08)],
)
def test_one_measure_of_density_decides_the_bone(measure: dict[str, object], fraction: float) -> None:
    made = build_anatomy(_case(**measure), sketch=True)
    assert made.provenance["spec"]["bone_fraction"] == pytest.approx(fraction, rel=1e-3)


def test_two_measures_of_density_are_refused_with_the_cure() -> None:
    with pytest.raises(CaseError, match="density and t_score are both given") as caught:
        _case(density="80 mg/cm^3", t_score=-2.5)
    assert "remove" in str(caught.value)


def test_a_case_with_a_t_score_survives_its_text() -> None:
    case = _case(t_score=-3.0, permeability_law="widmer2013", anisotropy="nauman1999", foramina_density="2 1/cm^2")
    assert Case.loads(case.dumps()) == case


def test_law_anisotropy_shell_and_foramina_reach_the_interior() -> None:
    case = _case(
        permeability_law="nauman1999",
        anisotropy="baroud2004",
        shell_thickness="0.5 mm",
        foramina_density=0,
        permeability_length="2 mm",
    )
    interior = build_anatomy(case, sketch=True).provenance["interior"]
    assert interior["permeability_law"] == "nauman1999"
    assert interior["anisotropy"] == "baroud2004"
    assert interior["shell_thickness"] == pytest.approx(0.5e-3)
    assert interior["foramina_density"] == 0
    assert interior["k_correlation_length"] == pytest.approx(2e-3)


def test_the_seed_draws_a_log_normal_level_of_permeability() -> None:
    """Median 1, the spread asked for; without a spread the factor is exact."""
    from vertebro.build import permeability_level

    levels = [permeability_level(_case(permeability_spread=0.4).replace(seed=seed)) for seed in range(300)]
    assert np.log(levels).std() == pytest.approx(0.4, abs=0.05)
    assert np.log(levels).mean() == pytest.approx(0.0, abs=0.07)
    assert permeability_level(_case(permeability_factor=3.0)) == 3.0
    assert levels[7] == permeability_level(_case(permeability_spread=0.4).replace(seed=7))
