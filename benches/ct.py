"""CT: back-projection beside scikit-image in one process, one slice of three materials, a whole level on two cores."""

from __future__ import annotations

import os
import time

import numpy as np
from numpy.typing import NDArray

from benches.measure import Result, clock
from vertebro.grid import VoxelGrid
from vertebro.imaging import (
    CTBody,
    CTField,
    CTNeedle,
    Scanner,
    ct_body,
    filtered_back_projection,
    scan_slice,
    scan_volume,
)
from vertebro.imaging.ct_rays import Rays

PIXELS, VIEWS, WIDTH = 512, 360, 0.256


def _discs(rays: Rays) -> NDArray[np.float32]:
    lines = np.zeros((rays.views, rays.count))
    for right, anterior, radius, density in ((0, 0, 0.1, 1), (0.03, 0.02, 0.02, 0.5), (-0.04, -0.03, 0.01, 1)):
        off = rays.distances() - (rays.directions() @ (right, anterior))[:, None]
        lines += density * 2 * np.sqrt(np.maximum(radius**2 - off**2, 0))
    return lines.astype(np.float32)


def _truth() -> NDArray[np.float64]:
    place = -(np.arange(PIXELS) - (PIXELS - 1) / 2) * WIDTH / PIXELS
    truth = np.zeros((PIXELS, PIXELS))
    for right, anterior, radius, density in ((0, 0, 0.1, 1), (0.03, 0.02, 0.02, 0.5), (-0.04, -0.03, 0.01, 1)):
        truth[np.hypot(place[None, :] - right, place[:, None] - anterior) < radius] += density
    return truth


def back_projection(quick: bool) -> Result:
    """The same sinogram through our filtered back-projection and scikit-image's, ramp and linear, one thread."""
    rays = Rays(views=VIEWS, count=PIXELS, pitch=WIDTH / PIXELS, axis=(0.0, 0.0))
    lines = _discs(rays)
    repeats = 2 if quick else 5

    def ours() -> NDArray[np.float32]:
        return filtered_back_projection(lines, rays, pixels=PIXELS, width=WIDTH)

    seconds = min(clock(ours, repeats=repeats).cpu)
    error = float(np.sqrt(np.mean((ours() - _truth()) ** 2)))
    more: dict[str, float | int | str] = {"seconds": seconds, "rmse": error}
    note = f"{VIEWS} x {PIXELS} rays to {PIXELS}², RMSE {error:.4f}"
    try:
        from skimage.transform import iradon
    except ImportError:
        return Result(
            name="filtered back-projection", value=1e3 * seconds, unit="ms", note=f"{note}; no scikit-image", more=more
        )
    turned = np.ascontiguousarray(lines.T)
    angles = np.degrees(rays.angles())

    def theirs() -> NDArray[np.float32]:
        return iradon(turned, theta=angles, output_size=PIXELS, circle=True, filter_name="ramp") / (WIDTH / PIXELS)

    peer = min(clock(theirs, repeats=repeats).cpu)
    # its axes: rows against y, columns along x
    peer_error = min(
        float(np.sqrt(np.mean((picture - _truth()) ** 2)))
        for picture in (theirs(), theirs()[::-1], theirs()[:, ::-1], theirs()[::-1, ::-1])
    )
    more |= {"skimage_s": peer, "skimage_rmse": peer_error, "times_faster": peer / seconds}
    note += f"; scikit-image {1e3 * peer:.0f} ms, RMSE {peer_error:.4f}: {peer / seconds:.1f} x as long; aim >= 4 x"
    return Result(name="filtered back-projection", value=1e3 * seconds, unit="ms", note=note, more=more)


def _dense(pixels: int = PIXELS) -> CTBody:
    """A disc of 20 cm on 512² voxels of one thin slab: soft tissue, a ring of bone, cement; a needle across it."""
    step = WIDTH / pixels
    edge = (pixels - 1) / 2 * step
    grid = VoxelGrid((pixels, pixels, 2), (step, step, 1e-3), (-edge, -edge, -0.5e-3))
    r, a, s = grid.open_mesh()
    radius = np.hypot(r, a) + 0 * s
    hu = np.where(radius < 0.1, 40, -1000).astype(np.int16)
    hu[(radius > 0.018) & (radius < 0.021)] = 900
    cement = (np.hypot(r - 0.004, a) + 0 * s < 0.009).astype(np.float32)
    needle = CTNeedle(start=(0.05, -0.09, 0), end=(0.008, -0.004, 0), outer_radius=1.5e-3, inner_radius=1.1e-3)
    return ct_body(hu, grid, cement_fraction=cement, needles=(needle,))


def one_slice(quick: bool) -> Result:
    """One thin axial slice: rays, needle, energies, noise, water correction and reconstruction, one core."""
    body, view = _dense(), CTField(width=WIDTH, pixels=PIXELS, thickness=1e-3)
    scanner = Scanner(views=VIEWS)
    rays = Rays(views=VIEWS, count=PIXELS, pitch=WIDTH / PIXELS, axis=(0.0, 0.0))
    seconds = min(clock(lambda: scan_slice(view, body, scanner, rays=rays), repeats=2 if quick else 5).cpu)
    note = f"{VIEWS} views, 512 rays, 512², soft, bone, cement and a needle, noise; processor time; aim <= 0.8"
    return Result(name="CT slice", value=seconds, unit="s", note=note, more={"seconds": seconds})


def _patient() -> CTBody:
    fine = VoxelGrid.around([-0.04, -0.06, -0.035], [0.04, 0.03, 0.035], 0.8e-3)
    wide = VoxelGrid.around([-0.19, -0.15, -0.08], [0.19, 0.19, 0.08], 2e-3)
    r, a, s = fine.open_mesh()
    cement = (r**2 + a**2 + s**2 < 0.009**2).astype(np.float32)
    return ct_body(_torso(fine), fine, surround_hu=_torso(wide), surround_grid=wide, cement_fraction=cement)


def _torso(grid: VoxelGrid) -> NDArray[np.int16]:
    r, a, s = grid.open_mesh()
    inside = (r / 0.17) ** 2 + ((a - 0.03) / 0.11) ** 2 + 0 * s < 1
    bone = (r / 0.022) ** 2 + (a / 0.016) ** 2 + 0 * s < 1
    return np.where(bone, 250, np.where(inside, 40, -1000)).astype(np.int16)


def whole_level(quick: bool) -> list[Result]:
    """64 slices of 1 mm through a whole patient, default scanner: wall time of two threads, and processor time."""
    body, scanner = _patient(), Scanner()
    view = CTField(width=0.16, pixels=PIXELS, thickness=1e-3)
    slices = 8 if quick else 64
    scan_slice(view, body, scanner)
    wall, cpu = time.perf_counter(), time.process_time()
    scan_volume(view, body, scanner, slices=slices, spacing=1e-3, threads=2)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    note = f"{slices} slices, {scanner.views} views, 34 x 22 cm, 2 threads on {os.cpu_count()} cores; "
    note += f"processor time {cpu:.1f} s; aim <= 40 for 64"
    more: dict[str, float | int | str] = {"wall_s": wall, "cpu_s": cpu, "slices": slices}
    return [Result(name="CT of a level", value=wall, unit="s", note=note, more=more)]


BENCHES = [back_projection, one_slice, whole_level]
