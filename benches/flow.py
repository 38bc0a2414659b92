"""The flow engine: cold pressure solves beside PyAMG, a cycle beside its memory traffic, whole injections.

Times are CPU seconds of one thread; the peer's include all that it starts. To repeat other peers: hypre PFMG through
``apt-get install libhypre-dev libopenmpi-dev`` (``HYPRE_StructPFMGCreate``, relax type 1 or 2, one sweep before and
after, inside ``HYPRE_StructPCG``, 7-point stencil, ``OMP_NUM_THREADS=1``) or PETSc's ``-ksp_type cg -pc_type hypre
-pc_hypre_boomeramg_coarsen_type HMIS -pc_hypre_boomeramg_interp_type ext+i -pc_hypre_boomeramg_strong_threshold 0.5``;
AMGCL through its header ``amgcl/make_solver.hpp`` with ``smoothed_aggregation`` + ``spai0`` + ``cg``.
"""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numba
import numpy as np
import scipy.sparse as sp

from benches import flow_cases
from benches.measure import Result
from vertebro.flow import FlowProblem, Outlet, Stepper, VesselNetwork, Well, solve_pressure
from vertebro.flow.domain import make_box, whole_window
from vertebro.flow.multigrid import Multigrid
from vertebro.flow.pressure import PressureField
from vertebro.flow.wavefront import cycle_plan, merge
from vertebro.grid import VoxelGrid

NOTES = {"vertebra": "PFMG 4.9 s", "smooth": "PFMG 1.9 s", "channels": "PFMG 4.8 s", "hard": "BoomerAMG 1.7 s"}


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the flow engine work in one thread."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def cpu_seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """Median CPU seconds of a call in one thread, after one that is not counted."""
    with one_thread():
        return _cpu_seconds(call, repeats)


def _cpu_seconds(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return statistics.median(times)


def assembled(problem: FlowProblem) -> PressureField:
    """The pressure field of the untouched problem with its faces, source and pinned cells in place."""
    flow = PressureField(problem, make_box(problem, whole_window(problem)))
    s = np.zeros(flow.p.shape)
    well = problem.wells[0]
    flow.source[tuple(flow.box.window.cells(well.cells).T)] = well.rate
    flow.pin(s)
    flow.fluids(s, 0.0)
    flow.faces()
    return flow


def matrix(problem: FlowProblem) -> tuple[sp.csr_array, np.ndarray]:
    """The same linear system as a sparse matrix over the free cells, for the peers."""
    flow = assembled(problem)
    number = np.full(flow.p.shape, -1)
    free = flow.free == 1
    number[free] = np.arange(int(free.sum()))
    rows, cols, values = [], [], []
    diagonal = np.zeros(flow.p.shape)
    for axis in range(3):
        face, ahead = flow.t[axis], np.roll(number, -1, axis=axis)
        diagonal += face + np.roll(face, 1, axis=axis)
        both = (number >= 0) & (ahead >= 0) & (face > 0)
        rows += [number[both], ahead[both]]
        cols += [ahead[both], number[both]]
        values += [-face[both]] * 2
    rows.append(number[free])
    cols.append(number[free])
    values.append(diagonal[free])
    scale = 1.0 / diagonal.max()
    data = np.concatenate(values) * scale
    a = sp.csr_array((data, (np.concatenate(rows), np.concatenate(cols))))
    return a, flow.source[free] * scale


def pyamg_seconds(problem: FlowProblem) -> tuple[float, int]:
    """CPU seconds and iterations of PyAMG's smoothed aggregation + CG to 1e-6, set-up included."""
    import pyamg

    a, b = matrix(problem)
    a = sp.csr_matrix(a)
    residuals: list[float] = []
    start = time.process_time()
    solver = pyamg.smoothed_aggregation_solver(a)
    solver.solve(b, tol=1e-6, accel="cg", maxiter=300, residuals=residuals)
    return time.process_time() - start, len(residuals) - 1


def from_faces_seconds(problem: FlowProblem) -> float:
    """CPU seconds of a cold solve as peers count it: from assembled faces, set-up included."""
    flow = assembled(problem)

    def cold() -> None:
        solver = Multigrid(flow.p.shape)
        solver.setup(flow.t, flow.free)
        x = np.where(flow.free == 1, 0.0, flow.p)
        solver.solve(flow.t, flow.free, flow.source, x, norm=problem.wells[0].rate, tolerance=1e-6)

    return cpu_seconds(cold)


