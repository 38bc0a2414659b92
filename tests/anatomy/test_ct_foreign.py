"""Metal, old cement and contrast medium in a made-up scan: found, reported, and kept away from the law of bone."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from anatomy.test_ct_orientation import TINY, _points, _volume
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import import_volumes
from vertebro.anatomy.label_tables import TOTAL_2
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.units import mm

AORTA = next(number for number, name in TOTAL_2.items() if name == "aorta")


def _scan(change=None) -> tuple[phantom.Phantom, np.ndarray]:
    made = phantom.make(**TINY)
    points = _points(made)
    if change is not None:
        change(made, *np.moveaxis(points, -1, 0))
    return made, points


def _imported(made: phantom.Phantom) -> Anatomy:
    ct = _volume(np.rint(made.hu).astype(np.int16), made.affine)
    return import_volumes(ct, _volume(made.labels, made.affine), "L1", spacing=1.2 * mm)


def _core_fraction(anatomy: Anatomy) -> float:
    r, a, s = anatomy.grid.open_mesh()
    inner = (np.abs(r) < 10 * mm) & (np.abs(a) < 8 * mm) & (np.abs(s) < 8 * mm)
    inner = inner & (anatomy.compartment == Compartment.BODY) & (anatomy.tissue == Tissue.CANCELLOUS)
    return float(anatomy.bone_fraction[inner].mean())


@pytest.fixture(scope="module")
def clean() -> Anatomy:
    return _imported(_scan()[0])


def _screw(made: phantom.Phantom, r: np.ndarray, a: np.ndarray, s: np.ndarray) -> None:
    """A screw of 7 mm through the right pedicle to the middle of the body, with dark streaks beside it."""
    shaft = ((r - 9) ** 2 + (s - 4) ** 2 < 3.5**2) & (a > -45) & (a < 4)
    beside = ((r - 9) ** 2 + (s - 4) ** 2 < 8**2) & (a > -12) & (a < 4)
    made.hu[beside] = -400
    made.hu[shaft] = 3071


def test_metal_is_reported_and_its_streaks_do_not_thin_the_bone(clean: Anatomy) -> None:
    anatomy = _imported(_scan(_screw)[0])
    report = anatomy.provenance["quality"]
    true = np.pi * 3.5**2 * 49 / 1000
    assert report["metal_ml"] == pytest.approx(true, rel=0.35)
    assert 0.3 * true < report["metal_in_level_ml"] <= report["metal_ml"]
    assert any("metal inside L1" in text for text in anatomy.provenance["warnings"])
    assert _core_fraction(anatomy) == pytest.approx(_core_fraction(clean), rel=0.08)
    tip = anatomy.grid.nearest((9 * mm, 0.0, 4 * mm))
    assert anatomy.tissue[tip] == Tissue.CORTICAL  # solid: nothing flows through it
    assert anatomy.hu[tip] > 2500  # but pictures show it


def test_a_scan_without_metal_reports_none(clean: Anatomy) -> None:
    report = clean.provenance["quality"]
    assert report["metal_ml"] == report["cement_ml"] == 0.0
    assert report["contrast_hu"] is None


@pytest.mark.slow
def test_old_cement_is_recognised_and_kept(clean: Anatomy) -> None:
    def cement(made, r, a, s):
        made.hu[r**2 + (a - 2) ** 2 + s**2 < 8**2] += 1790

    anatomy = _imported(_scan(cement)[0])
    report = anatomy.provenance["quality"]
    assert report["cement_in_level_ml"] == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=0.3)
    assert report["cement_hu"] == pytest.approx(1900, abs=40)
    assert report["metal_ml"] == 0.0
    middle = anatomy.grid.nearest((0.0, 2 * mm, 0.0))
    assert anatomy.hu[middle] > 1500
    assert anatomy.bone_fraction[middle] > 0.8 or anatomy.tissue[middle] in (Tissue.CORTICAL, Tissue.VEIN)


def test_contrast_medium_in_the_aorta_is_no_bone() -> None:
    """A labelled aorta of 350 HU and a thin enhanced vein beside it: blood and soft tissue, not cortex."""

    def enhanced(made, r, a, s):
        aorta = (r + 8) ** 2 + (a - 28) ** 2 < 9**2
        made.hu[aorta], made.labels[aorta] = 350, AORTA
        made.hu[(r - 27) ** 2 + (a - 0) ** 2 < 3**2] = 330

    anatomy = _imported(_scan(enhanced)[0])
    assert anatomy.provenance["quality"]["contrast_hu"] == pytest.approx(350, abs=8)
    assert any("contrast medium" in text for text in anatomy.provenance["warnings"])
    vein = anatomy.grid.nearest((27 * mm, 0.0, 0.0))
    assert anatomy.tissue[vein] != Tissue.CORTICAL
    names = [r["name"] for r in anatomy.provenance["calibration"]["references"]]
    assert "blood" not in names
    organ = anatomy.surround.organ
    assert organ[anatomy.surround.grid.nearest((-8 * mm, 28 * mm, 0.0))] == Organ.ARTERY
    assert organ[anatomy.surround.grid.nearest(anatomy.landmarks.canal_centre)] == Organ.CANAL
