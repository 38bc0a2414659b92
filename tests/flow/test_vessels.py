"""Vessels: kernels beside their twins, pressures beside a dense solve, ledgers, mirrors, restarts, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from naive import flow as naive
from vertebro.errors import CaseError, GeometryError
from vertebro.flow import FlowProblem, Outlet, Stepper, VesselNetwork, Well, exchange, multigrid
from vertebro.flow import kernels_vessels as kv
from vertebro.flow.domain import make_box, whole_window
from vertebro.flow.network import _lists
from vertebro.flow.pressure import PressureField, length
from vertebro.grid import VoxelGrid

SHAPE = (9, 8, 7)
FIELDS = ("segment", "conductance", "volume", "length", "radius")


def network(rng, *, ease=1.0, mouth=1.0, nodes=12, mouths=9, shape=SHAPE, **more):
    """A random tree with two loops, an outlet at its last node, blood that enters at one."""
    branches = [(int(rng.integers(0, i)), i) for i in range(1, nodes)]
    segment = np.array([*branches, (0, 5), (2, 7)])
    m = len(segment)
    fields = {
        "segment": segment,
        "conductance": ease * 1e-11 * np.exp(rng.normal(size=m)),
        "volume": np.full(m, 2e-9),
        "length": np.full(m, 5e-3),
        "radius": np.full(m, 5e-4),
        "coupling_node": rng.integers(0, nodes, mouths),
        "coupling_cell": np.stack([rng.integers(1, n - 1, mouths) for n in shape], axis=1),
        "coupling": mouth * 1e-11 * np.exp(rng.normal(size=mouths)),
        "outlet_node": [nodes - 1],
        "outlet_pressure": [500.0],
        "outlet_name": ["cava"],
        "blood": np.where(np.arange(nodes) == 3, 1e-9, 0.0),
    }
    return VesselNetwork(**{**fields, **more})


def bone_with(vessels, rng, *, shape=SHAPE, **more):
    fields = {
        "grid": VoxelGrid(shape=shape, spacing=(1e-3, 1.1e-3, 0.9e-3)),
        "porosity": 0.9,
        "permeability": 1e-8 * np.exp(rng.normal(size=(3, *shape))),
        "injected": 100.0,
        "displaced": 0.05,
        "wells": [Well(cells=[(4, 4, 4)], rate=5e-8)],
        "outlets": [Outlet(cells=[(0, 0, 0)])],
        "vessels": vessels,
    }
    return FlowProblem(**{**fields, **more})


# kernels ------------------------------------------------------------------------------------------------------------


def test_elimination_equals_its_twin_and_keeps_what_is_seen_from_outside(rng):
    """Also where conductances span 24 decades: relative accuracy of every number."""
    c = np.triu(np.exp(rng.normal(scale=14, size=(14, 14))) * (rng.random((14, 14)) < 0.4), 1)
    c[3] = c[:, 3] = 0.0  # a node that nothing is joined to
    inflow = rng.random(14) * (np.arange(14) < 4)
    fast, slow = (c.copy(), inflow.copy()), (c.copy(), inflow.copy())
    kv.eliminate(*fast, 9)
    naive.eliminate(*slow, 9)
    for one, two in zip(fast, slow, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-11)
    ends = rng.normal(size=14)
    found = []
    for code, (kept, given) in ((kv, fast), (naive, slow)):
        p = ends.copy()
        code.restore(kept, given, p, 9)
        found.append(p)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    mild = np.triu(rng.random((14, 14)), 1)
    full, p = mild.copy(), ends.copy()
    given = inflow.copy()
    kv.eliminate(full, given, 9)
    kv.restore(full, given, p, 9)
    laplacian = np.diag((mild + mild.T).sum(axis=1)) - mild - mild.T
    np.testing.assert_allclose((laplacian @ p)[:9], inflow[:9], atol=1e-11)


def queues(rng, segments=4, parcels=5):
    count = rng.integers(1, parcels + 1, segments)
    volume, injected, birth = np.zeros((3, segments, parcels))
    for e, n in enumerate(count):
        volume[e, :n] = rng.uniform(0.1, 1, n)
        injected[e, :n] = volume[e, :n] * rng.choice([0.0, 0.3, 1.0], n)
        birth[e, :n] = rng.uniform(0, 50, n)
    return count, volume, injected, birth


def test_queues_equal_their_twins(rng):
    for front, amount in itertools.product((True, False), (0.05, 0.7, 9.0)):
        start = queues(rng)
        results = []
        for code in (kv, naive):
            held, out = [a.copy() for a in start], np.zeros((4, 3))
            for e in range(4):
                code.push(e, front, amount, 0.3 * amount, 60.0, *held)
                code.pop(e, not front, amount, *held, out)
            code.merge_into(0, 0, 0.3, 0.1, 70.0, *held[1:])
            results.append([*held, out])
        for fast, slow in zip(*results, strict=True):
            np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-14)
        _, volume, injected, _ = start
        np.testing.assert_allclose(results[0][1][1:].sum(axis=1), volume[1:].sum(axis=1), rtol=1e-12)
        before = injected.sum(axis=1) + 0.3 * amount
        np.testing.assert_allclose((results[0][2].sum(axis=1) + results[0][4][:, 1])[1:], before[1:], rtol=1e-12)


def test_joining_equals_its_twin_and_conserves(rng):
    count, volume, injected, birth = queues(rng, 6, 7)
    count[:] = 7
    volume[:] = rng.uniform(0.1, 1, volume.shape)
    for e in range(6):
        fast, slow = ([a.copy() for a in (volume, injected, birth)] for _ in range(2))
        assert kv.join_cheapest(e, 7, *fast) == naive.join_cheapest(e, 7, *slow) == 6
        for one, two in zip(fast, slow, strict=True):
            np.testing.assert_allclose(one[e, :6], two[e, :6], rtol=1e-12)
        assert fast[0][e, :6].sum() == pytest.approx(volume[e].sum(), rel=1e-14)
        assert fast[1][e, :6].sum() == pytest.approx(injected[e].sum(), rel=1e-14)


def test_a_step_of_the_network_equals_its_twin(rng):
    net = network(rng)
    n, m, k = net.nodes, len(net.segment), len(net.coupling)
    at_node = _lists(n, net.segment.ravel(), np.repeat(np.arange(m), 2))
    at_mouth = _lists(n, net.coupling_node, np.arange(k))
    pressure = rng.normal(size=n)
    order = np.argsort(-pressure, kind="stable")
    outlet = np.full(n, -1)
    outlet[net.outlet_node] = 0
    flow = pressure[net.segment[:, 0]] - pressure[net.segment[:, 1]]
    drawn = rng.normal(size=k)
    flows = []
    for code in (kv, naive):
        q, d = flow.copy(), drawn.copy()
        code.close_dead_ends(order, net.segment, at_node, at_mouth, outlet, q, d)
        flows.append((q, d))
    np.testing.assert_array_equal(flows[0][0], flows[1][0])
    np.testing.assert_array_equal(flows[0][1], flows[1][1])
    assert (flows[0][0] == 0).sum() + (flows[0][1] == 0).sum() > 0
    start, results = queues(rng, m, 6), []
    for code in (kv, naive):
        held, out, gone = [a.copy() for a in start], np.zeros((m, 3)), np.zeros((1, 2))
        mouth, leaving = np.zeros((kv.MOUTH_ROWS, k)), np.zeros((2, n))
        mouth[kv.DRAWN] = np.maximum(flows[0][1], 0) * 0.2
        mouth[kv.DRAWN_INJECTED], mouth[kv.DRAWN_BIRTH] = 0.4 * mouth[kv.DRAWN], 30.0
        fields = (order, net.segment, at_node, at_mouth, outlet, *flows[0], net.blood * 1e8, 0.2, 40.0)
        code.advance(*fields, *held, mouth, out, gone, *leaving)
        results.append([*held, mouth, out, gone, leaving])
    for fast, slow in zip(*results, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-11, atol=1e-13)
    after, mouth, gone = results[0][2], results[0][4], results[0][6]
    there = after.sum() + mouth[kv.GIVEN].sum() + gone[0, 0]
    assert there == pytest.approx(start[2].sum() + mouth[kv.DRAWN_INJECTED].sum(), rel=1e-12)


# pressure -----------------------------------------------------------------------------------------------------------


def dense_pressures(field):
    """Pressures of cells and nodes of a field with vessels, from one dense matrix."""
    net, work, size = field.network.net, field.network, field.p.size
    whole = size + net.nodes
    matrix, right = np.zeros((whole, whole)), np.concatenate([field.source.ravel(), net.blood])
    links = [(size + a, size + b, g) for (a, b), g in zip(net.segment, work._segment_g, strict=True)]
    mouths = zip(net.coupling_node, work.cells[work.mouth_cell], work._mouth_g, strict=True)
    links += [(size + node, cell, g) for node, cell, g in mouths]
    for d, stride in enumerate((field.p.shape[1] * field.p.shape[2], field.p.shape[2], 1)):
        faces = field.t[d].ravel()
        links += [(i, i + stride, faces[i]) for i in np.flatnonzero(faces)]
    for i, j, g in links:
        matrix[[i, j], [i, j]] += g
        matrix[[i, j], [j, i]] -= g
    x, free = np.zeros(whole), np.ones(whole, bool)
    x[:size], free[:size] = field.p.ravel(), field.free.ravel() == 1
    x[size + net.outlet_node], free[size + net.outlet_node] = net.outlet_pressure, False
    load = right[free] - matrix[np.ix_(free, ~free)] @ x[~free]
    x[free] = np.linalg.solve(matrix[np.ix_(free, free)], load)
    return x[:size], x[size:]


@pytest.mark.parametrize("outlets", [1, 0])
@pytest.mark.parametrize(("ease", "mouth"), [(e, m) for e in (1e-6, 1.0, 1e6) for m in (1e-3, 1.0, 1e4)])
def test_pressures_with_vessels_equal_a_dense_solve(rng, ease, mouth, outlets):
    """Ducts far tighter and far wider than the bone; with and without a way out of the bone but the vessels."""
    problem = bone_with(network(rng, ease=ease, mouth=mouth), rng, outlets=[Outlet(cells=[(0, 0, 0)])][:outlets])
    field = PressureField(problem, make_box(problem, whole_window(problem)))
    fill = np.zeros(field.p.shape)
    fill[4:7, 3:6, 3:6] = 1.0
    field.source[5, 5, 5] = 5e-8
    field.pin(fill)
    field.fluids(fill, 0.0)
    field.vessels(fill, 0.0)
    field.faces()
    norm = max(length(field.source), field.flat_norm())
    found = field.solve(field.p, field.right(field.source), 1e-10, norm, 0.0)
    field.network.settle(field.p)
    cells, nodes = dense_pressures(field)
    span = max(np.ptp(cells), np.ptp(nodes))
    assert found.converged
    np.testing.assert_allclose(field.p.ravel(), cells, atol=1e-6 * span)
    np.testing.assert_allclose(field.network.state.pressure, nodes, atol=1e-6 * span)


# runs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["two-phase", "cement-only"])
@pytest.mark.parametrize("kind", ["piston", "corey2"])
@pytest.mark.parametrize("keep", [True, False])
def test_every_drop_is_in_the_ledger(rng, mode, kind, keep):
    """Bone, vessels, outlets of both: the sum is what was injected; pauses, growing viscosity and caps included."""
    if mode == "cement-only" and kind != "piston":
        pytest.skip("the cement-only mode is a piston")

    def law(rate, time):
        return np.full(np.shape(rate), 20.0 * np.exp(time / 20.0))

    wells = [Well(cells=[(4, 4, 4)], rate=5e-8, pressure=1e5)]
    net = network(rng, ease=10.0)
    problem = bone_with(net, rng, mode=mode, relative_permeability=kind, injected=law, wells=wells)
    state, stepper = problem.initial_state(), Stepper(problem, keep=keep, tolerance=1e-5)
    for rate in (5e-8, 5e-8, 0.0, 5e-8, 2e-8):
        stepper.set_well("well", rate=rate, pressure=1e5)
        for _ in range(3):
            report = stepper.advance(state, 1.0)
            assert report.balance_error < 1e-12
    vessels = state.vessels
    assert vessels.held > 1e-9
    assert vessels.outflow["cava"] > 0
    np.testing.assert_allclose(vessels.volume.sum(axis=1), net.volume, rtol=1e-9)
    assert np.all(vessels.injected <= vessels.volume * (1 + 1e-9))
    assert np.all(vessels.injected >= 0)


def test_vessels_that_only_join_cells_bring_cement_back_into_the_bone(rng):
    """No outlet in the network: what enters at one mouth comes out at another, where the bone is still empty."""
    net = VesselNetwork(
        segment=[(0, 1)],
        conductance=[1e-9],
        volume=[1e-9],
        length=[6e-3],
        radius=[5e-4],
        coupling_node=[0, 1],
        coupling_cell=[(4, 4, 5), (1, 1, 1)],
        coupling=[1e-10, 1e-10],
    )
    problem = bone_with(net, rng, permeability=1e-9, injected=1.0)
    state = problem.initial_state()
    report = Stepper(problem).advance(state, 1.0)
    assert state.vessels.content[0] > 0.5e-9
    assert state.saturation[1, 1, 1] > 0.5
    assert state.saturation[2, 2, 3] < 0.5
    assert report.balance_error < 1e-12


def test_bone_that_only_a_vessel_drains_takes_cement(rng):
    """Sealed shell: the marrow leaves by the vein; without it the well is sealed."""
    net = network(rng, ease=100.0)
    report = Stepper(problem := bone_with(net, rng, outlets=[])).advance(state := problem.initial_state(), 3.0)
    assert not report.events
    assert state.saturation.sum() > 50
    assert sum(state.vessels.outflow_displaced.values()) > 1e-7
    alone = bone_with(None, rng, outlets=[])
    assert [e.kind for e in Stepper(alone).advance(alone.initial_state(), 3.0).events] == ["sealed"]


def flipped(net, axes, shape=SHAPE):
    cells = net.coupling_cell.copy()
    for axis in axes:
        cells[:, axis] = shape[axis] - 1 - cells[:, axis]
    names = ("segment", "conductance", "volume", "length", "radius", "coupling_node", "coupling", "outlet_node")
    kept = {name: getattr(net, name) for name in (*names, "outlet_pressure", "outlet_name", "blood", "viscosity")}
    return VesselNetwork(coupling_cell=cells, **kept)


@pytest.mark.parametrize("mode", ["two-phase", "cement-only"])
def test_a_mirrored_case_gives_the_mirrored_result_bit_for_bit(rng, mode):
    net, permeability = network(rng, ease=10.0), 1e-8 * np.exp(rng.normal(size=(3, *SHAPE)))

    def run(axes):
        turn = lambda cell: tuple(SHAPE[a] - 1 - c if a in axes else c for a, c in enumerate(cell))  # noqa: E731
        problem = bone_with(
            flipped(net, axes),
            rng,
            mode=mode,
            permeability=np.flip(permeability, [1 + a for a in axes]),
            wells=[Well(cells=[turn((4, 3, 4))], rate=5e-8)],
            outlets=[Outlet(cells=[turn((0, 0, 0))])],
        )
        state = problem.initial_state()
        Stepper(problem).advance(state, 6.0)
        return np.flip(state.saturation, axes), state.vessels

    (fill, vessels), (other, twin) = run(()), run((0, 2))
    np.testing.assert_array_equal(other, fill)
    assert vessels.held > 1e-9
    assert twin.same(vessels)
    np.testing.assert_array_equal(twin.pressure, vessels.pressure)


def test_a_copied_state_goes_on_to_the_same_bits(rng):
    problem = bone_with(network(rng, ease=10.0), rng)
    state = problem.initial_state()
    Stepper(problem).advance(state, 4.0)
    first, second = state.copy(), state.copy()
    held = state.vessels.held
    for one in (first, second):
        Stepper(problem).advance(one, 4.0)
    np.testing.assert_array_equal(first.saturation, second.saturation)
    assert first.vessels.same(second.vessels)
    assert first.vessels.held > held == state.vessels.held
    assert first.vessels.outflow == second.vessels.outflow


def test_two_threads_on_a_box_with_vessels_give_the_bits_of_one(rng, monkeypatch):
    """A box large enough for threads: cement in the bone and in the vessels, pressures and ledgers to the last bit."""
    shape = (36, 32, 30)
    net, permeability = network(rng, ease=10.0, mouths=40, shape=shape), 1e-8 * np.exp(rng.normal(size=(3, *shape)))
    near = net.coupling_cell % 9 + np.array([12, 12, 11])  # around the needle: cement comes to some
    kept = {name: getattr(net, name) for name in (*FIELDS, "coupling_node", "coupling", "outlet_node")}
    more = {name: getattr(net, name) for name in ("outlet_pressure", "outlet_name", "blood", "viscosity")}
    net, found = VesselNetwork(coupling_cell=near, **kept, **more), []
    for threads in (1, 2):
        for module in (multigrid, exchange):
            monkeypatch.setattr(module, "usual_size", lambda threads=threads: threads)
        wells = [Well(cells=[(16, 16, 15)], rate=5e-8)]
        problem = bone_with(net, rng, shape=shape, permeability=permeability, wells=wells)
        state, stepper = problem.initial_state(), Stepper(problem)
        stepper.advance(state, 4.0)
        assert stepper._flow.solver.team.size == threads
        found.append((state, stepper.face_fluxes().tobytes()))
    (one, through), (two, flows) = found
    assert one.vessels.held > 1e-9
    assert one.vessels.same(two.vessels)
    assert flows == through
    for name in ("pressure", "saturation", "injection_time"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    for name in ("pressure", "flow", "drawn"):
        assert getattr(one.vessels, name).tobytes() == getattr(two.vessels, name).tobytes()
    assert (one.vessels.outflow, one.outflow) == (two.vessels.outflow, two.outflow)


def test_vessels_without_any_flow_through_them_change_nothing(rng):
    """A closed stub: not a bit of its own, the bone fills as without."""
    stub = VesselNetwork(
        segment=[(0, 1)],
        conductance=[1e-11],
        volume=[1e-9],
        length=[1e-2],
        radius=[1e-3],
        coupling_node=[0],
        coupling_cell=[(4, 4, 5)],
        coupling=[1e-11],
    )
    k = 1e-8 * np.exp(rng.normal(size=(3, *SHAPE)))
    fills = []
    for vessels in (stub, None):
        problem = bone_with(vessels, rng, permeability=k)
        state = problem.initial_state()
        Stepper(problem, tolerance=1e-10).advance(state, 5.0)
        fills.append(state.saturation)
        if vessels is not None:
            assert state.vessels.held == 0.0
    np.testing.assert_allclose(fills[0], fills[1], atol=1e-6)


# refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conductance": 0.0}, "conductance"),
        ({"conductance": [1.0, 2.0]}, "wrong length"),
        ({"segment": [(0.5, 1.0)]}, "indices"),
        ({"segment": [(1, 1)] * 13}, "ends where it begins"),
        ({"coupling_node": [-1] * 9}, "an index"),
        ({"outlet_node": [3, 3], "outlet_pressure": [0.0, 0.0], "outlet_name": ["a", "b"]}, "two outlets"),
        ({"outlet_pressure": [np.nan]}, "outlet_pressure"),
        ({"outlet_name": []}, "a name for every outlet"),
        ({"viscosity": 0.0}, "viscosity"),
        ({"outlet_node": [], "outlet_pressure": [], "outlet_name": []}, "no way out"),
        ({"coupling_cell": [(1, 1, 1)]}, "a coupling is"),
    ],
)
def test_impossible_networks_are_refused_by_name(rng, change, message):
    if change.get("conductance") == 0.0:
        change = {"conductance": np.zeros(13)}
    with pytest.raises((CaseError, GeometryError), match=message):
        network(rng, **change)


def test_mouths_outside_the_grid_and_in_outlets_are_refused(rng):
    with pytest.raises(GeometryError, match="outside the grid"):
        bone_with(network(rng, coupling_cell=np.full((9, 3), 50)), rng)
    with pytest.raises(CaseError, match="mouth in an outlet"):
        bone_with(network(rng), rng, outlets=[Outlet(cells=np.argwhere(np.ones(SHAPE)))])
    with pytest.raises(CaseError, match="vessels"):
        bone_with("veins", rng)
    with pytest.raises(CaseError, match="another problem"):
        Stepper(bone_with(network(rng), rng)).advance(bone_with(None, rng).initial_state(), 1.0)


def test_a_network_tells_what_it_is(rng):
    assert repr(network(rng)) == "VesselNetwork: 12 nodes, 13 segments, 9 couplings, 1 outlets, 0.026 ml"
    assert "VesselNetwork" in repr(bone_with(network(rng), rng))