def cold_solves(quick: bool) -> list[Result]:
    """Pressure from nothing, set-up included, relative residual 1e-6; PyAMG in the same run."""
    rows = []
    for name in ("vertebra", "smooth", "channels", "hard"):
        n = 48 if quick else (64 if name == "hard" else 128)
        problem = flow_cases.problem(name, n)
        reports = [solve_pressure(problem, problem.initial_state())]
        ours = cpu_seconds(lambda p=problem, r=reports: r.append(solve_pressure(p, p.initial_state())), 3)
        solver = from_faces_seconds(problem)
        peer, iterations = pyamg_seconds(problem)
        note = f"{reports[-1].iterations} iterations, {solver:.2f} s from given faces; "
        note += f"PyAMG from a given matrix {peer:.1f} s ({iterations}), {peer / ours:.0f} times; "
        more = {"pyamg_s": peer, "ratio": peer / ours, "iterations": reports[-1].iterations, "from_faces_s": solver}
        rows.append(
            Result(name=f"cold solve {name} {n}³", value=ours, unit="s", note=f"{note}notes: {NOTES[name]}", more=more)
        )
    return rows


def iterations_by_size(quick: bool) -> list[Result]:
    """Iterations on the vertebra at growing grids: nearly the same number."""
    rows = []
    for n in (32, 48) if quick else (48, 96, 144, 192):
        problem = flow_cases.problem("vertebra", n)
        report = solve_pressure(problem, problem.initial_state())
        rows.append(Result(name=f"iterations vertebra {n}³", value=report.iterations, unit="", note="to 1e-6"))
    return rows


def cycle_traffic(quick: bool) -> Result:
    """One V(1,1) on the finest level of one core against the bytes it must move at the bandwidth measured now."""
    n = 64 if quick else 128
    shape = (n + 2,) * 3
    solver = Multigrid(shape, sweeps=1, threads=1)
    t = np.ones((3, *shape))
    free = np.zeros(shape, np.uint8)
    free[1:-1, 1:-1, 1:-1] = 1
    solver.setup(t, free)
    solver.b[0][:] = 1.0
    # coarser levels visited once, as in the V-cycle of the notes; they add an eighth, a sixty-fourth, …
    v_cycle = merge(cycle_plan(solver.table[:, 1].tolist(), len(solver.table), 1, 1, visits=1))
    seconds = min(cpu_seconds(lambda: solver.follow(v_cycle), 5) for _ in range(3))
    size = 8 * n**3
    a, b, c = (np.ones(size, np.float32) for _ in range(3))

    def triad() -> None:
        np.multiply(b, np.float32(2), out=a)
        np.add(a, c, out=a)

    bandwidth = 5 * 4 * size / min(cpu_seconds(triad, 5) for _ in range(3))
    # words per cell: a half sweep reads six faces and the diagonal, b, the other colour, and writes (allocates) its own
    # half; unfused, as in the notes: 3.5 half sweeps, a residual, a correction, the operator
    sweep = 0.5 * (6 + 1 + 1 + 1 + 2)
    traffic = 4 * n**3 * (0.5 * 4 + 3 * sweep + 0.5 * 11 + 0.5 * 3) * 8 / 7
    return Result(
        name=f"V(1,1) cycle {n}³",
        value=seconds * 1e3,
        unit="ms",
        note=f"{seconds / (traffic / bandwidth):.2f} times its unfused traffic at {bandwidth / 1e9:.1f} GB/s",
        more={"times_traffic": seconds / (traffic / bandwidth), "bandwidth": bandwidth},
    )


