"""What may not change a result: names of axes, sides, threads, and viscosity where the theorem says so (notes, 7.9)."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from physics.flow_cases import MARROW, PHI, K, Q, ball
from vertebro.flow import FlowProblem, Outlet, Stepper, Well, multigrid
from vertebro.grid import VoxelGrid

SHAPE = (15, 14, 13)


def bone_with_two_leaks(law, *, rate=Q, mode="cement-only", displaced=MARROW, seed=11, **more):
    """Log-normal bone, two vessels close to the tip."""
    k = 1e-8 * np.exp(np.random.default_rng(seed).normal(size=(3, *SHAPE)))
    return FlowProblem(
        grid=VoxelGrid(shape=SHAPE, spacing=(1e-3,) * 3), porosity=PHI, permeability=k, injected=law,
        displaced=displaced, mode=mode, wells=[Well(cells=[(7, 7, 6)], rate=rate, radius=1.5e-3)],
        outlets=[Outlet(cells=[(10, 7, 6)], name="a"), Outlet(cells=[(7, 3, 6)], name="b")], **more,
    )  # fmt: skip


def injected(problem, *, volume=4e-7, pause=0.0, **settings):
    """Inject a volume in two halves with a pause between; returns state, share of each leak, needle pressure."""
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-11, **settings)
    rate = problem.wells[0].rate
    stepper.advance(state, volume / 2 / rate)
    if pause:
        stepper.set_well("well", rate=0.0)
        stepper.advance(state, pause)
        stepper.set_well("well", rate=rate)
    report = stepper.advance(state, volume / 2 / rate)
    return state, np.array(list(state.outflow.values())) / volume, report.well_pressures["well"]


VARIANTS = {
    "a hundred times thicker": ({"law": 1000.0}, {}, 100.0),
    "twice as fast": ({"law": 10.0, "rate": 2 * Q}, {}, 2.0),
    "curing": ({"law": lambda rate, time: 10.0 * np.exp(time / 4.0)}, {}, np.exp(2.0)),
    "with a pause": ({"law": 10.0}, {"pause": 60.0}, 1.0),
    "curing during a pause": ({"law": lambda rate, time: 10.0 + time}, {"pause": 60.0}, 7.8),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_fill_and_leaks_depend_on_the_volume_alone(name):
    """μ_m → 0, outlets and front at one pressure, Newtonian with one η(t) everywhere: ∇·(K∇p/η) = q, so p/η does not
    know η. The front moves with q's own volume: shape and leak split are functions of the volume injected; only the
    needle pressure goes as η Q. Solver tolerance 1e-11; the fill may differ by what that leaves."""
    change, course, pressure = VARIANTS[name]
    state, leaks, needle = injected(bone_with_two_leaks(10.0))
    other, split, thick = injected(bone_with_two_leaks(**change), **course)
    assert leaks.min() > 0.01
    np.testing.assert_allclose(other.saturation, state.saturation, atol=1e-7)
    np.testing.assert_allclose(split, leaks, atol=1e-8)
    assert thick / needle == pytest.approx(pressure, rel=1e-6)


def test_a_power_law_hides_its_strength_and_the_rate():
    """Same theorem for η = m(t) γ̇^(n-1): p/m solves a problem without m, and a rate twice as high raises all shear
    rates alike, so p goes as Q^n and the fill stays. Picard iterations to convergence."""
    n = 0.6

    def law(m):
        return lambda rate, time: m * np.maximum(rate, 1e-12) ** (n - 1)

    runs = [
        injected(bone_with_two_leaks(law(m), rate=rate), picard=25, volume=2e-7)
        for m, rate in ((100.0, Q), (700.0, Q), (100.0, 2 * Q))
    ]
    for (state, leaks, pressure), factor in zip(runs[1:], (7.0, 2**n), strict=True):
        np.testing.assert_allclose(state.saturation, runs[0][0].saturation, atol=2e-3)
        np.testing.assert_allclose(leaks, runs[0][1], atol=2e-4)
        assert pressure / runs[0][2] == pytest.approx(factor, rel=1e-3)


def test_viscous_marrow_breaks_the_theorem():
    """The premise matters: with marrow as thick as the thin cement, the thick cement leaks less. Without this the tests
    above could pass on a solver that ignores viscosity."""
    thin, thick = (
        injected(bone_with_two_leaks(mu, mode="two-phase", displaced=10.0, seed=3))[1].sum() for mu in (10.0, 1000.0)
    )
    assert thin > 1.03 * thick


# symmetry ---------------------------------------------------------------------------------------------------------


def oblique(kind, mode):
    """Bone that a turn by 180° leaves alone and no mirror does, an oblique channel; its sums over planes are symmetric.
    Only the pressures at the ends of the channel tell them apart."""
    shape = (11, 11, 9)
    i, j, _ = np.indices(shape)
    k = np.where(np.abs(i - j) <= 1, 1e-7, 1e-9) * np.ones((3, 1, 1, 1))
    return {
        "shape": shape, "k": k, "walls": np.zeros((3, *shape)), "tips": [[(5, 5, 3)]],
        "ends": [[(0, 0, 4), (10, 10, 4)]], "held": [[0.0, 900.0]],
        "more": {"relative_permeability": kind, "mode": mode},
    }  # fmt: skip


def one_sided_wall(kind, mode):
    """Uniform bone whose only asymmetry is a thin layer between two cells."""
    case = oblique(kind, mode)
    walls = case["walls"].copy()
    walls[0, 6, 3:8, 2:] = 1e7
    ends = {"ends": [[(0, 5, 4), (10, 5, 4)], [(5, 0, 4)]], "held": [0.0, 0.0]}
    return {**case, "k": np.full((3, 11, 11, 9), 1e-8), "walls": walls, **ends}


def lopsided(kind, mode):
    """Nothing symmetric: log-normal bone, walls, two wells of two and one cells."""
    rng, shape = np.random.default_rng(8), (12, 11, 13)
    walls = np.zeros((3, *shape))
    walls[0, 8], walls[2, :, :, 3] = 1e6, 3e5
    return {
        "shape": shape, "k": 1e-8 * np.exp(rng.normal(size=(3, *shape))), "walls": walls,
        "tips": [[(4, 5, 6), (4, 5, 7)], [(8, 3, 2)]], "ends": [[(0, 0, 0)], [(11, 10, 2)]],
        "held": [0.0, 100.0], "more": {"relative_permeability": kind, "mode": mode},
    }  # fmt: skip


def mirrored_run(case, axes):
    shape = case["shape"]

    def cells(group):
        return [tuple(shape[a] - 1 - c if a in axes else c for a, c in enumerate(cell)) for cell in group]

    walls = np.flip(case["walls"], [a + 1 for a in axes]).copy()
    for axis in axes:  # the face belongs to the cell before it: mirrored, that is the next one
        walls[axis] = np.roll(walls[axis], -1, axis=axis)
    problem = FlowProblem(
        grid=VoxelGrid(shape=shape, spacing=(1e-3,) * 3), porosity=PHI,
        permeability=np.flip(case["k"], [a + 1 for a in axes]), face_resistance=walls, injected=50.0, displaced=1.0,
        wells=[Well(cells=cells(g), rate=Q, radius=1e-3, name=f"well {n}") for n, g in enumerate(case["tips"])],
        outlets=[
            Outlet(cells=cells(g), pressure=p, name=f"out {n}")
            for n, (g, p) in enumerate(zip(case["ends"], case["held"], strict=True))
        ],
        **case["more"],
    )  # fmt: skip
    state = problem.initial_state()
    Stepper(problem).advance(state, 6.0)
    fields = (state.saturation, state.pressure, state.injection_time)
    return [np.flip(v, axes) for v in fields], state.outflow


@pytest.mark.parametrize("kind_mode", [("piston", "two-phase"), ("corey2", "two-phase"), ("piston", "cement-only")])
@pytest.mark.parametrize("make", [oblique, one_sided_wall, lopsided])
def test_a_mirrored_case_gives_the_mirrored_result_bit_for_bit(make, kind_mode):
    """Seven mirrors and turns. The box is brought into one orientation by its contents, so that sums, sweeps and coarse
    cells meet the same numbers in the same order. (A case that is its own mirror image has no such orientation: its
    two halves agree to the solver's tolerance, see the ball below.)"""
    case = make(*kind_mode)
    fields, outflow = mirrored_run(case, ())
    mirrors = [axes for n in (1, 2, 3) for axes in itertools.combinations(range(3), n)]
    for axes in mirrors:
        others, gone = mirrored_run(case, axes)
        for one, other in zip(fields, others, strict=True):
            np.testing.assert_array_equal(other, one)
        assert gone == outflow


@pytest.mark.parametrize(("injected_law", "kind"), [(100.0, "piston"), (1.0, "piston"), (10.0, "corey2")])
def test_a_ball_keeps_the_48_symmetries_of_the_cube(injected_law, kind):
    """Six orders of the axes times eight mirrors. Nothing in the equations tells them apart; the order of sums and
    sweeps does, by no more than the solver leaves (tolerance 1e-12)."""
    problem = ball(21, 1e-3, outer=9e-3, injected=injected_law, relative_permeability=kind)
    state = problem.initial_state()
    Stepper(problem, tolerance=1e-12).advance(state, 10.0)
    assert 40 < np.count_nonzero(state.saturation) < 2000
    for order in itertools.permutations(range(3)):
        turned = np.transpose(state.saturation, order)
        for flips in itertools.product((False, True), repeat=3):
            mirrored = np.flip(turned, [a for a in range(3) if flips[a]])
            np.testing.assert_allclose(mirrored, state.saturation, atol=1e-9)


# threads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["piston", "corey2"])
def test_the_number_of_threads_changes_no_bit(kind, monkeypatch):
    """One, two, three and five threads on planes of a small grid: the same bytes. (The threshold below which the solver
    uses one thread is lowered, or there would be nothing to test.)"""
    monkeypatch.setattr(multigrid, "SMALL", 200)
    k = 1e-8 * np.exp(np.random.default_rng(3).normal(size=(3, 17, 16, 15)))
    results = []
    for threads in (1, 2, 3, 5):
        monkeypatch.setattr(multigrid, "usual_size", lambda threads=threads: threads)
        problem = FlowProblem(
            grid=VoxelGrid(shape=(17, 16, 15), spacing=(1e-3,) * 3), porosity=PHI, permeability=k, injected=100.0,
            displaced=1.0, relative_permeability=kind, wells=[Well(cells=[(8, 9, 7)], rate=Q)],
            outlets=[Outlet(cells=[(0, 0, 0)])],
        )  # fmt: skip
        assert multigrid.Multigrid((17, 16, 15)).team.size == threads
        state = problem.initial_state()
        Stepper(problem).advance(state, 4.0)
        results.append(state.pressure.tobytes() + state.saturation.tobytes())
    assert len(set(results)) == 1


# bone that is the same in every direction but one (7.6) -------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "aspect", "fluid"),
    [(1 / 0.78, 1.132, "thick"), (2.05, 1.432, "thin"), (2.05, 1.432, "thick"), (2.05, 1.432, "power law")],
)
def test_anisotropic_bone_makes_ellipsoids_of_the_square_roots(share, aspect, fluid):
    """In ξ = K^(-1/2) x both fluids see isotropic bone, so the front is an ellipsoid with semi-axes as √k_i for any
    viscosities, and for a power law whose shear rate is √(u·K⁻¹u). Aspect from second moments: Baroud's and Nauman's
    bone to 2 %. The unit of time is that of the volume: semi-axes from V = 4π abc/3."""
    assert np.sqrt(share) == pytest.approx(aspect, abs=5e-4)
    law = {"thin": 1.0, "thick": 1000.0, "power law": lambda rate, time: 300.0 * np.maximum(rate, 1e-9) ** -0.5}[fluid]
    problem = ball(43, injected=law, displaced=1.0, k=(K, K, share * K))
    state = problem.initial_state()
    report = Stepper(problem).advance(state, 60.0)
    x = problem.grid.open_mesh()
    r2, a2, s2 = (float((state.saturation * v**2).sum() / state.saturation.sum()) for v in x)
    assert np.sqrt(s2 / r2) == pytest.approx(aspect, rel=0.02)
    assert np.sqrt(a2 / r2) == pytest.approx(1.0, rel=1e-3)
    # ⟨s²⟩ = c²/5 in an ellipsoid, and abc = 3V/(4πφ)
    equal = (3 * 60.0 * Q / (4 * np.pi * PHI)) ** (1 / 3)
    assert np.sqrt(5 * s2) == pytest.approx(equal * share ** (1 / 3), abs=0.5e-3)
    assert report.balance_error < 1e-12
