"""Thermal properties and damage laws against the numbers they are built from (physics.md 2.2, 2.4)."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.materials import thermal
from vertebro.tissue import Tissue


def test_cancellous_bone_has_the_measured_heat_capacity_and_conductivity():
    bone = np.array([Tissue.CANCELLOUS])
    assert thermal.heat_capacity(bone, 0.9)[0] == pytest.approx(float(thermal.CANCELLOUS_CAPACITY), rel=5e-3)
    assert thermal.conductivity(bone, 0.9)[0] == pytest.approx(float(thermal.CANCELLOUS_CONDUCTIVITY), rel=5e-3)


def test_every_tissue_conducts_and_stores_within_what_living_matter_does():
    tissue = np.array(list(Tissue))
    for porosity in (0.0, 0.5, 1.0):
        assert np.all((thermal.conductivity(tissue, porosity) > 0.1) & (thermal.conductivity(tissue, porosity) < 1.0))
        stored = thermal.heat_capacity(tissue, porosity)
        assert np.all((stored > 1.5e6) & (stored < 4.2e6))


def test_marrow_perfusion_cools_with_the_published_time_constant():
    """17.6 mL/min/100 g take 4 to 5 minutes, a third of it about 12 (2.2)."""
    bone = np.array([Tissue.CANCELLOUS])
    capacity = thermal.heat_capacity(bone, 0.9)
    young = capacity / thermal.perfusion(bone, marrow=17.6e-6 / 6.0)
    old = capacity / thermal.perfusion(bone)
    assert 200.0 < young[0] < 320.0
    assert 600.0 < old[0] < 840.0


def test_discs_and_cortex_have_no_blood():
    bloodless = np.array([Tissue.DISC, Tissue.CORTICAL, Tissue.CLEFT, Tissue.AIR])
    assert np.all(thermal.perfusion(bloodless) == 0.0)


@pytest.mark.parametrize("wish", [{"marrow": -1e-6}, {"soft": float("nan")}, {"marrow": float("inf")}])
def test_impossible_perfusion_is_refused(wish):
    with pytest.raises(CaseError) as caught:
        thermal.perfusion(np.array([Tissue.CANCELLOUS]), **wish)
    assert caught.value.where in wish


@pytest.mark.parametrize(("celsius", "minutes"), [(43.0, 1.0), (47.0, 16.0), (50.0, 128.0), (42.0, 0.25)])
def test_cem43_of_one_minute(celsius, minutes):
    assert float(thermal.cem43_rate(celsius + 273.15)) == pytest.approx(minutes, rel=1e-9)


@pytest.mark.parametrize(("celsius", "seconds"), [(44.0, 24 * 3600), (47.0, 2.6 * 3600), (50.0, 18 * 60), (55.0, 30.0)])
def test_skin_burns_after_the_times_of_henriques_and_moritz(celsius, seconds):
    """Ω = 1 at 44 °C after 24 h, 47 °C after 2.6 h, 50 °C after 18 min, 55 °C after half a minute (2.4)."""
    assert float(thermal.henriques_moritz_rate(celsius + 273.15)) * seconds == pytest.approx(1.0, rel=0.2)
