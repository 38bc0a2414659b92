"""Tube spectra against spekpy's own answers, and what becomes of them in a few bins."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.imaging.detector import Detector
from vertebro.imaging.spectrum import bin_spectrum, tube_spectrum, whole_kev
from vertebro.materials.attenuation import MATERIALS, cement_material

# 3 mm Al plus copper: kVp, copper mm, mean keV, HVL mm Al, uGy/mAs at 1 m, photons/(cm² mAs)
SPEKPY = [
    (60, 0.0, 36.8, 2.32, 39.8, 6.45e7),
    (60, 0.2, 42.9, 4.23, 9.13, 2.10e7),
    (70, 0.1, 44.6, 4.03, 25.2, 5.70e7),
    (80, 0.0, 44.0, 3.06, 69.1, 1.36e8),
    (80, 0.2, 51.3, 5.64, 22.9, 6.19e7),
    (100, 0.3, 60.3, 7.70, 33.2, 9.99e7),
    (120, 0.0, 55.6, 4.69, 139.3, 3.32e8),
    (120, 0.2, 63.7, 7.90, 68.1, 1.99e8),
]


@pytest.mark.parametrize(("kvp", "copper", "mean", "hvl", "kerma", "photons"), SPEKPY)
def test_beam_quality_and_output_match_spekpy(
    kvp: float, copper: float, mean: float, hvl: float, kerma: float, photons: float
) -> None:
    """HVL within 2 %, kerma within 3 %, mean energy and photons within 1 %."""
    beam = tube_spectrum(kvp, aluminium=3e-3, copper=copper * 1e-3)
    assert beam.mean_energy() == pytest.approx(mean, rel=0.01)
    assert beam.half_value_layer() * 1e3 == pytest.approx(hvl, rel=0.02)
    assert beam.air_kerma() * 1e6 == pytest.approx(kerma, rel=0.03)
    assert beam.fluence.sum() * 1e-4 == pytest.approx(photons, rel=0.01)


def test_voltages_between_table_rows_are_interpolated() -> None:
    low, middle, high = (tube_spectrum(kvp).air_kerma() for kvp in (80.0, 80.5, 81.0))
    assert middle == pytest.approx((low + high) / 2, rel=1e-3)


def test_more_filter_hardens_the_beam() -> None:
    layers = [tube_spectrum(80.0, copper=copper).half_value_layer() for copper in (0.0, 1e-4, 3e-4, 9e-4)]
    assert np.all(np.diff(layers) > 0)


@pytest.mark.parametrize("kvp", [39.9, 150.1, float("nan")])
def test_voltages_outside_40_to_150_are_refused(kvp: float) -> None:
    with pytest.raises(CaseError, match="40 to 150"):
        tube_spectrum(kvp)


def test_negative_filters_are_refused() -> None:
    with pytest.raises(CaseError, match="copper"):
        tube_spectrum(80.0, copper=-1e-4)


@pytest.mark.parametrize("kvp", [60.0, 85.0, 120.0])
@pytest.mark.parametrize("body", [0.10, 0.25])
def test_twelve_bins_equal_the_full_spectrum_within_1_percent(kvp: float, body: float) -> None:
    """Signal behind tissue, bone, cement and steel; the reference sums over every keV."""
    spectrum = tube_spectrum(kvp, copper=2e-4)
    deposit = Detector().absorbed(spectrum.energy) * spectrum.energy
    bins = bin_spectrum(spectrum, deposit, count=12, body=body)
    matter = [MATERIALS["water"], MATERIALS["cortical bone"], cement_material(), MATERIALS["steel 304"]]
    for path in (
        (body, 0, 0, 0),
        (body, 0.02, 0, 0),
        (body, 0.01, 0.005, 0),
        (body, 0.01, 0, 0.001),
        (0.7 * body, 0, 0, 0),
    ):
        exact = np.exp(-sum(length * whole_kev(m, spectrum.energy) for m, length in zip(matter, path, strict=True)))
        fast = np.exp(-sum(length * bins.attenuation(m) for m, length in zip(matter, path, strict=True)))
        assert bins.weight @ fast == pytest.approx(spectrum.fluence @ (deposit * exact), rel=0.01)
