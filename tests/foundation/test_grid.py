"""The one grid: indices, world points and boxes agree with each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import GeometryError
from vertebro.grid import VoxelGrid

LENGTHS = st.floats(min_value=1e-4, max_value=1e-2)
PLACES = st.floats(min_value=-0.2, max_value=0.2)
GRIDS = st.builds(
    VoxelGrid,
    shape=st.tuples(*[st.integers(1, 30)] * 3),
    spacing=st.tuples(*[LENGTHS] * 3),
    origin=st.tuples(*[PLACES] * 3),
)


@given(grid=GRIDS, share=st.tuples(*[st.floats(0, 1)] * 3))
def test_world_and_index_are_inverse(grid: VoxelGrid, share: tuple[float, float, float]) -> None:
    index = np.asarray(share) * np.asarray(grid.shape)
    np.testing.assert_allclose(grid.index(grid.world(index)), index, atol=1e-9)


@given(grid=GRIDS)
def test_affine_says_the_same_as_world(grid: VoxelGrid) -> None:
    index = np.asarray(grid.shape) - 1.0
    np.testing.assert_allclose((grid.world_from_voxel @ [*index, 1.0])[:3], grid.world(index), atol=1e-12)


@given(grid=GRIDS)
def test_voxel_volumes_fill_the_extent(grid: VoxelGrid) -> None:
    low, high = grid.extent
    assert math.isclose(float(np.prod(high - low)), grid.size * grid.voxel_volume, rel_tol=1e-9)


@given(grid=GRIDS, share=st.tuples(*[st.floats(0.001, 0.999)] * 3))
def test_nearest_voxel_is_within_half_a_voxel(grid: VoxelGrid, share: tuple[float, float, float]) -> None:
    low, high = grid.extent
    point = low + np.asarray(share) * (high - low)
    offset = np.abs(grid.world(grid.nearest(point)) - point)
    assert np.all(offset <= np.asarray(grid.spacing) / 2 * (1 + 1e-6))


@given(low=st.tuples(*[PLACES] * 3), size=st.tuples(*[st.floats(1e-3, 0.05)] * 3), spacing=st.floats(5e-4, 3e-3))
def test_grid_around_a_box_covers_it_without_a_spare_layer(
    low: tuple[float, ...], size: tuple[float, ...], spacing: float
) -> None:
    high = np.asarray(low) + np.asarray(size)
    grid = VoxelGrid.around(low, high, spacing)
    covered_low, covered_high = grid.extent
    assert np.all(covered_low <= np.asarray(low) + 1e-9)
    assert np.all(covered_high >= high - 1e-9)
    assert np.all((covered_high - covered_low) - (high - low) < spacing * (1 + 1e-6))


def test_axes_are_the_voxel_centres() -> None:
    grid = VoxelGrid(shape=(2, 3, 4), spacing=(1e-3, 2e-3, 3e-3), origin=(0.1, 0.2, 0.3))
    r, a, s = grid.axes()
    np.testing.assert_allclose([r[1], a[2], s[3]], grid.world((1, 2, 3)))
    assert [part.shape for part in grid.open_mesh()] == [(2, 1, 1), (1, 3, 1), (1, 1, 4)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": (0, 3, 3)},
        {"shape": (3, 3)},
        {"shape": (2.5, 3, 3)},
        {"spacing": (1e-3, 0.0, 1e-3)},
        {"spacing": (1e-3, -1e-3, 1e-3)},
        {"spacing": (1e-3, math.nan, 1e-3)},
        {"origin": (0.0, math.inf, 0.0)},
    ],
)
def test_an_impossible_grid_is_refused(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(GeometryError):
        VoxelGrid(**({"shape": (3, 3, 3), "spacing": (1e-3,) * 3} | wrong))  # type: ignore[arg-type]


def test_a_point_outside_is_refused_in_millimetres() -> None:
    with pytest.raises(GeometryError, match="outside the grid") as caught:
        VoxelGrid(shape=(3, 3, 3), spacing=(1e-3,) * 3).nearest((0.01, 0, 0))
    assert "10.0" in str(caught.value)


def test_an_array_of_another_shape_is_refused() -> None:
    grid = VoxelGrid(shape=(3, 4, 5), spacing=(1e-3,) * 3)
    grid.check(np.zeros((3, 4, 5)), "porosity")
    grid.check(np.zeros((3, 3, 4, 5)), "permeability")
    with pytest.raises(GeometryError, match="does not fit"):
        grid.check(np.zeros((5, 4, 3)), "porosity")


def test_grids_are_values() -> None:
    one, two = (VoxelGrid(shape=(3, 4, 5), spacing=(1e-3,) * 3) for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
