"""Synthetic veins: connected, sized as published, open through the shell, ending in exits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from anatomy.block import GRID, block, labels, landmarks
from vertebro.anatomy.interior import InteriorSettings
from vertebro.anatomy.vessels import funnel
from vertebro.anatomy.vessels_tracing import Duct
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue


def test_every_vein_end_is_joined_to_the_marrow() -> None:
    toy = block()
    vein = toy.tissue == Tissue.VEIN
    parts, _ = ndimage.label(vein)
    inside = set(np.unique(parts[vein & (toy.compartment == Compartment.BODY)]))
    exits = [e for e in toy.exits if e.route != "tissue"]
    assert len(exits) >= 8
    for e in exits:
        assert set(np.unique(parts[tuple(e.cells.T)])) <= inside


def test_veins_cross_the_wall_through_open_foramina() -> None:
    """Where a vein passes from bone to outside, the face has no layer; beside it the shell is whole."""
    toy = block()
    assert toy.face_resistance is not None
    body, vein = toy.compartment == Compartment.BODY, toy.tissue == Tissue.VEIN
    for axis in range(3):
        one = [slice(None)] * 3
        two = [slice(None)] * 3
        one[axis], two[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(one), tuple(two)
        wall = body[a] != body[b]
        open_ = wall & vein[a] & vein[b]
        assert not toy.face_resistance[axis][a][open_].any()
        assert np.all(toy.face_resistance[axis][a][wall & ~open_] > 0)


def test_names_tell_the_side_and_left_is_negative() -> None:
    toy = block()
    sides = {e.name: GRID.world(e.cells)[:, 0].mean() for e in toy.exits if e.route == "segmental"}
    assert len(sides) == 6
    for name, r in sides.items():
        assert r < 0 if "left" in name else r > 0


def test_a_vein_outside_is_a_leak_compartment_and_inside_stays_body() -> None:
    toy = block()
    before = labels()["compartment"]
    vein = toy.tissue == Tissue.VEIN
    inside = vein & (before == Compartment.BODY)
    assert inside.any()
    assert np.all(toy.compartment[inside] == Compartment.BODY)
    outside = vein & ~inside
    assert set(np.unique(toy.compartment[outside])) == {
        Compartment.VEIN_BASIVERTEBRAL,
        Compartment.VEIN_SEGMENTAL,
    }


def test_plexus_runs_in_front_of_the_dura_from_end_to_end_of_the_canal() -> None:
    toy = block()
    plexus = toy.compartment == Compartment.VEIN_BASIVERTEBRAL
    before = labels()["compartment"]
    assert np.all(before[plexus] != Compartment.BODY)
    assert plexus.any(axis=(0, 1)).all()
    a = GRID.axes()[1]
    assert a[plexus.any(axis=(0, 2))].min() > -0.025  # the front half of the canal


def test_lumen_of_a_straight_duct_has_its_poiseuille_conductance() -> None:
    """Bundle of cross-section A_b with share a²/A_b·π and K = a²/8: Σ share·K·dA = π a⁴/8 to the bundle's rounding."""
    grid = VoxelGrid((15, 15, 30), (1e-3,) * 3, (-7e-3, -7e-3, -14.5e-3))
    tissue = np.full(grid.shape, Tissue.MUSCLE, np.uint8)
    from vertebro.anatomy import vessels

    radius = 1.5e-3
    duct = Duct(
        name="d",
        route="segmental",
        points=np.array([[0.0, 0.0, -0.02], [0.0, 0.0, 0.02]]),
        radius=np.full(2, radius),
        inside=False,
    )
    share, lumen, marked = np.zeros(grid.shape, np.float32), np.zeros(grid.shape), np.zeros(grid.shape, np.uint8)
    scene = vessels.Scene(grid, tissue, marked, landmarks(), 1.0)
    vessels.draw(duct, scene, InteriorSettings(), share, lumen, marked)
    conductance = (share * lumen)[:, :, 15].sum() * 1e-6
    assert conductance == pytest.approx(np.pi * radius**4 / 8, rel=0.03)


