"""Beyond the sides of a cropped CT: a smooth trunk without seams; nothing changes where the CT knows better."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.anatomy.beyond_field import FADE, TRUNK_HALF_WIDTH, fill_beyond, is_cut
from vertebro.anatomy.volumes import Volume
from vertebro.grid import VoxelGrid


@pytest.fixture
def narrow():
    """A block of muscle with a dense middle, known only within 60 mm of it, in a wide grid."""
    grid = VoxelGrid.around([-0.18, -0.12, -0.02], [0.18, 0.16, 0.02], 2e-3)
    r, a, s = grid.open_mesh()
    unknown = ~((abs(r) < 0.06) & (abs(a) < 0.06) & (abs(s) < 1))
    hu = np.full(grid.shape, 40, np.int16)
    hu[(abs(r) < 0.02) & (abs(a) < 0.02) & (abs(s) < 1)] = 400
    hu[unknown] = -1000
    return grid, hu, unknown


def test_tissue_goes_on_to_the_skin_and_air_beyond(narrow):
    grid, hu, unknown = narrow
    fill_beyond(hu, unknown, grid)
    middle = grid.nearest((0.0, 0.0, 0.0))
    line = hu[:, middle[1], middle[2]]
    r = grid.axes()[0]
    assert np.all(abs(line[(abs(r) > 0.07) & (abs(r) < TRUNK_HALF_WIDTH - 0.01)] - 40) < 10)
    assert np.all(line[abs(r) > TRUNK_HALF_WIDTH + 0.004] == -1000)


def test_what_the_ct_shows_stays(narrow):
    grid, hu, unknown = narrow
    before = hu.copy()
    fill_beyond(hu, unknown, grid)
    r, a, s = grid.open_mesh()
    inner = (abs(r) < 0.06 - FADE - 4e-3) & (abs(a) < 0.06 - FADE - 4e-3) & (abs(s) < 1)
    assert np.array_equal(hu[inner], before[inner])


def test_no_step_stands_at_the_seam(narrow):
    grid, hu, unknown = narrow
    fill_beyond(hu, unknown, grid)
    across = hu[:, :, grid.shape[2] // 2].astype(int)
    seam = abs(grid.axes()[0][:-1]) > 0.05
    inside = abs(grid.axes()[1]) < 0.04
    assert np.abs(np.diff(across, axis=0))[np.ix_(seam & (abs(grid.axes()[0][:-1]) < 0.12), inside)].max() < 20


def test_a_complete_field_changes_nothing(narrow):
    grid, hu, _ = narrow
    before = hu.copy()
    fill_beyond(hu, np.zeros(grid.shape, bool), grid)
    assert np.array_equal(hu, before)


@pytest.mark.parametrize(("border", "cut"), [(-1000, False), (40, True)])
def test_a_field_is_cut_when_tissue_reaches_its_sides(border, cut):
    data = np.full((20, 20, 10), border, np.int16)
    data[5:15, 5:15] = 40
    affine = np.diag([2e-3, 2e-3, 2e-3, 1.0])
    assert is_cut(Volume(data=data, ras_from_voxel=affine, name="block", digest="")) is cut
