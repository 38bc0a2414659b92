"""CT numbers to two basis materials: continuous, faithful, and counted once."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, TissueLayer, basis_from_hu, project, project_layers, tissue_layers
from vertebro.imaging.scanner import Scanner
from vertebro.materials.attenuation import MATERIALS


def test_air_fat_water_and_bone_land_where_they_should() -> None:
    soft, bone = basis_from_hu(np.array([-1000.0, -100.0, 0.0, 45.0, 1637.0]))
    assert soft == pytest.approx([0.0, 0.9, 1.0, 1.045, 0.0], abs=1e-6)
    assert bone == pytest.approx([0.0, 0.0, 0.0, 0.0, 1.0], abs=1e-6)


def test_split_is_continuous_and_never_negative() -> None:
    soft, bone = basis_from_hu(np.arange(-1100, 3100, 1.0))
    assert np.abs(np.diff(soft)).max() < 2e-3
    assert np.abs(np.diff(bone)).max() < 2e-3
    assert min(soft.min(), bone.min()) >= 0


def test_whole_numbers_take_the_table_and_get_the_same_answer() -> None:
    hu = np.arange(-32768, 32768).astype(np.int16).reshape(64, 1024)[:, ::2]
    for table, formula in zip(basis_from_hu(hu), basis_from_hu(hu.astype(float)), strict=True):
        assert np.allclose(table, formula, atol=1e-6)


def test_ct_number_of_the_mixture_is_the_one_it_came_from() -> None:
    """soft * 1000 + bone * (1000 + HU of cortical bone) - 1000 gives the CT number back up to cortical bone."""
    hu = np.linspace(-1000, 1637, 100)
    soft, bone = basis_from_hu(hu)
    assert np.allclose(1000 * soft + (1000 + 1637) * bone - 1000, hu, atol=0.5)


def test_ends_of_the_ramp_follow_from_the_attenuation_tables() -> None:
    scanner = Scanner()
    assert scanner.hu(MATERIALS["muscle"]) == pytest.approx(45, abs=3)
    assert scanner.hu(MATERIALS["cortical bone"]) == pytest.approx(1637, rel=0.01)


def test_unknown_ct_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="NaN"):
        basis_from_hu(np.array([0.0, np.nan]))


def test_fine_grid_inside_a_wide_one_is_counted_once() -> None:
    """Even tissue on both grids: the picture is that of the wide grid alone, no seam at the fine grid's faces."""
    wide = VoxelGrid.around([-0.06] * 3, [0.06] * 3, 3e-3)
    fine = VoxelGrid.around([-0.02] * 3, [0.02] * 3, 1e-3)
    layers = tissue_layers(
        np.full(fine.shape, 40.0), fine, surround_hu=np.full(wide.shape, 40, np.int16), surround_grid=wide
    )
    geometry = CArm(orbital=0.3, rows=64, cols=64, pitch=1e-3).geometry
    parts = [project(layer.soft, layer.grid, geometry) for layer in layers]
    assert np.abs(parts[1]).max() < 1e-3 * parts[0].max()


def test_fine_grid_brings_what_the_wide_one_lacks() -> None:
    wide = VoxelGrid.around([-0.06] * 3, [0.06] * 3, 3e-3)
    fine = VoxelGrid.around([-0.02] * 3, [0.02] * 3, 1e-3)
    hu = np.zeros(fine.shape)
    hu[18:22, 18:22, 18:22] = 1637.0
    layers = tissue_layers(hu, fine, surround_hu=np.zeros(wide.shape), surround_grid=wide)
    bone = sum(project(layer.bone, layer.grid, CArm.ap(rows=65, cols=65, pitch=1e-3).geometry) for layer in layers)
    assert bone[32, 32] == pytest.approx(4e-3, rel=0.02)


def test_arrays_that_do_not_fit_are_refused() -> None:
    grid = VoxelGrid((4, 4, 4), (1e-3,) * 3)
    with pytest.raises(GeometryError, match="hu"):
        tissue_layers(np.zeros((3, 4, 4)), grid)
    with pytest.raises(GeometryError, match="surround_hu"):
        tissue_layers(np.zeros((4, 4, 4)), grid, surround_hu=np.zeros((3, 4, 4)), surround_grid=grid)


def test_preview_of_a_wide_layer_takes_larger_voxels_and_keeps_its_mass() -> None:
    """4.3 million voxels: the halved layer keeps sums and places, and the preview shows the same within 1 %."""
    grid = VoxelGrid((163, 163, 163), (1e-3,) * 3, (-0.081,) * 3)
    r, a, s = grid.open_mesh()
    soft = ((r / 0.07) ** 2 + (a / 0.06) ** 2 + (s / 0.075) ** 2 < 1).astype(np.float32)
    layer = TissueLayer(soft=soft, bone=0.2 * soft, grid=grid)
    half = layer.matter.halved()
    assert half is layer.matter.halved()
    assert half.grid.shape == (82, 82, 82)
    assert 8 * half.volumes[0].sum(dtype=float) == pytest.approx(soft.sum(dtype=float), rel=1e-5)
    centre = [
        float((half.volumes[0] * x).sum(dtype=float) / half.volumes[0].sum(dtype=float)) for x in half.grid.open_mesh()
    ]
    assert centre == pytest.approx([0.0] * 3, abs=1e-5)
    geometry = CArm(orbital=0.4, cranial=0.2, rows=128, cols=128, pitch=2e-3).geometry
    exact, preview = (project_layers([layer], geometry, quality=quality) for quality in ("exact", "preview"))
    for one, other in zip(exact, preview, strict=True):
        error = np.abs(one - other)
        assert 0 < error.mean() < 0.005 * one.max()
        assert np.quantile(error, 0.99) < 0.05 * one.max()
    inside = CArm(orbital=0.4, source_isocentre=0.05, rows=16, cols=16).geometry
    with pytest.raises(GeometryError, match="source lies inside"):
        project_layers([layer], inside, quality="preview")
