"""Cracks as planar conduits: volume w, conductance w³/12 on every grid; where they go through a wall it is open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from anatomy.sick import sick
from vertebro.anatomy.pathology_cracks import Crack, conduct
from vertebro.anatomy.pathology_records import EndplateCrack, Metastasis, WallFissure
from vertebro.flow import FlowProblem, Outlet, Well, newtonian, solve_pressure
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

WIDTH, TALL, LONG = 0.5 * mm, 12 * mm, 24 * mm
SUPERIOR = Compartment.DISC_SUPERIOR


def _crack(angle: float = 0.0, shift: float = 0.0) -> Crack:
    """An upright crack along a (turned about s by `angle`)."""
    along = np.array([np.sin(angle), np.cos(angle), 0.0])
    up = np.array([0.0, 0.0, 1.0])
    centre = np.array([shift, 0.0, 0.0])
    half = (LONG, 0.5 * TALL)
    return Crack(centre=centre, normal=np.cross(along, up), along=along, across=up, half=half, width=WIDTH)


def _rock(h: float, crack: Crack) -> Any:
    """A tight block with the crack in it."""
    grid = VoxelGrid.around((-14 * mm, -0.5 * LONG, -0.5 * TALL), (14 * mm, 0.5 * LONG, 0.5 * TALL), h)
    rock = SimpleNamespace(
        grid=grid,
        tissue=np.full(grid.shape, Tissue.CORTICAL, np.uint8),
        compartment=np.full(grid.shape, Compartment.BODY, np.uint8),
        porosity=np.full(grid.shape, 1e-6, np.float32),
        bone_fraction=np.ones(grid.shape, np.float32),
        permeability=np.full((3, *grid.shape), 1e-18),
        face_resistance=np.zeros((3, *grid.shape)),
    )
    conduct(rock, crack)
    return rock


def _conductance(rock: Any, crack: Crack) -> float:
    """Flow times viscosity over pressure gradient along the crack [m⁴], from a pressure solve."""
    grid, viscosity, rate = rock.grid, 0.05, 1e-8
    cells = np.argwhere(crack.share(grid) > 0)
    last = grid.shape[1] - 1
    problem = FlowProblem(
        grid=grid,
        porosity=rock.porosity,
        permeability=rock.permeability,
        injected=newtonian(viscosity),
        displaced=newtonian(viscosity),
        wells=[Well(cells=[tuple(c) for c in cells[cells[:, 1] == 0]], rate=rate, name="in")],
        outlets=[Outlet(cells=cells[cells[:, 1] == last], pressure=0.0, name="out")],
        face_resistance=rock.face_resistance,
    )
    state = problem.initial_state()
    solve_pressure(problem, state, tolerance=1e-10)
    mean = [state.pressure[tuple(cells[cells[:, 1] == j].T)].mean() for j in (last // 4, 3 * last // 4)]
    run = (3 * last // 4 - last // 4) * grid.spacing[1] / abs(crack.along[1])
    return float(rate * viscosity * run / (mean[0] - mean[1]))


@pytest.mark.parametrize("h", [0.6 * mm, 0.8 * mm, 1.0 * mm])
@pytest.mark.parametrize("shift", [0.0, 0.23 * mm])
def test_conductance_is_cubic_in_the_width_on_every_grid(h: float, shift: float) -> None:
    """Plane Poiseuille flow: w³/12 per length across the flow."""
    crack = _crack(shift=shift)
    rock = _rock(h, crack)
    across = rock.grid.shape[2] * h
    assert _conductance(rock, crack) == pytest.approx(WIDTH**3 / 12 * across, rel=0.10)


@pytest.mark.parametrize("angle", [15.0, 30.0, 45.0])
def test_a_slanting_crack_stays_joined_and_keeps_its_conductance(angle: float) -> None:
    """Stairs of voxels cost some of it: within a third."""
    crack = _crack(angle=np.radians(angle))
    rock = _rock(0.8 * mm, crack)
    assert ndimage.label(crack.share(rock.grid) > 0)[1] == 1
    across = rock.grid.shape[2] * 0.8 * mm
    assert _conductance(rock, crack) == pytest.approx(WIDTH**3 / 12 * across, rel=0.33)


@pytest.mark.parametrize("h", [0.6 * mm, 0.8 * mm, 1.0 * mm])
def test_volume_is_width_times_area(h: float) -> None:
    crack = _crack(angle=0.4)
    rock = _rock(h, crack)
    volume = float(crack.share(rock.grid).sum()) * rock.grid.voxel_volume
    expected = WIDTH * TALL * min(LONG / np.cos(0.4), 28 * mm / np.sin(0.4))
    assert volume == pytest.approx(expected, rel=0.08)


EPIDURAL = (Compartment.CANAL, Compartment.VEIN_BASIVERTEBRAL)  # the plexus lies on the posterior wall


def _open_faces(one: Any, *outside: Compartment) -> int:
    """Faces between the body and these compartments that carry no layer and are no vein's."""
    count = 0
    for axis in range(3):
        here, there = [slice(None)] * 3, [slice(None)] * 3
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(here), tuple(there)
        place = one.compartment
        wall = ((place[a] == Compartment.BODY) & np.isin(place[b], outside)) | (
            (place[b] == Compartment.BODY) & np.isin(place[a], outside)
        )
        vein = (one.tissue[a] == Tissue.VEIN) & (one.tissue[b] == Tissue.VEIN)
        count += int(np.count_nonzero(wall & ~vein & (one.face_resistance[axis][a] == 0)))
    return count