def buckley_leverett_octant(quick: bool) -> Result:
    """Spherical Buckley-Leverett from a corner, ratio 100, 40 steps; mean error against the closed solution."""
    n, ratio, share, h, rate = (24 if quick else 32), 100.0, 0.1, 1e-3, 1e-8
    problem = FlowProblem(
        grid=VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3),
        porosity=1.0,
        permeability=1e-8,
        injected=ratio,
        displaced=1.0,
        wells=[Well(cells=[(0, 0, 0)], rate=rate)],
        outlets=[Outlet(cells=[(n - 1,) * 3])],
        relative_permeability="corey2",
    )
    volume = share * n**3 * h**3
    states = []

    def run() -> None:
        states.append(problem.initial_state())
        stepper = Stepper(problem, tolerance=1e-4, front_step=1e9, max_step=volume / rate / 40 * (1 + 1e-9))
        stepper.advance(states[-1], volume / rate)

    seconds = cpu_seconds(run)
    fine = np.linspace(math.sqrt(ratio / (1 + ratio)), 1, 4001)
    steep = 2 * ratio * fine * (1 - fine) / (fine**2 + ratio * (1 - fine) ** 2) ** 2
    x = (np.arange(4 * n) + 0.5) / 4 * h
    swept = math.pi / 6 * (x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2) ** 1.5 / volume
    exact = np.where(swept <= steep[0], np.interp(swept, steep[::-1], fine[::-1]), 0.0)
    exact = exact.reshape(n, 4, n, 4, n, 4).mean(axis=(1, 3, 5))
    error = float(np.abs(states[-1].saturation - exact).sum() / exact.sum())
    note = f"mean error {error:.4f}; notes: open-darts 50 s at 0.018, OPM Flow 58 s at 0.042"
    return Result(name=f"Buckley-Leverett octant {n}³", value=seconds, unit="s", note=note, more={"error": error})


def whole_injection(quick: bool) -> list[Result]:
    """6 mL into a vertebra that marrow leaves by veins only; viscosity ratio 100 to 10 000 on the way; 60 solves."""
    rows = []
    for n in (32,) if quick else (50, 100):
        base = flow_cases.problem("marrow", n)
        problem = FlowProblem(
            grid=base.grid,
            porosity=base.porosity,
            permeability=base.permeability,
            injected=lambda rate, seconds: 5.0 * 100.0 ** (seconds / 120.0),
            displaced=0.05,
            wells=base.wells,
            outlets=base.outlets,
        )
        reports = []

        def run(problem: FlowProblem = problem, reports: list = reports) -> None:
            stepper, state = Stepper(problem, tolerance=1e-5, front_step=1e9, max_step=2.0), problem.initial_state()
            reports.append(stepper.advance(state, 120.0))

        seconds = cpu_seconds(run, 1 if n > 50 else 3)
        last = reports[-1]
        note = (
            f"{last.steps} steps, {last.iterations / last.steps:.1f} iterations each, balance {last.balance_error:.0e}"
        )
        rows.append(Result(name=f"6 mL into a vertebra, {50 / n:g} mm", value=seconds, unit="s", note=note))
    return rows


