"""Marrow as a liquid and as a soft solid."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.materials import MARROW_VISCOSITY, Marrow
from vertebro.materials.marrow import herschel_bulkley_1926

RATES = np.geomspace(1e-6, 1e4, 60)


def test_default_marrow_is_a_liquid_of_published_viscosity() -> None:
    assert Marrow()(RATES, 0.0) == pytest.approx(0.05)
    assert (MARROW_VISCOSITY.low, MARROW_VISCOSITY.high) == (0.04, 0.15)
    assert Marrow().newtonian


def test_yielding_marrow_carries_its_yield_stress_at_speed() -> None:
    """For γ̇ >> γ̇0 the stress η γ̇ is τ_y + K γ̇^n."""
    marrow = Marrow(viscosity=2.0, yield_stress=50.0, index=0.8, creep_rate=1e-3)
    fast = np.array([1.0, 10.0, 100.0])
    assert marrow(fast, 0.0) * fast == pytest.approx(50.0 + 2.0 * fast**0.8, rel=1e-9)


def test_yielding_marrow_creeps_at_rest_instead_of_locking() -> None:
    """Papanastasiou: η(0) = τ_y/γ̇0 + K γ̇0^(n-1), finite; and it only falls with shear."""
    eta = herschel_bulkley_1926(np.append(0.0, RATES), yield_stress=50.0, consistency=2.0, index=0.8, creep_rate=0.01)
    assert eta[0] == pytest.approx(50.0 / 0.01 + 2.0 * 0.01**-0.2, rel=1e-5)
    assert np.all(np.isfinite(eta))
    assert np.all(np.diff(eta) <= 0.0)


def test_stress_grows_with_shear_so_that_flow_problems_are_well_posed() -> None:
    rates = RATES
    stress = herschel_bulkley_1926(rates, yield_stress=50.0, consistency=2.0, index=0.8, creep_rate=0.01) * rates
    assert np.all(np.diff(stress) > 0.0)


@pytest.mark.parametrize(
    "changes", [{"viscosity": 0.0}, {"viscosity": np.nan}, {"yield_stress": -1.0}, {"index": 5.0}, {"creep_rate": 0.0}]
)
def test_impossible_marrow_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(CaseError) as caught:
        Marrow(**changes)
    assert caught.value.where == f"marrow.{next(iter(changes))}"
