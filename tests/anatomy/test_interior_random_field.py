"""Random fields live in space: whatever the grid, the same seed means the same bone."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.anatomy.random_field import normal_field
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid

COARSE = VoxelGrid((12, 10, 9), (2e-3,) * 3, (-11e-3, -9e-3, -8e-3))
FINE = VoxelGrid((23, 19, 17), (1e-3,) * 3, (-11e-3, -9e-3, -8e-3))  # every other centre is a coarse centre


def test_refining_the_grid_samples_the_same_field() -> None:
    coarse = normal_field(COARSE, seed=3, correlation_length=4e-3)
    fine = normal_field(FINE, seed=3, correlation_length=4e-3)
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse, atol=2e-5)


def test_a_shifted_window_sees_the_same_field() -> None:
    whole = normal_field(FINE, seed=5, correlation_length=(2e-3, 3e-3, 6e-3))
    part = VoxelGrid((6, 7, 8), FINE.spacing, tuple(FINE.world((4, 5, 6)).tolist()))
    window = normal_field(part, seed=5, correlation_length=(2e-3, 3e-3, 6e-3))
    np.testing.assert_allclose(window, whole[4:10, 5:12, 6:14], atol=2e-5)


def test_mirrored_field_is_the_field_at_the_mirrored_place() -> None:
    there = VoxelGrid(FINE.shape, FINE.spacing, (-FINE.world((22, 0, 0))[0], *FINE.origin[1:]))
    plain = normal_field(FINE, seed=1, correlation_length=3e-3)
    mirrored = normal_field(there, seed=1, correlation_length=3e-3, mirrored=True)
    np.testing.assert_allclose(mirrored[::-1], plain, atol=2e-5)


def test_field_is_standard_normal_with_gaussian_correlation() -> None:
    """Two voxels d apart correlate as exp(−d²/ℓ²); over 12 seeds of 20 mm cubes the sampling error is a few percent."""
    grid = VoxelGrid((40, 40, 40), (1e-3,) * 3, (-19.5e-3,) * 3)
    fields = np.stack([normal_field(grid, seed=s, correlation_length=3e-3) for s in range(12)])
    assert fields.mean() == pytest.approx(0.0, abs=0.03)
    assert fields.std() == pytest.approx(1.0, abs=0.03)
    for lag in (1, 2, 3):
        measured = float((fields[:, lag:] * fields[:, :-lag]).mean())
        assert measured == pytest.approx(np.exp(-((lag / 3) ** 2)), abs=0.04)


def test_other_seeds_are_other_fields() -> None:
    one, two = (normal_field(COARSE, seed=s, correlation_length=2e-3) for s in (1, 2))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("length", [0.0, 0.5e-3, 0.1, float("nan")])
def test_absurd_correlation_length_is_refused(length: float) -> None:
    with pytest.raises(CaseError, match="correlation length"):
        normal_field(COARSE, seed=0, correlation_length=length)
