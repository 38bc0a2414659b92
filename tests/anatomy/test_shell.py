"""Compact bone as layers in the faces: areas true at any resolution, thickness as measured."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from anatomy.block import GRID, labels, landmarks
from vertebro.anatomy.assemble import InteriorSettings
from vertebro.anatomy.parametric import PARAMETRIC_INTERIOR, ParametricSpec, build_parametric
from vertebro.anatomy.shell import Shell, find_shell
from vertebro.anatomy.shell_thickness import Place, level_factor
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue

PLAIN = InteriorSettings(shell_sigma=0.0, shell_pattern=False, foramina_density=0.0, shell_from_hu=0.0)
RADIUS = 12e-3


def _around(grid: VoxelGrid, inside: np.ndarray, settings: InteriorSettings = PLAIN) -> Shell:
    tissue = np.where(inside, np.uint8(Tissue.CANCELLOUS), np.uint8(Tissue.MUSCLE))
    compartment = np.where(inside, np.uint8(Compartment.BODY), np.uint8(0))
    return _shell(grid, tissue, compartment, settings)


def _shell(
    grid: VoxelGrid, tissue: np.ndarray, compartment: np.ndarray, settings: InteriorSettings, **other: Any
) -> Shell:
    options: dict[str, Any] = {"landmarks": landmarks(), "level": "L3", "settings": settings, "seed": 0} | other
    return find_shell(grid, tissue, compartment, np.full(grid.shape, 0.08, np.float32), **options)


def _toy(settings: InteriorSettings, **other: Any) -> Shell:
    parts = labels()
    return _shell(GRID, parts["tissue"], parts["compartment"], settings, **other)


@pytest.mark.parametrize("spacing", [0.5e-3, 0.8e-3, 1.2e-3, 2.0e-3])
def test_a_sphere_conducts_by_its_true_area_at_any_resolution(spacing: float) -> None:
    """4πR² k/t within 2 %, where plain faces would count 3/2 of it."""
    grid = VoxelGrid.around((-0.016,) * 3, (0.016,) * 3, spacing)
    r, a, s = grid.open_mesh()
    shell = _around(grid, r**2 + a**2 + s**2 < RADIUS**2)
    truth = 4 * np.pi * RADIUS**2 * 1e-13 / 0.35e-3
    assert shell.conductance.sum() == pytest.approx(truth, rel=0.02)
    staircase = len(shell.axis) * spacing**2
    assert staircase > 1.4 * 4 * np.pi * RADIUS**2


@pytest.mark.parametrize("tilt", [0, 10, 30, 45])
def test_a_tilted_plane_has_the_area_of_a_plane(tilt: float) -> None:
    grid = VoxelGrid.around((-0.016,) * 3, (0.016,) * 3, 0.8e-3)
    angle = np.radians(tilt)
    normal = np.array([np.sin(angle), 0.4 * np.cos(angle), np.cos(angle) * np.sqrt(1 - 0.16)])
    r, a, s = grid.open_mesh()
    shell = _around(grid, normal[0] * r + normal[1] * a + normal[2] * s < 1e-5)
    across = shell.point - np.outer(shell.point @ normal, normal)
    near = np.linalg.norm(across, axis=1) < 10e-3
    near &= np.abs(shell.point @ normal) < 2e-3
    assert shell.area[near].sum() == pytest.approx(np.pi * 10e-3**2, rel=0.04)


def test_resistance_sits_in_the_faces_of_the_shell_alone() -> None:
    shell = _toy(PLAIN)
    layers = shell.resistance()
    assert np.count_nonzero(layers) == len(shell.axis)
    assert layers[layers > 0].min() >= 0.35e-3 / 1e-13 * (1 - 1e-9)


def test_a_vein_through_the_wall_leaves_an_opening() -> None:
    parts = labels()
    index = GRID.nearest((0.0, 0.0152, 0.0))
    parts["tissue"][index[0], index[1] - 2 : index[1] + 3, index[2]] = Tissue.VEIN
    shell = _shell(GRID, parts["tissue"], parts["compartment"], PLAIN)
    assert not shell.resistance()[1, index[0], index[1] - 2 : index[1] + 2, index[2]].any()


def test_the_front_is_thicker_than_the_back_and_the_endplate_thinnest_in_the_middle() -> None:
    """silva1994: anterior above posterior; segami2021: rim above centre."""
    shell = _toy(replace(PLAIN, shell_pattern=True))
    wall, plate = shell.place == Place.WALL, shell.place == Place.PLATE
    front, back = (wall & (side * shell.point[:, 1] > 13e-3) for side in (1, -1))
    assert shell.thickness[front].mean() > 1.3 * shell.thickness[back].mean()
    reach = np.hypot(shell.point[:, 0] / 0.021, shell.point[:, 1] / 0.0155)
    assert shell.thickness[plate & (reach < 0.3)].mean() < 0.65 * shell.thickness[plate & (reach > 0.9)].mean()
    assert shell.thickness[plate].mean() == pytest.approx(0.6e-3, rel=0.03)
    true_mean = np.average(shell.thickness[wall], weights=shell.area[wall])
    assert true_mean == pytest.approx(0.35e-3, rel=0.05)


def test_mid_thoracic_shells_are_the_thinnest() -> None:
    """ritzel1997: 285 µm in the neck, 244 in the chest, 290 in the loin; palepu2019: L1 below L2 to L5."""
    factors = {level: level_factor(level) for level in ("C6", "T4", "T8", "T12", "L1", "L3", "L5", "S1")}
    assert factors["T8"] == min(factors.values()) == pytest.approx(244 / 290, abs=0.005)
    assert factors["T8"] < factors["T12"] < factors["L1"] < factors["L3"] == factors["L5"] == factors["S1"] == 1.0
    assert factors["C6"] == pytest.approx(285 / 290, abs=0.005)


def test_thickness_scatters_log_normally_within_what_was_measured() -> None:
    """silva1994: 0.09 to 0.86 mm on the body; the mean stays."""
    shells = [_toy(replace(PLAIN, shell_sigma=0.25), seed=seed) for seed in range(6)]
    wall = np.concatenate([s.thickness[s.place == Place.WALL] for s in shells])
    assert np.log(wall).std() == pytest.approx(0.25, abs=0.04)
    assert wall.mean() == pytest.approx(0.35e-3, rel=0.05)
    assert wall.min() >= 0.09e-3
    assert np.quantile(wall, 0.999) < 0.86e-3
    assert not np.array_equal(shells[0].thickness, shells[1].thickness)


def test_a_bright_spot_of_a_real_wall_is_thicker() -> None:
    parts = labels()
    fraction = np.full(GRID.shape, 0.3, np.float32)
    fraction[GRID.open_mesh()[0][:, 0, 0] > 0] = 0.6
    settings = replace(PLAIN, shell_from_hu=0.5)
    options = {"landmarks": landmarks(), "level": "L1", "settings": settings, "seed": 0}
    shell = find_shell(GRID, parts["tissue"], parts["compartment"], fraction, **options)
    wall = shell.place == Place.WALL
    right, left = (shell.thickness[wall & (side * shell.point[:, 0] > 1.3e-3)].mean() for side in (1, -1))
    assert right / left == pytest.approx(np.sqrt(2), rel=1e-6)


def test_foramina_have_the_density_asked_for_and_lie_on_the_front_and_sides() -> None:
    counts = []
    for seed in range(12):
        shell = _toy(replace(PLAIN, foramina_density=2e4), seed=seed)
        counts.append(len(shell.foramina))
        angle = np.arctan2(shell.foramina[:, 0] / 0.021, shell.foramina[:, 1] / 0.0155)
        assert np.abs(np.degrees(angle)).max() < 140
    perimeter = 2 * np.radians(130) * np.sqrt(0.5 * (0.021**2 + 0.0155**2))
    assert np.mean(counts) == pytest.approx(2e4 * perimeter * 1.4 * 0.012, rel=0.15)


def test_foramina_let_the_same_through_on_every_grid() -> None:
    """The extra conductance is that of the holes, not of the faces they happen to meet."""
    extra = []
    for spacing in (0.7e-3, 1.2e-3):
        grid = VoxelGrid.around((-0.032, -0.040, -0.021), (0.032, 0.024, 0.021), spacing)
        parts = labels(grid)
        closed, pierced = (
            _shell(grid, parts["tissue"], parts["compartment"], replace(PLAIN, foramina_density=density))
            for density in (0.0, 2e4)
        )
        assert len(pierced.foramina) > 10
        extra.append((pierced.conductance.sum() - closed.conductance.sum()) / len(pierced.foramina))
    assert extra[0] == pytest.approx(extra[1], rel=1e-6)
    assert extra[0] > 0


@cache
def _patients() -> tuple[Any, Any]:
    specs = [ParametricSpec(spacing=1.2e-3, surround_spacing=3e-3, surround_height=0.08, mirrored=m) for m in (0, 1)]
    return tuple(build_parametric(spec, interior=PARAMETRIC_INTERIOR) for spec in specs)  # type: ignore[return-value]


def test_a_mirrored_vertebra_has_a_mirrored_shell() -> None:
    one, other = (patient.face_resistance for patient in _patients())
    flipped = other[2][::-1]
    both = (one[2] > 0) & (flipped > 0)
    assert both.sum() > 0.97 * (one[2] > 0).sum()
    same = np.isclose(one[2][both], flipped[both], rtol=1e-3)
    assert same.mean() > 0.97


def test_other_levels_without_a_canal_get_a_plain_shell() -> None:
    shell = _toy(replace(PLAIN, shell_pattern=True), landmarks=replace(landmarks(), canal_centre=None))
    wall = shell.place == Place.WALL
    np.testing.assert_allclose(shell.thickness[wall], 0.35e-3)