def tree(problem: FlowProblem, segments: int, mouths: int, seed: int = 7) -> VesselNetwork:
    """A vein that branches: segments of 0.3 to 1 mm, mouths spread over the bone, blood, one way out."""
    rng = np.random.default_rng(seed)
    taken = np.zeros(problem.grid.shape, bool)
    for outlet in problem.outlets:
        taken[tuple(outlet.cells.T)] = True
    cells = rng.permutation(np.argwhere(problem.open_cells & ~taken))[:mouths]
    ends = np.array([(n, int(rng.integers(max(0, n // 2 - 1), n))) for n in range(1, segments + 1)])
    radius = rng.uniform(3e-4, 1e-3, segments)
    long = np.full(segments, 3e-3)
    return VesselNetwork(
        segment=ends,
        conductance=np.pi * radius**4 / (8 * long),
        volume=np.pi * radius**2 * long,
        length=long,
        radius=radius,
        coupling_node=rng.integers(segments // 2, segments + 1, len(cells)),
        coupling_cell=cells,
        coupling=np.full(len(cells), 2 * np.pi * 1e-8 * 5e-4),
        outlet_node=[0],
        outlet_pressure=[0.0],
        outlet_name=["cava"],
        blood=np.where(np.arange(segments + 1) == segments, 1e-9, 0.0),
    )


def vessels_overhead(quick: bool) -> Result:
    """CPU of an injection with a network of 150 segments and 40 mouths over that without, in one process."""
    base = flow_cases.problem("marrow", 32 if quick else 50)
    base = replace(base, injected=lambda rate, seconds: 5.0 * 100.0 ** (seconds / 120.0), displaced=0.05)
    both = (base, replace(base, vessels=tree(base, 150, 40)))
    notes: list[str] = []

    def run(problem: FlowProblem) -> None:
        state = problem.initial_state()
        report = Stepper(problem, tolerance=1e-5).advance(state, 100.0)
        notes.append(f"{report.steps} steps, {report.iterations} iterations")

    plain, with_vessels = (cpu_seconds(lambda problem=problem: run(problem)) for problem in both)
    note = f"{plain:.2f} s ({notes[0]}) to {with_vessels:.2f} s ({notes[-1]})"
    return Result(name="150 vessels, CPU", value=with_vessels / plain, unit="x", note=note)


def two_cores(quick: bool) -> Result:
    """Wall time of the same solve on one and on two threads, and what two threads gain in bandwidth alone."""
    n = 48 if quick else 96
    problem = flow_cases.problem("vertebra", n)
    flow = PressureField(problem, make_box(problem, whole_window(problem)))
    flow.pin(np.zeros(flow.p.shape))
    flow.fluids(np.zeros(flow.p.shape), 0.0)
    flow.faces()
    flow.source[tuple(flow.box.window.cells(problem.wells[0].cells).T)] = 1.0
    wall = []
    for threads in (1, 2):
        solver = Multigrid(flow.p.shape, threads=threads)
        solver.setup(flow.t, flow.free)
        times = []
        for _ in range(4):
            x, start = np.zeros_like(flow.p), time.perf_counter()
            solver.solve(flow.t, flow.free, flow.source, x, norm=1.0, tolerance=1e-6)
            times.append(time.perf_counter() - start)
        wall.append(min(times))
    gains = {size: _bandwidth_gain(size) for size in (1_000_000, 8_000_000)}
    sizes = " and ".join(f"{4e-6 * size:.0f}" for size in gains)
    gained = " and ".join(f"{gain:.2f}" for gain in gains.values())
    note = f"{n}³ solve, wall {wall[0]:.2f} and {wall[1]:.2f} s; means little on a busy machine; "
    note += f"adding arrays of {sizes} MB in two threads gains {gained}"
    return Result(name="two threads against one", value=wall[0] / wall[1], unit="times", note=note)


def _bandwidth_gain(size: int) -> float:
    """Sums of arrays per second in two threads over those in one; numpy frees the interpreter."""
    sets = [[np.ones(size, np.float32) for _ in range(3)] for _ in range(2)]
    repeats = max(4, 40_000_000 // size)

    def work(arrays: list[np.ndarray]) -> None:
        for _ in range(repeats):
            np.add(arrays[0], arrays[1], out=arrays[2])

    def wall(count: int) -> float:
        threads = [threading.Thread(target=work, args=(arrays,)) for arrays in sets[:count]]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - start

    one, two = (min(wall(count) for _ in range(4)) for count in (1, 2))
    return 2.0 * one / two


def memory_per_cell(quick: bool) -> Result:
    """Bytes of the solver, the front and the box per cell of the box."""
    problem = flow_cases.problem("marrow", 48)
    stepper, state = Stepper(problem), problem.initial_state()
    stepper.advance(state, 1.0)
    flow, front = stepper._flow, stepper._front
    assert flow is not None
    held = {id(v): v for part in (flow, front, flow.solver, flow.box) for v in _arrays(part)}
    total = sum(v.nbytes for v in held.values())
    note = "pressure, multigrid, front and geometry; without the caller's own fields"
    return Result(name="memory per cell", value=total / flow.p.size, unit="bytes", note=note)


def _arrays(part: object) -> list[np.ndarray]:
    names = part.__slots__ if hasattr(part, "__slots__") else vars(part)
    values = [getattr(part, name) for name in names]
    flat = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
    return [one for one in flat if isinstance(one, np.ndarray) and one.base is None]


class PressureSolve:
    """For asv: cold solve of the vertebra."""

    params = (48, 96)

    def setup(self, n: int) -> None:
        self.problem = flow_cases.problem("vertebra", n)
        solve_pressure(self.problem, self.problem.initial_state())

    def time_cold_solve(self, n: int) -> None:
        solve_pressure(self.problem, self.problem.initial_state())

    def peakmem_cold_solve(self, n: int) -> None:
        solve_pressure(self.problem, self.problem.initial_state())

    def track_iterations(self, n: int) -> int:
        return solve_pressure(self.problem, self.problem.initial_state()).iterations


BENCHES = [
    cold_solves,
    iterations_by_size,
    cycle_traffic,
    buckley_leverett_octant,
    whole_injection,
    vessels_overhead,
    two_cores,
    memory_per_cell,
]
