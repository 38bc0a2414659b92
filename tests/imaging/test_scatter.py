"""Scatter: an even wide body gives the ratio it was calibrated with, edges and grids act as they should."""

from __future__ import annotations

import numpy as np
import pytest

from naive.photons import scatter_to_primary
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, tissue_layers
from vertebro.imaging.detector import Detector
from vertebro.imaging.scatter import Glare, Scatter, coarsened, refined, spread_light
from vertebro.imaging.spectrum import tube_spectrum
from vertebro.materials.attenuation import MATERIALS

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


def response(energy: np.ndarray, cosine: np.ndarray) -> np.ndarray:
    """Energy left in the scintillator by photons that arrive aslant."""
    mu = MATERIALS["caesium iodide"].table()[np.clip(np.rint(energy).astype(int) - 10, 0, 140)]
    return np.asarray(energy * (1 - np.exp(-mu * Detector().scintillator / cosine)))


def model(thickness: float, field: float, distance: float, *, grid: bool = False) -> float:
    """Scatter to primary in the middle of a picture of water."""
    box = VoxelGrid.around([-0.25, -thickness / 2, -0.25], [0.25, thickness / 2, 0.25], 0.01)
    pose = CArm.ap(rows=64, cols=64, pitch=field / 64, source_detector=distance)
    plain = Fluoroscope(kvp=80.0, scatter=Scatter(grid=grid), glare=None, heel=None)
    view = plain.prepare(pose, tissue_layers(np.zeros(box.shape), box))
    passed = plain.scatter.primary_share() if plain.scatter else 1.0
    return float(view.expected()[32, 32] / (passed * view.primary[32, 32]) - 1)


@pytest.mark.parametrize(
    ("thickness", "field", "distance"), [(0.2, 0.2, 1.0), (0.2, 0.3, 1.0), (0.2, 0.3, 0.9), (0.1, 0.3, 1.0)]
)
def test_scatter_of_water_matches_a_monte_carlo_within_15_percent(
    thickness: float, field: float, distance: float
) -> None:
    beam = tube_spectrum(80.0, copper=2e-4)
    counted = scatter_to_primary(
        beam.energy, beam.fluence, response, thickness=thickness, field=field, source_detector=distance, photons=8000
    )
    assert model(thickness, field, distance) == pytest.approx(counted, rel=0.15)


def test_scatter_falls_with_the_field_the_gap_and_the_grid() -> None:
    """Behind 20 cm: (field, distance) wide and near > wide > small; the grid takes 1 - 0.15 / 0.72 of it."""
    near, wide, small = model(0.2, 0.3, 0.9), model(0.2, 0.3, 1.0), model(0.2, 0.1, 1.0)
    assert near > 1.3 * wide
    assert wide > 3 * small
    assert model(0.2, 0.3, 1.0, grid=True) == pytest.approx(wide * 0.15 / 0.72, rel=0.02)


def test_glare_is_an_exponential_in_the_plane() -> None:
    """A point spreads as exp(-r / L) / (2 pi L²): within 10 % from L / 2 to 2 L; nothing is lost in a wide field."""
    length, point = 0.01, np.zeros((161, 161), np.float32)
    point[80, 80] = 1
    stray = Glare(share=0.5, length=length).picture(point, 1e-3)
    for r in (5, 10, 15, 20):
        expected = 0.5 * np.exp(-r / 10) / (2 * np.pi * 10**2)
        assert stray[80, 80 + r] == pytest.approx(expected, rel=0.10)
    assert stray.sum() == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("radius", [5e-3, 15e-3, 30e-3])
def test_light_behind_a_lead_disc_falls_with_its_radius(radius: float) -> None:
    """Middle of a disc of radius R in an even field: share exp(-R / L) (1 + R / L) of the light strays in."""
    glare, pitch, size = Glare(share=0.1, length=12e-3), 1e-3, 301
    row, col = np.mgrid[:size, :size] - size // 2
    light = ((row**2 + col**2) * pitch**2 > radius**2).astype(np.float32)
    behind = float(glare.picture(light, pitch)[size // 2, size // 2])
    assert behind == pytest.approx(0.1 * np.exp(-radius / 12e-3) * (1 + radius / 12e-3), rel=0.1)


def test_spread_light_is_lost_over_the_border() -> None:
    even = spread_light(EVEN, 10.0)
    assert even[32, 32] == pytest.approx(1.0, abs=0.01)
    assert even[0, 32] == pytest.approx(0.5, abs=0.03)


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