def test_a_thin_duct_keeps_its_volume_whatever_the_voxels() -> None:
    """Cement that fills a vein of radius a and length L takes π a² L, on coarse and fine grids alike."""
    from vertebro.anatomy import vessels

    volumes = []
    for n in (12, 24):
        h = 0.024 / n
        grid = VoxelGrid((n, n, 2 * n), (h,) * 3, ((-n / 2 + 0.5) * h,) * 2 + ((-n + 0.5) * h,))
        duct = Duct(
            name="d",
            route="segmental",
            points=np.array([[0.2e-3, 0.1e-3, -0.015], [0.2e-3, 0.1e-3, 0.015]]),
            radius=np.full(2, 0.5e-3),
            inside=False,
        )
        share, lumen, marked = np.zeros(grid.shape, np.float32), np.zeros(grid.shape), np.zeros(grid.shape, np.uint8)
        scene = vessels.Scene(grid, np.full(grid.shape, Tissue.MUSCLE, np.uint8), marked, landmarks(), 1.0)
        vessels.draw(duct, scene, InteriorSettings(), share, lumen, marked)
        volumes.append(float(share.sum()) * h**3)
    expected = np.pi * 0.5e-3**2 * 0.030
    for volume in volumes:
        assert volume == pytest.approx(expected, rel=0.02)


def test_foramen_has_the_published_size_and_narrows_forward() -> None:
    """wang2023: 7.8 mm wide, 5.4 mm high, 12.4 mm deep in elderly spines."""
    line = np.arange(-10e-3, 20e-3, 0.05e-3)
    size = (7.8e-3, 12.4e-3, 5.4e-3)
    options = {"wall": 0.0, "height": 0.0, "size": size, "softness": 0.1e-3}
    zero = np.zeros(1)
    width = (funnel(line, np.full(1, 1e-6), zero, **options) > 0.5).sum() * 0.05e-3
    tall = (funnel(zero, np.full(1, 1e-6), line, **options) > 0.5).sum() * 0.05e-3
    deep = (funnel(zero, line[line >= 0], zero, **options) > 0.5).sum() * 0.05e-3
    tip = (funnel(line, np.full(1, 12e-3), zero, **options) > 0.5).sum() * 0.05e-3
    assert (width, tall, deep) == pytest.approx((7.8e-3, 5.4e-3, 12.4e-3), abs=0.15e-3)
    assert tip < 0.5 * width


def test_no_veins_when_switched_off() -> None:
    toy = block(veins=False)
    assert not np.any(toy.tissue == Tissue.VEIN)
    assert [e.route for e in toy.exits] == ["tissue"]


@pytest.mark.parametrize("count", [0, 1, 4, 8])
def test_number_of_segmental_veins_is_as_asked(count: int) -> None:
    toy = block(segmental_veins=count)
    assert sum(e.route == "segmental" for e in toy.exits) == count


def test_mirrored_settings_mirror_the_veins() -> None:
    plain, mirrored = block(k_sigma=0.4), block(k_sigma=0.4, mirrored=True)
    same = (plain.tissue == mirrored.tissue[::-1]).mean()
    assert same > 0.999
    np.testing.assert_allclose(np.median(plain.permeability[0] / mirrored.permeability[0][::-1]), 1.0, rtol=1e-3)


def test_canal_missing_from_the_labels_still_leaves_a_way_out() -> None:
    arrays = labels()
    arrays["compartment"][arrays["compartment"] == Compartment.CANAL] = Compartment.PARAVERTEBRAL
    toy = block(arrays=arrays)
    assert any(e.route == "basivertebral" for e in toy.exits)


def test_exits_carry_the_venous_pressure() -> None:
    toy = block(venous_pressure=1.7e3)
    assert {e.pressure for e in toy.exits if e.route != "tissue"} == {1.7e3}
    assert {e.pressure for e in toy.exits if e.route == "tissue"} == {1.0e3}
