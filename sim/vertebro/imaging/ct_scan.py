"""The reconstructing scanner: rays through thin slices, noise, water correction, back-projection, CT numbers."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from vertebro.errors import CaseError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.ct_body import CTBody
from vertebro.imaging.ct_field import CTField, CTSlice
from vertebro.imaging.ct_filter import filtered_back_projection
from vertebro.imaging.ct_metal import without_metal
from vertebro.imaging.ct_rays import CELL_SIDE, Rays, add_attenuation, beam_of, expected_signal, focus_side, rays_around
from vertebro.imaging.kernels_ct import LANES
from vertebro.imaging.scanner import CLIP_12_BIT, CLIP_EXTENDED, Scanner

Image = NDArray[np.float32]
Progress = Callable[[str, float], None]
TWO = 2  # thin slices that share a register
STACK_SPACING = 1e-3  # m, of axial slices behind a sagittal or coronal picture, at most


@dataclass(frozen=True, kw_only=True, slots=True)
class CTVolume:
    """A stack of axial slices.

    Attributes
    ----------
    hu : (nr, na, ns) float32 array [HU]
    grid : VoxelGrid
        World positions of the voxels; spacing along s is from slice to slice.
    thickness : float [m]
        Of each slice.
    """

    hu: Image
    grid: VoxelGrid
    thickness: float


def sinogram(
    body: CTBody, scanner: Scanner, rays: Rays, level: float, thickness: float, *, seed: int = 0, number: int = 0
) -> Image:
    """(views, rays) attenuation of a slice, water-corrected: the mean of its thin slices.

    Parameters
    ----------
    body : CTBody
    scanner : Scanner
    rays : Rays
    level : float [m]
        Height of its middle.
    thickness : float [m]
        0 for a single, infinitely thin one that is as noisy as one row of detectors.
    seed, number : int
        They fix the noise.
    """
    count = max(1, math.ceil(thickness / scanner.collimation - 1e-6))
    heights = level + thickness * ((np.arange(count) + 0.5) / count - 0.5)
    thin = thickness / count if thickness > 0 else scanner.collimation
    beam = beam_of(scanner, rays)
    mu = beam.attenuations(body.cement, body.replaced)
    random = np.random.Generator(np.random.SFC64([abs(int(seed)), abs(int(number)), 11])) if scanner.noise > 0 else None
    paths = np.empty((rays.views, rays.count, LANES), np.float32)
    lines = np.zeros(paths.shape[:2], np.float32)
    for first in range(0, count, TWO):
        pair = heights[first : first + TWO]
        body.paths(pair, rays, paths)
        signal = expected_signal(paths, body.steel(pair, rays), beam, mu, scanner, rays, len(pair))
        add_attenuation(signal, beam, scanner, rays, thin, random, lines)
    lines /= np.float32(count)
    return lines


def reconstruct(lines: Image, scanner: Scanner, rays: Rays, view: CTField) -> Image:
    """(pixels, pixels) CT numbers [HU] of an axial picture, clipped as the scanner does."""
    sides = (CELL_SIDE, focus_side(scanner, rays.pitch))
    water = beam_of(scanner, rays).water
    width, centre = view.width, (view.centre[0], view.centre[1])

    def picture(sinogram: Image, pixels: int, width: float, centre: tuple[float, float], kernel: str) -> Image:
        density = filtered_back_projection(
            sinogram, rays, pixels=pixels, width=width, centre=centre, kernel=kernel, blur=sides
        )
        return np.asarray(density * np.float32(1000 / water) - np.float32(1000), np.float32)

    hu = picture(lines, view.pixels, width, centre, scanner.kernel)
    if scanner.metal_reduction != "none":
        calm = without_metal(lines, rays, water, picture, normalised=scanner.metal_reduction == "normalised")
        if calm is not None:
            metal = calm.covers(view.pixels, width, centre)
            hu = np.where(metal, hu, picture(calm.lines, view.pixels, width, centre, scanner.kernel))
    low, high = CLIP_EXTENDED if scanner.extended else CLIP_12_BIT
    return np.asarray(np.clip(hu, low, high), np.float32)


def scan_slice(
    view: CTField, body: CTBody, scanner: Scanner, *, seed: int = 0, number: int = 0, rays: Rays | None = None
) -> CTSlice:
    """One reconstructed slice; a sagittal or coronal one is cut out of a stack of axial ones.

    Parameters
    ----------
    view : CTField
    body : CTBody
    scanner : Scanner
    seed, number : int
        They fix the noise.
    rays : Rays, optional
        Default: around what holds matter.
    """
    if view.plane != "axial":
        spacing = min(max(view.thickness, view.width / view.pixels), STACK_SPACING)
        flat = CTField(centre=view.centre, width=view.width, pixels=view.pixels, thickness=spacing)
        stack = scan_volume(
            flat, body, scanner, slices=math.ceil(view.width / spacing), spacing=spacing, seed=seed, number=number
        )
        return reformat(stack, view)
    rays = rays or rays_around(*body.extent(), scanner)
    lines = sinogram(body, scanner, rays, view.centre[2], view.thickness, seed=seed, number=number)
    return CTSlice.of(view, reconstruct(lines, scanner, rays, view))


def scan_volume(
    view: CTField,
    body: CTBody,
    scanner: Scanner,
    *,
    slices: int,
    spacing: float,
    seed: int = 0,
    number: int = 0,
    threads: int = 2,
    progress: Progress | None = None,
) -> CTVolume:
    """A stack of axial slices, the field's centre in its middle. The same for any number of threads.

    Parameters
    ----------
    view : CTField
        Axial; its thickness is each slice's.
    body : CTBody
    scanner : Scanner
    slices : int
        1 to 2000.
    spacing : float [m]
        From slice to slice.
    seed, number : int
        They fix the noise together with each slice's place in the stack.
    threads : int
        1 to 64.
    progress : callable, optional
        ``progress(stage, fraction)``.

    Raises
    ------
    CaseError
        If the number of slices or threads is out of range.
    GeometryError
        If the field is not axial or the spacing impossible.
    KeyboardInterrupt
        After the slices in hand, when it comes meanwhile.
    """
    if not 1 <= slices <= 2000 or not 1 <= threads <= 64:
        raise CaseError("impossible stack", value=(slices, threads), allowed="1 to 2000 slices, 1 to 64 threads")
    if view.plane != "axial" or not 1e-4 <= spacing <= 0.05:
        raise GeometryError("impossible stack", value=(view.plane, spacing), allowed="axial, spacing 1e-4 to 0.05 m")
    rays = rays_around(*body.extent(), scanner)
    levels = view.centre[2] + spacing * (np.arange(slices) - (slices - 1) / 2)
    hu = np.empty((slices, view.pixels, view.pixels), np.float32)
    enough = threading.Event()

    def one(index: int) -> None:
        if enough.is_set():
            return
        key = number * 4096 + index
        lines = sinogram(body, scanner, rays, float(levels[index]), view.thickness, seed=seed, number=key)
        hu[index] = reconstruct(lines, scanner, rays, view)

    _each(one, slices, threads, enough, progress)
    pitch = view.width / view.pixels
    corner = (view.pixels - 1) / 2 * pitch
    origin = (view.centre[0] - corner, view.centre[1] - corner, float(levels[0]))
    # rows run down (posterior), columns to the viewer's right (patient's left)
    turned = np.ascontiguousarray(hu.transpose(2, 1, 0)[::-1, ::-1])
    grid = VoxelGrid((view.pixels, view.pixels, slices), (pitch, pitch, spacing), origin)
    return CTVolume(hu=turned, grid=grid, thickness=view.thickness)


def _each(
    one: Callable[[int], None], count: int, threads: int, enough: threading.Event, progress: Progress | None
) -> None:
    """Do `one` for every index on a few threads; errors and Ctrl-C end the rest."""
    with ThreadPoolExecutor(threads, thread_name_prefix="ct") as pool:
        waiting: set[Future[None]] = {pool.submit(one, index) for index in range(count)}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                if progress is not None:
                    progress("CT", 1 - len(waiting) / count)
        except BaseException:
            enough.set()
            for future in waiting:
                future.cancel()
            raise


def reformat(stack: CTVolume, view: CTField) -> CTSlice:
    """A picture of any plane out of a stack: linear between its voxels, mean over the thickness, air beyond."""
    count = max(1, math.ceil(view.thickness / min(stack.grid.spacing)))
    total = np.zeros((view.pixels, view.pixels), np.float32)
    for layer in (np.arange(count) + 0.5) / count - 0.5:
        points = view.points(float(layer))
        index = [(p - o) / h for p, o, h in zip(points, stack.grid.origin, stack.grid.spacing, strict=True)]
        total += map_coordinates(stack.hu, index, order=1, mode="constant", cval=-1000.0, output=np.float32)
    return CTSlice.of(view, total / np.float32(count))
