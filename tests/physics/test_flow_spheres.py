"""Sources in spheres: image charge, sealed sphere, shells (notes, physics 7.1 c, d). Errors fall with the grid."""

from __future__ import annotations

import numpy as np

from physics.flow_cases import PHI, with_source
from vertebro.flow import FlowProblem, Outlet, Well, solve_pressure
from vertebro.grid import VoxelGrid

RATE, MU, K = 5e-8, 10.0, 1e-8
UNIT = MU * RATE / (4 * np.pi * K)  # pressure of a point source at 1 m [Pa]


def cube(radius, h):
    """Grid around a sphere, one cell on the origin; positions and distances."""
    n = 2 * (int(radius / h) + 3) + 1
    grid = VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3, origin=(-(n // 2) * h,) * 3)
    x = np.stack(np.broadcast_arrays(*grid.open_mesh()), axis=-1)
    return grid, x, np.linalg.norm(x, axis=-1)


def solved(problem):
    state = problem.initial_state()
    solve_pressure(problem, state, tolerance=1e-10)
    return state.pressure


def image_error(h, big=20e-3):
    """Source off the centre of a sphere held at 0; largest error beyond 4 mm from the source, over the largest value.

    A source Q at x0 and its image -Q R/|x0| at x0 R²/|x0|² cancel on |x| = R (similar triangles):
    p = (μQ/4πK)[1/|x - x0| - (R/|x0|)/|x - x0 R²/|x0|²|]. The closed form is put on the cells just beyond R.
    """
    grid, x, r = cube(big, h)
    x0 = np.array(grid.world(grid.nearest((6e-3, -3e-3, 2e-3))))
    away, size = np.linalg.norm(x - x0, axis=-1), np.linalg.norm(x0)
    with np.errstate(divide="ignore"):
        exact = UNIT * (1 / away - big / size / np.linalg.norm(x - x0 * big**2 / size**2, axis=-1))
    rim = (r >= big) & (r < big + 1.8 * h)
    problem = FlowProblem(
        grid=grid, porosity=np.where(r < big + 1.8 * h, PHI, 0.0), permeability=K, injected=MU, displaced=MU,
        wells=[Well(cells=[grid.nearest(x0)], rate=RATE)],
        outlets=[Outlet(cells=np.argwhere(rim), pressure=exact[rim])],
    )  # fmt: skip
    probe = (r < big) & (away > 4e-3)
    return float(np.max(np.abs(solved(problem) - exact)[probe]) / exact[probe].max())


def test_source_off_the_centre_of_a_sphere():
    errors = [image_error(h) for h in (2e-3, 1.4e-3, 1e-3)]
    assert errors[-1] < 0.02
    assert np.log(errors[0] / errors[-1]) / np.log(2.0) > 1.5


def sealed_error(h, big=12e-3):
    """Point source in a sealed sphere with a uniform sink; largest error beyond 3 mm, over the range of the field.

    -(K/μ)∇²p = -Q/(4πR³/3) away from the source and dp/dr = 0 at R: p = (μQ/4πK)[1/r + r²/(2R³)] + const, since
    ∇²(r²) = 6 and d/dr gives -1/R² + R/R³ = 0. The sink takes what the source gives from the cells' own volume; one
    cell is held at 0 because the constant is free.
    """
    grid, _, r = cube(big, h)
    inside = r < big
    rim = np.argwhere(inside)[0]
    problem = FlowProblem(
        grid=grid, porosity=np.where(inside, PHI, 0.0), permeability=K, injected=MU, displaced=MU,
        outlets=[Outlet(cells=[tuple(rim.tolist())])],
    )  # fmt: skip
    source = np.where(inside, -RATE / inside.sum(), 0.0)
    source[(grid.shape[0] // 2,) * 3] += RATE
    p = with_source(problem, source)
    with np.errstate(divide="ignore"):
        exact = UNIT * (1 / r + r**2 / (2 * big**3))
    probe = inside & (r > 3e-3)
    wrong = (p - exact)[probe]
    return float(np.max(np.abs(wrong - np.median(wrong))) / np.ptp(exact[probe]))


def test_sealed_sphere_with_a_uniform_sink():
    errors = [sealed_error(h) for h in (1.5e-3, 1e-3, 0.7e-3)]
    assert errors[-1] < 0.03
    assert errors[0] > errors[1] > errors[-1]


def shell_error(h, thick=None, inner=8e-3, tight=1e-10):
    """Relative error of the pressure that a shell of low permeability adds around a source.

    ∫ μQ/(4πKr²) dr: a shell of K_s from R_e to R_e + δ adds (μQ/4π)(1/K_s - 1/K)(1/R_e - 1/(R_e + δ)). With `thick` the
    shell is made of voxels; without, it is 0.4 mm thin and sits in the faces that cross R_e. There the stairs have a
    larger area than the sphere: a face along axis d carries u·n_d, so its layer is δ/|n_d| thick.
    """
    outer = inner + 6e-3
    grid, x, r = cube(outer, h)
    rim = (r >= outer) & (r < outer + 1.8 * h)
    depth = thick or 0.4e-3
    k, walls = np.full(grid.shape, K), np.zeros((3, *grid.shape))
    if thick:
        k[(r >= inner) & (r < inner + thick)] = tight
    else:
        for axis in range(3):
            middle = x.copy()
            middle[..., axis] += h / 2
            crossing = (r < inner) != (np.roll(r, -1, axis) < inner)
            normal = np.abs(middle[..., axis]) / np.linalg.norm(middle, axis=-1)
            walls[axis][crossing] = depth / tight / normal[crossing]
    centre = (grid.shape[0] // 2,) * 3
    pressures = []
    for bone, faces in ((k, walls), (K, None)):
        problem = FlowProblem(
            grid=grid, porosity=np.where(r < outer + 1.8 * h, PHI, 0.0), permeability=bone, face_resistance=faces,
            injected=MU, displaced=MU, wells=[Well(cells=[centre], rate=RATE)],
            outlets=[Outlet(cells=np.argwhere(rim))],
        )  # fmt: skip
        pressures.append(solved(problem)[centre])
    if thick:
        closed = UNIT * (K / tight - 1) * (1 / inner - 1 / (inner + thick))
    else:
        closed = UNIT * K / tight * depth / inner**2
    return float((pressures[0] - pressures[1]) / closed - 1)


def test_a_shell_of_voxels_adds_its_own_pressure():
    errors = [abs(shell_error(h, thick=3e-3)) for h in (1.5e-3, 1e-3, 0.6e-3)]
    assert errors[-1] < 0.025
    assert errors[0] > errors[-1]


def test_a_shell_thinner_than_a_voxel_adds_its_own_pressure():
    errors = [abs(shell_error(h)) for h in (2e-3, 1.5e-3, 0.8e-3)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01
