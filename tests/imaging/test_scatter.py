"""Scatter: an even wide body gives the ratio it was calibrated with, edges and grids act as they should."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.imaging.scatter import Scatter, coarsened, refined

EVEN = np.ones((64, 64), np.float32)


def test_wide_even_body_gives_the_calibrated_ratio() -> None:
    """Middle of a field far wider than the kernels: scatter / primary = amplitude at 20 cm."""
    picture = Scatter(grid=False).picture(EVEN, 0.2 * EVEN, 0.1)
    assert picture[32, 32] == pytest.approx(4.05, rel=1e-3)


def test_ratio_grows_with_thickness_and_falls_with_a_smaller_field() -> None:
    scatter = Scatter(grid=False)
    thin, thick = (scatter.picture(EVEN, t * EVEN, 4e-3)[32, 32] for t in (0.1, 0.3))
    assert thick > 3 * thin
    narrow = np.zeros_like(EVEN)
    narrow[24:40, 24:40] = 1
    assert scatter.picture(narrow, 0.2 * EVEN, 4e-3)[32, 32] < 0.7 * scatter.picture(EVEN, 0.2 * EVEN, 4e-3)[32, 32]


def test_grid_removes_more_scatter_than_primary() -> None:
    bare, grid = Scatter(grid=False), Scatter()
    ratio = grid.picture(EVEN, 0.2 * EVEN, 4e-3) / bare.picture(EVEN, 0.2 * EVEN, 4e-3)
    assert ratio == pytest.approx(np.full_like(EVEN, 0.15), rel=1e-4)
    assert grid.primary_share() > 4 * 0.15


def test_air_scatters_nothing() -> None:
    assert not Scatter().picture(EVEN, -0.01 * EVEN, 4e-3).any()


@pytest.mark.parametrize("shape", [(64, 64), (60, 52), (7, 9), (1, 1)])
def test_coarse_and_back_keeps_an_even_picture(shape: tuple[int, int]) -> None:
    assert np.allclose(refined(coarsened(np.full(shape, 3.0, np.float32)), shape), 3.0)


def test_refining_interpolates_a_slope_exactly_inside() -> None:
    ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    back = refined(coarsened(ramp), (64, 64))
    assert np.allclose(back[:, 4:-4], ramp[:, 4:-4], atol=1e-4)
    assert np.allclose(refined(coarsened(ramp.T.copy()), (64, 64))[4:-4], ramp.T[4:-4], atol=1e-4)


def test_impossible_scatter_is_refused() -> None:
    with pytest.raises(CaseError, match="grid_primary"):
        Scatter(grid_primary=1.2)
    with pytest.raises(CaseError, match="amplitude"):
        Scatter(amplitude=-1.0)