def test_an_endplate_crack_opens_its_own_endplate_only() -> None:
    upper = sick(EndplateCrack(endplate="superior", width=1.3 * mm))
    lower = sick(EndplateCrack(endplate="inferior", width=1.3 * mm))
    inferior = Compartment.DISC_INFERIOR
    assert _open_faces(upper, SUPERIOR) > 3
    assert _open_faces(upper, inferior) == 0
    assert _open_faces(lower, inferior) > 3
    assert _open_faces(lower, SUPERIOR) == 0
    assert _open_faces(sick(), SUPERIOR) == 0


def test_a_fissure_and_a_breach_open_the_wall_to_the_canal() -> None:
    assert _open_faces(sick(), *EPIDURAL) == 0
    assert _open_faces(sick(WallFissure(width=1.3 * mm)), *EPIDURAL) > 0
    lytic = Metastasis(front=-0.5, breach="posterior")
    assert _open_faces(sick(lytic), *EPIDURAL) > 5
    assert _open_faces(sick(Metastasis(front=-0.5)), *EPIDURAL) == 0


def test_a_wider_crack_lets_more_through_as_the_cube() -> None:
    """Seen in the arrays: permeability times share grows with w³."""
    one, two = _crack(), _crack()
    object.__setattr__(two, "width", 2 * WIDTH)
    flow = []
    for crack in (one, two):
        rock = _rock(1.2 * mm, crack)
        flow.append(float(rock.permeability[1].sum()))
    assert flow[1] / flow[0] == pytest.approx(8.0, rel=0.01)


def test_corners_for_pictures_lie_in_the_crack_and_are_kept_with_the_anatomy() -> None:
    crack = _crack(angle=0.4, shift=1 * mm)
    corners = np.array(crack.corners_mm)
    np.testing.assert_allclose((corners * mm - crack.centre) @ crack.normal, 0.0, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(corners[1] - corners[0]), 2 * LONG / mm, atol=0.01)
    np.testing.assert_allclose(np.linalg.norm(corners[2] - corners[1]), TALL / mm, atol=0.01)
    cracked = sick(EndplateCrack())
    assert np.shape(cracked.provenance["cracks_mm"]) == (1, 4, 3)
