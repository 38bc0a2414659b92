"""What CT costs: published dose indices, dose-length products, shots that pile up, the table's way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CTField, CTLedger, Scanner, ct_body, ct_dose, ct_shots, shot_scanner

GRID = VoxelGrid.around([-0.03, -0.03, -0.015], [0.03, 0.03, 0.015], 1e-3)
# Br J Radiol 82:1010, table 2: effective mAs and CTDIvol [mGy] of four 64-row scanners, 120 kV
FUJII = [(186, 18.7), (134, 11.8), (266, 19.2), (112, 8.8)]


def test_the_index_at_120_kv_is_the_mean_of_four_scanners() -> None:
    per_charge = np.mean([index / mas for mas, index in FUJII])
    assert ct_dose(kvp=120, mas=1, length=0.1).ctdi_vol * 1e3 == pytest.approx(per_charge, rel=0.01)


def test_dose_grows_with_charge_length_and_voltage_and_falls_with_pitch() -> None:
    one = ct_dose(kvp=120, mas=100, length=0.1)
    assert one.dlp * 1e5 == pytest.approx(85)  # mGy cm
    assert ct_dose(kvp=120, mas=200, length=0.2).dlp == pytest.approx(4 * one.dlp)
    assert ct_dose(kvp=120, mas=100, length=0.1, pitch=2).ctdi_vol == pytest.approx(one.ctdi_vol / 2)
    indices = [ct_dose(kvp=kvp, mas=100, length=0.1).ctdi_vol for kvp in (80, 90, 100, 110, 120, 130, 140)]
    assert indices == sorted(indices)


@pytest.mark.parametrize("wrong", [{"kvp": 70}, {"mas": 0}, {"length": 0}, {"pitch": 0}, {"mas": float("nan")}])
def test_impossible_scans_have_no_dose(wrong: dict[str, Any]) -> None:
    with pytest.raises(CaseError, match="no dose"):
        ct_dose(**({"kvp": 120, "mas": 100, "length": 0.1} | wrong))


def test_shots_on_one_spot_pile_up_those_side_by_side_do_not() -> None:
    shot = ct_dose(kvp=120, mas=30, length=4e-3)
    same, apart = CTLedger(), CTLedger()
    for i in range(3):
        same.add(shot, phase="needle", table=0.0)
        apart.add(shot, phase="needle", table=0.01 * i)
    assert same.peak_ctdi == pytest.approx(3 * shot.ctdi_vol)
    assert apart.peak_ctdi == pytest.approx(shot.ctdi_vol)
    assert same.dlp == apart.dlp == pytest.approx(3 * shot.dlp)
    assert (same.travel, apart.travel) == (0.0, pytest.approx(0.02))
    assert apart.to_dict()["phases_dlp_gy_m"] == {"needle": pytest.approx(3 * shot.dlp)}
    assert apart.beam_time == pytest.approx(1.5)
    with pytest.raises(CaseError, match="booked"):
        same.add(shot, phase="", table=0.0)


def test_three_slices_lie_side_by_side_at_little_charge() -> None:
    r, a, s = GRID.open_mesh()
    hu = np.where(r**2 + a**2 < 0.025**2, 1e4 * s, -1000.0)
    scanner = Scanner(noise=0.0, views=60, detector_pitch=1e-3)
    shot = ct_shots(ct_body(hu, GRID), CTField(width=0.03, pixels=16, thickness=4e-3), slices=3, scanner=scanner)
    means = [float(picture.hu.mean()) for picture in shot.slices]
    assert np.diff(means) == pytest.approx([40, 40], abs=4)
    assert [picture.origin[2] for picture in shot.slices] == pytest.approx([-4e-3, 0, 4e-3])
    assert shot.dose.length == pytest.approx(12e-3)
    assert shot_scanner().mas < 0.2 * Scanner().mas


@pytest.mark.parametrize("wrong", [{"slices": 2}, {"plane": "sagittal"}, {"thickness": 0.0}])
def test_impossible_shots_are_refused(wrong: dict[str, Any]) -> None:
    slices = wrong.pop("slices", 1)
    view = CTField(**({"width": 0.03, "pixels": 16, "thickness": 4e-3} | wrong))
    with pytest.raises(CaseError, match="impossible shot"):
        ct_shots(ct_body(np.zeros(GRID.shape), GRID), view, slices=slices)
