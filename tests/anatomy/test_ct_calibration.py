"""Calibration without a phantom: a distorted scale is found and undone, a true one left alone, doubt is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from anatomy.test_ct_foreign import _core_fraction
from anatomy.test_ct_orientation import _points, _volume
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.ct_calibration import Reference, calibrate, contradiction, fit
from vertebro.anatomy.ct_foreign import find_foreign
from vertebro.anatomy.ct_job import bone_distance, check_values, make_job
from vertebro.anatomy.frame import Scout, coarse_frame, look
from vertebro.anatomy.from_ct import import_volumes
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.units import mm

WIDE = {"shape": (72, 64, 40), "spacing": (2.2, 2.4, 2.5), "shift": (0.0, -10.0, 0.0)}


def _imported(slope: float = 1.0, offset: float = 0.0, *, fat: float = -100.0, calibration: str = "auto") -> Anatomy:
    """The phantom with subcutaneous fat and muscle that read right, then distorted as a whole."""
    made = phantom.make(**WIDE)
    r, a, _ = np.moveaxis(_points(made), -1, 0)
    inside = (np.abs(r) < 55) & (a > phantom.SKIN) & (a < 45)
    made.hu[inside & (made.labels == 0) & (made.hu < 300)] += 5.0  # muscle at 45 HU
    shell = inside & ((np.abs(r) > 43) | (a < phantom.SKIN + 11) | (a > 35))
    made.hu[shell] += fat - 45.0
    hu = np.rint(slope * made.hu + offset).astype(np.int16)
    ct, labels = _volume(hu, made.affine), _volume(made.labels, made.affine)
    return import_volumes(ct, labels, "L1", spacing=1.2 * mm, calibration=calibration)


@pytest.fixture(scope="module")
def true() -> Anatomy:
    return _imported()


def test_a_true_scale_is_left_alone(true: Anatomy) -> None:
    report = true.provenance["calibration"]
    assert {r["name"] for r in report["references"]} == {"fat", "muscle", "air"}
    assert report["slope"] == pytest.approx(1.0, abs=0.02)
    assert not report["applied"]
    assert "agree" in report["reason"]
    assert report["vbmd_mg_cm3"] == pytest.approx(0.82 * 110, abs=4)


def test_a_distorted_scale_is_recovered(true: Anatomy) -> None:
    """HU read as 0.9 HU + 15: the line back has slope 1/0.9 and offset -15/0.9; bone density returns with it."""
    raw, mended = _imported(0.9, 15.0, calibration="none"), _imported(0.9, 15.0)
    report = mended.provenance["calibration"]
    assert report["applied"]
    assert report["slope"] == pytest.approx(1 / 0.9, abs=0.02)
    assert report["offset_hu"] == pytest.approx(-15 / 0.9, abs=5)
    assert abs(report["slope"] - 1 / 0.9) < 2 * report["slope_sd"]
    right, wrong = _core_fraction(true), _core_fraction(raw)
    assert abs(_core_fraction(mended) - right) < 0.003
    arch = (true.hu > 250) & (raw.hu > 200)
    assert np.abs(mended.hu - true.hu)[arch].mean() < 0.4 * np.abs(raw.hu - true.hu)[arch].mean()
    assert wrong != pytest.approx(right, abs=1e-4)


@pytest.mark.slow
def test_none_reports_and_does_not_touch() -> None:
    report = _imported(0.9, 15.0, calibration="none").provenance["calibration"]
    assert not report["applied"]
    assert report["slope"] == pytest.approx(1 / 0.9, abs=0.02)
    assert "calibration is none" in report["reason"]


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(DataError, match="auto, none"):
        _imported(calibration="yes")


def _reference(name: str, mean: float, expected: float) -> Reference:
    return Reference(name=name, mean=mean, sd=10.0, n=5000, expected=expected)


def test_too_few_references_give_a_reason() -> None:
    line, reason = fit([_reference("fat", -100, -102)])
    assert line is None
    assert "too few" in reason
    line, reason = fit([_reference("muscle", 50, 55), _reference("blood", 41, 42)])
    assert line is None
    assert "too alike" in reason


def test_references_that_contradict_one_another_are_refused() -> None:
    """Fat right, air right, muscle of 200 HU: no line passes through all three."""
    line, reason = fit([_reference("fat", -102, -102), _reference("muscle", 200, 55), _reference("air", -1000, -1000)])
    assert line is None
    assert "contradict one another" in reason


def test_the_line_carries_its_uncertainty() -> None:
    """Two references: the slope's sd is the spread of their difference over their distance."""
    fat, air = _reference("fat", -102, -102), _reference("air", -1000, -1000)
    line, _ = fit([fat, air])
    assert line is not None
    assert np.sqrt(line.covariance[0, 0]) == pytest.approx(np.hypot(fat.spread, air.spread) / 898, rel=1e-6)
    assert line.spread_at(-102.0) == pytest.approx(fat.spread, rel=1e-6)
    assert contradiction([fat, air]) == pytest.approx(0.0)


def _read_as(
    slope: float, offset: float, pair: tuple[Volume, Volume], scout: list[Scout], level: str
) -> dict[str, Any]:
    """What calibration says of a real scan whose numbers were distorted; its remarks ride along."""
    ct = pair[0].with_data(np.rint(slope * pair[0].data.astype(np.float32) + offset).astype(np.int16))
    job = make_job(ct, pair[1], level, scheme="auto", resample_labels=False, subregions=None)
    own = bone_distance(job, job.number)
    assert own is not None
    if not scout:
        scout.append(look(own, coarse_frame(own)))
    report = check_values(job, own)
    foreign = find_foreign(job, own, report["contrast_hu"])
    return calibrate(job, scout[0], report["core_hu_mean"], foreign.contrast, "auto") | {"remarks": job.remarks}


@pytest.mark.slow
@pytest.mark.data
def test_a_real_torso_read_on_a_wrong_scale_is_put_right(shared_data: Path) -> None:
    """The corrections of two distortions agree with each other, and with the line of the true scan."""
    folder = shared_data / "lidc0001"
    scout: list[Scout] = []
    pair = read_volume(folder / "ct_torso_1p4mm.nii.gz"), read_volume(folder / "labels_torso_1p4mm.nii.gz")
    true = _read_as(1.0, 0.0, pair, scout, "L1")
    assert not true["applied"]
    core = true["slope"] * true["core_hu"] + true["offset_hu"]
    for a, b in ((0.9, 15.0), (1.1, -20.0)):
        other = _read_as(a, b, pair, scout, "L1")
        assert other["applied"]
        assert other["slope"] == pytest.approx(true["slope"] / a, abs=0.02)
        assert other["core_hu_used"] == pytest.approx(core, abs=5)
        assert abs(other["core_hu_used"] - true["core_hu"]) < 2 * true["offset_sd_hu"]
        assert any("put on their scale" in text for text in other["remarks"])


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.9, 15.0), (1.1, -20.0)])
def test_a_noisy_crop_is_never_corrected(shared_data: Path, a: float, b: float) -> None:
    """Neither air nor a peak of fat nor an aorta: nothing to correct by, and the report says so."""
    folder = shared_data / "tptbox_l3"
    pair = read_volume(folder / "ct_l3.nii.gz"), read_volume(folder / "labels_vertebra.nii.gz")
    report = _read_as(a, b, pair, [], "L3")
    assert not report["applied"]
    assert "too few reference tissues" in report["reason"]
    assert "slope" not in report
