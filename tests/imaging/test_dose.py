"""Dose: the laws of the beam, and a ledger that adds up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vertebro.errors import CaseError
from vertebro.imaging import CArm, Dose, DoseLedger, Fluoroscope, TissueLayer, collimation
from vertebro.imaging.dose import exposure_dose, operator_kerma, reference_distance
from vertebro.imaging.spectrum import tube_spectrum

Patient = tuple[TissueLayer, ...]
SHOT = Dose(kvp=80, mas=1.0, reference_air_kerma=0.1e-3, dose_area_product=2e-6, detector_air_kerma=1e-7)
BEAM = tube_spectrum(80.0, aluminium=3e-3, copper=0.2e-3)


def booked(arm: CArm, share: float = 1.0) -> Dose:
    return exposure_dose(BEAM, 1.0, arm.geometry, open_share=share, detector_air_kerma=1e-7)


def test_the_reference_point_lies_15_cm_from_the_isocentre_towards_the_tube() -> None:
    assert reference_distance(CArm.ap(source_isocentre=0.7).geometry) == pytest.approx(0.55)
    near, far = (booked(CArm.ap(source_isocentre=sod)).reference_air_kerma for sod in (0.6, 0.75))
    assert near / far == pytest.approx((0.60 / 0.45) ** 2)
    assert booked(CArm.ap()).reference_air_kerma == pytest.approx(BEAM.air_kerma() / 0.55**2)


def test_the_dose_area_product_does_not_depend_on_where_it_is_measured() -> None:
    """Kerma falls with the square of the distance, the field grows with it: one beam, one product."""
    products = []
    for sod, sdd in ((0.6, 1.0), (0.7, 1.0), (0.8, 1.2)):
        arm = CArm.ap(source_isocentre=sod, source_detector=sdd, pitch=0.5e-3 * sdd)  # the same cone
        dose = booked(arm)
        edge = 512 * arm.pitch * reference_distance(arm.geometry) / sdd
        assert dose.reference_air_kerma * edge**2 == pytest.approx(dose.dose_area_product, rel=0.01)
        products.append(dose.dose_area_product)
    assert max(products) / min(products) == pytest.approx(1.0, abs=0.01)


def test_the_dose_area_product_is_proportional_to_the_opening(patient: Patient) -> None:
    """At one tube charge; the automatic control is taken out by dividing by it."""
    arm = CArm.ap(rows=128, cols=128, pitch=1.2e-3)
    per_area = []
    for edge in (0.10, 0.07, 0.04):
        opening = collimation(arm.geometry, edge, edge)
        dose = Fluoroscope(kvp=80.0).prepare(arm, patient, collimation=opening).dose
        area = (opening[1] - opening[0]) * (opening[3] - opening[2]) * (1.2e-3 * 0.7) ** 2
        assert area == pytest.approx(edge**2, rel=0.05)  # whole pixels
        per_area.append(dose.dose_area_product / dose.mas / area)
    assert max(per_area) / min(per_area) == pytest.approx(1.0, abs=0.01)


def test_a_ledger_adds_up_by_phase_and_plane() -> None:
    ledger = DoseLedger()
    for _ in range(30):
        ledger.add(SHOT, phase="needle", seconds=1 / 7.5)
    for _ in range(15):
        ledger.add(SHOT, phase="cement", seconds=1 / 15, plane="B")
    ledger.add(SHOT, phase="check")
    assert ledger.total.exposures == 46
    assert ledger.total.fluoro_time == pytest.approx(5.0)
    assert ledger.phases["needle"].fluoro_time == pytest.approx(4.0)
    assert ledger.phases["check"].fluoro_time == 0
    for total in (ledger.phases, ledger.planes):
        assert sum(part.dose_area_product for part in total.values()) == pytest.approx(46 * 2e-6)
        assert sum(part.reference_air_kerma for part in total.values()) == pytest.approx(4.6e-3)
    assert list(ledger.phases) == ["needle", "cement", "check"]


@pytest.mark.parametrize("rate", [3.0, 7.5, 15.0, 30.0])
def test_the_rate_is_kerma_per_pulse_times_pulses_per_second(rate: float) -> None:
    ledger = DoseLedger()
    for number in range(round(3 * rate)):
        ledger.add(SHOT, phase="needle", seconds=1 / rate, time=number / rate)
    assert ledger.rate() == pytest.approx(0.1e-3 * rate)
    assert ledger.total.peak_rate == pytest.approx(0.1e-3 * rate)


def test_a_warning_comes_at_88_mgy_per_minute_once_per_transgression() -> None:
    ledger, limit = DoseLedger(), 88e-3 / 60
    below, above = (replace(SHOT, reference_air_kerma=share * limit / 15) for share in (0.99, 1.2))
    for dose in 30 * [below]:
        ledger.add(dose, phase="needle", seconds=1 / 15)
    assert ledger.warnings == []
    for dose in 30 * [above] + 45 * [below] + 30 * [above]:
        ledger.add(dose, phase="cement", seconds=1 / 15)
    assert [warning["phase"] for warning in ledger.warnings] == ["cement", "cement"]
    assert all(warning["rate_gy_s"] > limit for warning in ledger.warnings)


def test_a_single_shot_has_no_rate() -> None:
    ledger = DoseLedger()
    ledger.add(replace(SHOT, reference_air_kerma=5e-3), phase="check")
    assert ledger.warnings == []
    assert ledger.rate() == 0.0


def test_the_operators_dose_falls_with_distance_and_says_what_it_is() -> None:
    """1 Gy cm² gives a few microgray a metre aside: a thousandth of the entrance kerma of a 20 x 20 cm field."""
    assert 1e-6 < operator_kerma(1e-4) < 1e-5
    assert operator_kerma(1e-4, distance=2.0) == pytest.approx(operator_kerma(1e-4) / 4)
    assert operator_kerma(1e-4, shield=0.05) == pytest.approx(operator_kerma(1e-4) / 20)
    ledger = DoseLedger()
    ledger.add(SHOT, phase="needle")
    operator = ledger.to_dict()["operator"]
    assert "order of magnitude" in operator["label"]
    assert operator["air_kerma_gy"] == pytest.approx(operator_kerma(2e-6))


@pytest.mark.parametrize("wrong", [{"phase": ""}, {"phase": "a", "seconds": -1.0}, {"phase": "a", "time": 1.0}])
def test_exposures_that_cannot_be_booked_are_refused(wrong: dict) -> None:
    ledger = DoseLedger()
    ledger.add(SHOT, phase="needle", time=2.0)
    with pytest.raises(CaseError, match="cannot be booked"):
        ledger.add(SHOT, **wrong)


@pytest.mark.parametrize("wrong", [{"distance": 0.0}, {"shield": 2.0}])
def test_operators_inside_the_beam_are_refused(wrong: dict) -> None:
    with pytest.raises(CaseError, match="place of the operator"):
        operator_kerma(1e-4, **wrong)
