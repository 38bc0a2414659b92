"""The pictures' wider field: table removed, short stacks continued, skin found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from vertebro.anatomy.anatomy import Surround
from vertebro.anatomy.surround import (
    build_surround,
    continued,
    ends_near,
    in_field,
    patient_mask,
    posterior_skin,
    without_table,
)
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.grid import VoxelGrid
from vertebro.units import mm


@pytest.fixture
def ct(tmp_path: Path) -> Volume:
    made = phantom.make(shape=(66, 60, 20))
    return read_volume(phantom.write_pair(tmp_path, made)[0])


def test_the_patient_is_kept_and_the_table_is_not(ct: Volume) -> None:
    mask = patient_mask(ct)
    position = ct.world(np.moveaxis(np.indices(ct.data.shape), 0, -1).reshape(-1, 3)) / mm
    trunk = (np.abs(position[:, 0]) < 53) & (position[:, 1] > phantom.SKIN + 2) & (position[:, 1] < 43)
    table = position[:, 1] < phantom.SKIN - 6
    assert mask.ravel()[trunk].all()
    assert not mask.ravel()[table].any()
    assert without_table(ct).data.reshape(-1)[table].max() == -1000


def test_inner_air_belongs_to_the_patient(ct: Volume) -> None:
    data = ct.data.copy()
    data[20:30, 30:40] = -850  # a lung
    mask = patient_mask(ct.with_data(data))
    assert mask[20:30, 30:40].all()


def test_a_short_stack_is_mirrored_at_its_ends(ct: Volume) -> None:
    """Slice n before the first equals slice n - 1 after it; the known slices keep their place in the patient."""
    longer = continued(ct, reach=100 * mm)
    extra = int(np.ceil(100 / phantom.SPACING[2]))
    assert longer.data.shape[2] == ct.data.shape[2] + 2 * extra
    np.testing.assert_array_equal(longer.data[:, :, extra : extra + 20], ct.data)
    np.testing.assert_array_equal(longer.data[:, :, extra - 3], ct.data[:, :, 2])
    np.testing.assert_allclose(longer.world(np.array([[0, 0, extra]])), ct.world(np.array([[0, 0, 0]])), atol=1e-12)


def test_a_near_end_of_the_scan_is_noticed(ct: Volume) -> None:
    assert ends_near(ct, np.eye(4))
    assert not ends_near(ct, np.eye(4), reach=10 * mm)


def test_the_surround_fills_the_whole_height_of_the_picture(ct: Volume) -> None:
    surround = build_surround(without_table(ct), np.eye(4), 2 * mm)
    low, high = surround.grid.extent / mm
    assert low[2] <= -110
    assert high[2] >= 110
    assert surround.hu.dtype == np.int16
    middle = surround.hu[surround.grid.nearest((0.0, 0.0, 0.0))]
    assert middle == pytest.approx(110, abs=30)


@pytest.mark.parametrize("air", [True, False])
def test_the_skin_is_where_air_begins_or_the_picture_ends(air: bool) -> None:
    grid = VoxelGrid.around([-0.05, -0.08, -0.03], [0.05, 0.05, 0.03], 2e-3)
    hu = np.full(grid.shape, 40, np.int16)
    if air:
        hu[:, grid.axes()[1] < -0.06] = -1000
    skin = posterior_skin(Surround(grid=grid, hu=hu), -0.05)
    assert skin == pytest.approx(-0.06 if air else -0.08, abs=1.1e-3)


def test_the_field_of_view_is_known(ct: Volume) -> None:
    low, high = ct.world(np.array([[0, 0, 0], np.array(ct.data.shape) - 1]))
    assert in_field(ct, np.eye(4), (low + high) / 2)
    assert in_field(ct, np.eye(4), low)
    assert not in_field(ct, np.eye(4), low - 2 * mm)
    assert not in_field(ct, np.eye(4), high + 2 * mm)
