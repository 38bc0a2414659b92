"""The vein network: whole, sized as published, the same on every grid, mirrored exactly, kept in files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import cg

from anatomy.block import GRID, block, labels, landmarks
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.network import VeinNetwork
from vertebro.anatomy.network_coupling import couple, spread_strength
from vertebro.anatomy.network_places import Scene
from vertebro.anatomy.network_settings import VeinSettings
from vertebro.anatomy.network_sketch import Sketch
from vertebro.anatomy.network_tracing import trace_network
from vertebro.anatomy.store import load_anatomy, save_anatomy
from vertebro.errors import CaseError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment

SEEDS = range(50)


def traced(
    seed: int = 0, level: str = "L1", grid: VoxelGrid = GRID, flip: float = 1.0, **settings: object
) -> VeinNetwork:
    scene = Scene(grid, labels(grid)["compartment"], landmarks(), flip)
    return trace_network(scene, InteriorSettings(**settings), seed, level)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def many() -> list[VeinNetwork]:
    return [traced(seed) for seed in SEEDS]


def mean_radius(network: VeinNetwork, word: str) -> list[float]:
    return [1e3 * float(network.radius[network.vein == i].mean()) for i, n in enumerate(network.names) if word in n]


def test_every_segment_reaches_an_outlet_for_every_seed_and_level(many: list[VeinNetwork]) -> None:
    for network in [*many, *(traced(level=level) for level in ("C6", "T4", "T12", "L5", "S1"))]:
        assert np.all(network.drains_to() >= 0)
        assert {"basivertebral", "epidural", "intervertebral", "segmental", "outlet"} <= set(network.routes)
        assert len(set(network.names)) == len(network.names)
        assert len(set(network.outlet_names)) == len(network.outlet_names)


def test_a_vein_without_a_way_out_is_refused() -> None:
    sketch = Sketch()
    end = sketch.vein("a", "segmental", [[0, 0, 0], [0, 0, 0.01]], 1e-3)[-1]
    sketch.outlet(end, "cava")
    sketch.vein("lost", "segmental", [[0.1, 0, 0], [0.1, 0, 0.01]], 1e-3)
    with pytest.raises(GeometryError, match="no outlet") as error:
        sketch.finish(0.0)
    assert "lost" in str(error.value)


def test_radii_lie_in_the_published_ranges_over_many_seeds(many: list[VeinNetwork]) -> None:
    """Sinusoids ∅ 1-1.5 mm, segmental foramina ∅ 0.5-2 mm, plexus ∅ 2-5 mm, lumbar veins ∅ 2-5 mm."""
    limits = {
        "sinusoid": (0.5, 0.75),
        ", in bone": (0.25, 2.5),
        "epidural plexus": (1.0, 2.5),
        "lumbar vein, left": (1.0, 3.0),
    }
    for word, (low, high) in limits.items():
        found = [r for network in many for r in mean_radius(network, word)]
        assert len(found) >= len(SEEDS)
        assert low - 1e-6 <= min(found)
        assert max(found) <= high + 1e-6
        assert np.std(found) > 0.02 * np.mean(found), "the seed varies them"


def test_counts_follow_the_published_ranges_and_the_seed_varies_them(many: list[VeinNetwork]) -> None:
    sinusoids = [sum(n.startswith("sinusoid") for n in network.names) for network in many]
    left = [sum(n.startswith("segmental vein, left") and "bone" in n for n in network.names) for network in many]
    two = np.mean([any(n.startswith("basivertebral vein 2") for n in network.names) for network in many])
    assert set(sinusoids) == {2, 3, 4}
    assert set(left) == {2, 3, 4}
    assert 0.25 < two < 0.65  # 37 of 82


def test_counts_are_exact_when_asked_for() -> None:
    exact = VeinSettings(sinusoids=3, trunks=2, vary_counts=False)
    for total in (0, 1, 4, 9):
        names = traced(seed=5, segmental_veins=total, network=exact).names
        assert sum(n.startswith("segmental vein") and n.endswith("bone") for n in names) == total
        assert sum(n.startswith("sinusoid") for n in names) == 3
        assert sum(n.startswith("basivertebral vein") and n.endswith("bone") for n in names) == 2


def test_lengths_are_anatomical(many: list[VeinNetwork]) -> None:
    for network in many:
        length = {n: 1e3 * float(network.length[network.vein == i].sum()) for i, n in enumerate(network.names)}
        assert all(5 < x < 20 for n, x in length.items() if n.startswith("sinusoid"))
        assert all(9 < x < 13 for n, x in length.items() if n.startswith("basivertebral") and "bone" in n)
        assert all(25 < x < 60 for n, x in length.items() if n in ("lumbar vein, left", "epidural plexus, left"))


def test_names_tell_the_side_and_left_is_negative(many: list[VeinNetwork]) -> None:
    for network in many:
        for number, name in enumerate(network.names):
            near = (network.vein == number) & (network.length < 10e-3)
            for word, sign in (("left", -1), ("right", 1)):
                if f", {word}" in name and near.any():
                    assert np.all(sign * network.middle[near, 0] > -1e-9), name


def test_inner_segments_run_in_bone_and_outer_ones_do_not(many: list[VeinNetwork]) -> None:
    compartment = labels()["compartment"]
    for network in many[:10]:
        near = network.length < 10e-3
        i, j, k = np.rint(GRID.index(network.middle)).astype(int).T
        on = near & np.all((np.stack([i, j, k]).T >= 0) & (GRID.shape > np.stack([i, j, k]).T), axis=1)
        body = np.zeros(len(near), bool)
        body[on] = compartment[i[on], j[on], k[on]] == Compartment.BODY
        assert body[network.inside].mean() > 0.97
        assert body[~network.inside & on].mean() < 0.05


def test_the_mirrored_patient_has_mirrored_veins() -> None:
    plain, other = traced(seed=4), traced(seed=4, flip=-1.0)
    np.testing.assert_allclose(other.nodes * [-1, 1, 1], plain.nodes, atol=1e-9)
    np.testing.assert_allclose(other.radius, plain.radius)
    np.testing.assert_allclose(other.length, plain.length, rtol=1e-6)


def test_pressure_falls_from_the_marrow_to_the_cava_at_rest() -> None:
    network = traced(seed=1)
    pressure = rest(network)
    tips = network.blood > 0
    venous = float(network.outlet_pressure[0])
    assert np.all(pressure[tips] > venous)
    assert 1.0 < (pressure[tips] - venous).max() < 100.0  # a little
    inflow = float(network.blood.sum())
    assert inflow == pytest.approx(InteriorSettings().network.blood_flow)


def rest(network: VeinNetwork) -> np.ndarray:
    """Node pressures with blood alone, by dense elimination."""
    g, (a, b) = network.conductance / 4e-3, network.segments.T
    matrix = np.zeros((len(network.nodes),) * 2)
    np.add.at(matrix, (np.r_[a, b, a, b], np.r_[a, b, b, a]), np.r_[g, g, -g, -g])
    source = network.blood.copy()
    matrix[network.outlet_node] = np.eye(len(network.nodes))[network.outlet_node]
    source[network.outlet_node] = network.outlet_pressure
    return np.linalg.solve(matrix, source)


def test_the_network_hardly_knows_the_grid() -> None:
    coarse, fine = (
        traced(grid=VoxelGrid.around((-0.032, -0.04, -0.021), (0.032, 0.024, 0.021), h)) for h in (1e-3, 0.5e-3)
    )
    assert coarse.names == fine.names
    for name in coarse.names:
        one, two = (n.length[n.vein == n.names.index(name)].sum() for n in (coarse, fine))
        assert one == pytest.approx(two, rel=0.06, abs=1e-3)
    assert coarse.volume.sum() == pytest.approx(fine.volume.sum(), rel=0.02)


def uptake(spacing: float, direction: tuple[float, float, float], radius: float, stretch: float, shift: float) -> float:
    """Inflow [m³] of a 12 mm duct held at 0 in a ball of 11 mm whose surface is held at 1, bone of K = 2e-8 m²."""
    size = 12e-3
    grid = VoxelGrid.around((-size,) * 3, (size,) * 3, spacing)
    tensor = np.full((3, *grid.shape), 2e-8)
    tensor[2] *= stretch
    along = np.asarray(direction) / np.linalg.norm(direction)
    sketch = Sketch()
    nodes = sketch.vein("d", "segmental", shift + 6e-3 * np.stack([-along, along]), radius, inside=True)
    sketch.outlet(nodes[-1], "out")
    coupling = couple(sketch.finish(0.0), grid, tensor, np.ones(grid.shape, bool))
    flat = np.ravel_multi_index(tuple(coupling.cell.T), grid.shape)
    index, rows, columns, values = np.arange(grid.size).reshape(grid.shape), [flat], [flat], [coupling.conductance]
    for axis in range(3):
        here, there = (
            np.take(index, range(grid.shape[axis] - 1), axis).ravel(),
            np.take(index, range(1, grid.shape[axis]), axis).ravel(),
        )
        t = np.full(here.size, tensor[axis].flat[0] * spacing)
        rows += [here, there, here, there]
        columns += [here, there, there, here]
        values += [t, t, -t, -t]
    matrix = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (grid.size,) * 2
    ).tocsr()
    held = np.broadcast_to(sum(x**2 for x in grid.open_mesh()) > 11e-3**2, grid.shape).ravel()
    free, source = matrix[~held][:, ~held], -matrix[~held][:, held].sum(axis=1)
    pressure = np.ones(grid.size)
    pressure[~held] = cg(free, np.asarray(source).ravel(), rtol=1e-8, M=diags_array(1.0 / free.diagonal()))[0]
    return float((coupling.conductance * pressure[flat]).sum())


@pytest.mark.parametrize(
    ("direction", "radius", "stretch", "shift"),
    [
        ((0, 0, 1), 0.6e-3, 1.0, 0.0),
        ((1, 1, 0.3), 0.6e-3, 1.6, 0.0),
        ((1, 0, 0), 0.3e-3, 1.0, 0.3e-3),
        ((0, 1, 1), 1.2e-3, 1.0, 0.2e-3),
    ],
)
def test_a_duct_drinks_the_same_on_every_grid(
    direction: tuple[float, float, float], radius: float, stretch: float, shift: float
) -> None:
    found = [uptake(h, direction, radius, stretch, shift) for h in (1e-3, 0.6e-3)]
    assert max(found) == pytest.approx(min(found), rel=0.06)


def test_a_duct_drinks_what_a_slender_body_of_its_size_does() -> None:
    """Capacity of the prolate spheroid inside it (lower bound) and of the one around it (upper bound)."""
    found = uptake(0.7e-3, (0, 0, 1), 0.6e-3, 1.0, 0.0)

    def spheroid(half: float, radius: float) -> float:
        e = np.sqrt(1 - (radius / half) ** 2)
        free = 4 * np.pi * 2e-8 * half * e / np.arctanh(e)
        return 1 / (1 / free - 1 / (4 * np.pi * 2e-8 * 11e-3))

    assert spheroid(6e-3, 0.6e-3) < found < spheroid(6e-3 * np.sqrt(1.5), 0.6e-3 * np.sqrt(1.5))


def test_spread_exchange_has_the_resistance_of_the_duct_itself() -> None:
    """A radial finite-difference solution of the spread exchange, g from `spread_strength`, gives ln(ρ/a)."""
    for logarithm in (0.6, 1.2, 2.5):
        g, n = spread_strength(logarithm), 2000
        edge = np.linspace(0.0, 1.0, n + 1)
        x = 0.5 * (edge[1:] + edge[:-1])
        sink = 4 * g * (1 - x**2) * x / n
        face = edge[1:-1] * n
        matrix = np.diag(sink) + np.diag(np.r_[face, 2.0 * n] + np.r_[0.0, face])
        matrix -= np.diag(face, 1) + np.diag(face, -1)
        y = np.linalg.solve(matrix, np.r_[np.zeros(n - 1), 2.0 * n])
        assert 1.0 / float((sink * y).sum()) == pytest.approx(logarithm, rel=2e-3)


def test_coupling_stays_in_bone_and_reaches_every_inner_node() -> None:
    network = traced(seed=2)
    body = labels()["compartment"] == Compartment.BODY
    coupling = couple(network, GRID, np.full((3, *GRID.shape), 2e-8), body)
    assert np.all(body[tuple(coupling.cell.T)])
    assert np.all(coupling.conductance > 0)
    assert set(network.segments[network.inside].ravel()) == set(coupling.node)


def test_files_keep_the_network(tmp_path: Path) -> None:
    toy = block(seed=6)
    assert toy.network is not None
    back = load_anatomy(save_anatomy(toy, tmp_path / "a.h5")).network
    assert back is not None
    for name in ("nodes", "segments", "radius", "length", "vein", "inside", "outlet_node", "outlet_pressure", "blood"):
        np.testing.assert_array_equal(getattr(back, name), getattr(toy.network, name))
    assert (back.names, back.routes, back.outlet_names) == (
        toy.network.names,
        toy.network.routes,
        toy.network.outlet_names,
    )
    save_anatomy(replace(toy, network=None), tmp_path / "old.h5")
    assert load_anatomy(tmp_path / "old.h5").network is None


def test_settings_out_of_range_are_all_named() -> None:
    with pytest.raises(CaseError) as error:
        VeinSettings(epidural_radius=9e-3, sinusoids=0, blood_flow=-1.0)
    for name in ("epidural_radius", "sinusoids", "blood_flow"):
        assert name in str(error.value)
