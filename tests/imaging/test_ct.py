"""CT slices: numbers from physics, pictures turned as they are read, metal scale or 12 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CTField, CTNeedle, Scanner, ct_slice, window_level
from vertebro.imaging.scanner import scanner_noise
from vertebro.materials.attenuation import MATERIALS, cement_material

GRID = VoxelGrid.around([-0.03] * 3, [0.03] * 3, 1e-3)
SILENT = Scanner(noise=0.0)

# kVp and CT number, energy-integrating detector behind 20 cm of water and 8 mm of aluminium (research notes, 5.2)
CT_NUMBERS = [
    ("adipose", 120, -79),
    ("muscle", 120, 43),
    ("yellow marrow", 120, -52),
    ("spongiosa", 120, 309),
    ("cortical bone", 80, 2210),
    ("cortical bone", 120, 1637),
    ("cortical bone", 140, 1491),
    ("PMMA", 120, 114),
    ("steel 304", 120, 34613),
]


@pytest.mark.parametrize(("name", "kvp", "expected"), CT_NUMBERS)
def test_ct_numbers_of_materials(name: str, kvp: float, expected: float) -> None:
    assert Scanner(kvp=kvp).hu(MATERIALS[name]) == pytest.approx(expected, rel=0.01, abs=3)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 2414), (0.2, 5112), (0.3, 8322)])
def test_ct_numbers_of_cement(share: float, expected: float) -> None:
    assert Scanner().hu(cement_material(share=share)) == pytest.approx(expected, rel=0.01)


def at(picture: Any, point: tuple[float, float, float]) -> float:
    """CT number of the pixel nearest a world point."""
    offset = np.asarray(point) - picture.origin
    row = round(float(offset @ picture.row_step / (picture.row_step @ picture.row_step)))
    col = round(float(offset @ picture.col_step / (picture.col_step @ picture.col_step)))
    return float(picture.hu[row, col])


def marked(point: tuple[float, float, float]) -> np.ndarray:
    hu = np.zeros(GRID.shape)
    i, j, k = GRID.nearest(point)
    hu[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3] = 1000
    return hu


@pytest.mark.parametrize(
    ("plane", "point", "rows", "cols"),
    [
        ("axial", (0.015, 0.010, 0.0), "up", "left"),  # right-anterior: upper left
        ("sagittal", (0.0, 0.015, 0.012), "up", "left"),  # anterior-superior: upper left
        ("coronal", (0.015, 0.0, -0.012), "down", "left"),  # right-inferior: lower left
    ],
)
def test_slices_are_turned_as_they_are_read(
    plane: Any, point: tuple[float, float, float], rows: str, cols: str
) -> None:
    picture = ct_slice(CTField(plane=plane, width=0.05, pixels=100), marked(point), GRID, scanner=SILENT)
    row, col = np.average(np.mgrid[:100, :100].reshape(2, -1), axis=1, weights=picture.hu.ravel() > 500)
    assert (row < 50) == (rows == "up")
    assert (col < 50) == (cols == "left")
    assert at(picture, point) == pytest.approx(1000)


def test_cement_replaces_marrow_in_proportion() -> None:
    """Half of the voxel cement: half of (cement - marrow) on top of the tissue."""
    cement = np.full(GRID.shape, 0.5, np.float32)
    picture = ct_slice(
        CTField(width=0.03, pixels=64), np.full(GRID.shape, 80.0), GRID, cement_fraction=cement, scanner=SILENT
    )
    expected = 80 + 0.5 * (SILENT.hu(cement_material()) - SILENT.hu(MATERIALS["yellow marrow"]))
    assert picture.hu[32, 32] == pytest.approx(expected, rel=1e-4)


def test_twelve_bits_saturate_the_metal_scale_does_not() -> None:
    needle = CTNeedle(start=(0, -0.02, 0), end=(0, 0.01, 0), outer_radius=1.5e-3)
    view = CTField(width=0.05, pixels=200)
    clipped, full = (
        ct_slice(view, np.zeros(GRID.shape), GRID, needles=(needle,), scanner=Scanner(noise=0.0, extended=extended))
        for extended in (False, True)
    )
    assert clipped.hu.max() == pytest.approx(3071)
    assert full.hu.max() > 20000


def test_needle_lies_where_it_is_put() -> None:
    needle = CTNeedle(start=(0.01, -0.02, 0), end=(0.01, 0.01, 0), outer_radius=2e-3, inner_radius=1.5e-3)
    picture = ct_slice(CTField(width=0.05, pixels=400), np.zeros(GRID.shape), GRID, needles=(needle,), scanner=SILENT)
    assert at(picture, (0.01175, -0.01, 0)) > 10 * max(at(picture, (0.0, -0.01, 0)), 100)
    assert at(picture, (0.01, 0.015, 0)) < 100


def test_wide_surroundings_and_fine_grid_meet_without_a_seam() -> None:
    wide = VoxelGrid.around([-0.08] * 3, [0.08] * 3, 4e-3)
    picture = ct_slice(
        CTField(width=0.14, pixels=140),
        np.full(GRID.shape, 50.0),
        GRID,
        surround_hu=np.full(wide.shape, 50, np.int16),
        surround_grid=wide,
        scanner=SILENT,
    )
    assert np.allclose(picture.hu, 50, atol=1e-3)


def test_beyond_the_anatomy_is_air() -> None:
    picture = ct_slice(CTField(width=0.2, pixels=50), np.zeros(GRID.shape), GRID, scanner=SILENT)
    assert picture.hu[0, 0] == -1000
    assert picture.hu[25, 25] == 0


def test_noise_has_the_asked_deviation_no_slow_part_and_a_seed() -> None:
    noise = scanner_noise((256, 256), 20.0, 5e-4, seed=1)
    assert noise.std() == pytest.approx(20, rel=0.01)
    assert abs(noise.mean()) < 0.1
    assert np.array_equal(noise, scanner_noise((256, 256), 20.0, 5e-4, seed=1))
    assert not np.array_equal(noise, scanner_noise((256, 256), 20.0, 5e-4, seed=1, number=1))


def test_windows_map_centre_to_mid_grey() -> None:
    grey = window_level(np.array([-2000.0, -500.0, 400.0, 1300.0, 5000.0]))
    assert grey.tolist() == [0, 0, 128, 255, 255]
    with pytest.raises(CaseError, match="window width"):
        window_level(np.zeros(1), width=0)


@pytest.mark.parametrize(
    "wrong", [{"plane": "oblique"}, {"width": 0.0}, {"pixels": 0}, {"thickness": -1e-3}, {"width": float("nan")}]
)
def test_impossible_fields_of_view_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(GeometryError):
        CTField(**wrong)


def test_bad_input_is_refused() -> None:
    hu = np.zeros(GRID.shape)
    with pytest.raises(CaseError, match="40 to 150"):
        Scanner(kvp=20)
    with pytest.raises(CaseError, match="impossible scanner"):
        Scanner(noise=-1)
    with pytest.raises(GeometryError, match="cement_fraction"):
        ct_slice(CTField(), hu, GRID, cement_fraction=np.zeros((2, 2, 2)))
    with pytest.raises(GeometryError, match="impossible needle"):
        ct_slice(CTField(), hu, GRID, needles=(CTNeedle(start=(0, 0, 0), end=(0, 0, 0), outer_radius=1e-3),))
    hu[30, 30, 30] = np.nan
    with pytest.raises(DataError, match="NaN"):
        ct_slice(CTField(), hu, GRID)
