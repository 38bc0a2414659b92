"""Naive twins of the imaging kernels, and a per-ray reference projector."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import scipy.interpolate
from numpy.typing import NDArray

from naive.ct import add_tube as add_tube
from naive.ct import back_project as back_project
from naive.ct import project_rows as project_rows
from naive.ct import spread_cells as spread_cells
from naive.ct import straighten as straighten
from naive.ct import tube_chord as tube_chord
from naive.ct import weaken as weaken
from naive.ct import weaken_cells as weaken_cells
from vertebro.grid import VoxelGrid
from vertebro.imaging import ProjectionGeometry

Array = NDArray[Any]


def _at(values: Array, place: float) -> float:
    """Linear interpolation between the entries of a list; 0 outside."""
    low = math.floor(place)
    share = place - low
    total = 0.0
    for index, weight in ((low, 1 - share), (low + 1, share)):
        if 0 <= index < len(values):
            total += weight * float(values[index])
    return total


def cubic(p: Any, t: float) -> float:
    """Catmull-Rom: the cubic from p[1] to p[2] whose end slopes are the neighbours' differences halved."""
    slope_1, slope_2 = (p[2] - p[0]) / 2, (p[3] - p[1]) / 2
    a = 2 * p[1] - 2 * p[2] + slope_1 + slope_2
    b = -3 * p[1] + 3 * p[2] - 2 * slope_1 - slope_2
    return float(a * t**3 + b * t**2 + slope_1 * t + p[1])


def line_spans(lines: Array, spans: Array) -> None:
    """Chunks of 32 voxels: from the first to the last that holds anything."""
    for line, span in zip(lines, spans, strict=True):
        chunks = [z for z in range(0, len(line), 32) if np.any(line[z : z + 32] != 0)]
        span[:] = (chunks[0], min(chunks[-1] + 32, len(line))) if chunks else (len(line), 0)


def filled_box(spans: Array) -> Array:
    """Look at every line."""
    lines = [(i, j) for i, j in np.ndindex(spans.shape[:2]) if spans[i, j, 0] < spans[i, j, 1]]
    if not lines:
        return np.array([1 << 40, 0] * 3)
    along = np.array([spans[line] for line in lines])
    across = np.array(lines)
    return np.array(
        [*np.ravel([across.min(axis=0), across.max(axis=0) + 1], "F"), along[:, 0].min(), along[:, 1].max()]
    )


def place_nodes(group_z: Array, rim: int, index: Array, weight: Array) -> None:
    """Whole and broken part of every node's place."""
    for g, k in np.ndindex(index.shape):
        at = group_z[g, 0] + group_z[g, 1] * k
        index[g, k] = math.floor(at) + rim
        weight[g, k] = at - math.floor(at)


def stretch(turned: Array, index: Array, weight: Array, total: Array, first: int, last: int, width: int) -> None:
    """Linear interpolation between neighbouring rows, node by node."""
    for k in range(first, last):
        column = turned[:, :width]
        total[k, :width] += [(1 - weight[k]) * a + weight[k] * b for a, b in zip(*column[index[k] :][:2], strict=True)]


def group_span(
    spans: Array, y_map: Array, first_j: int, last_j: int, start: int, end: int, shift: Array, n_z: int
) -> tuple[int, int]:
    """Look at every line that a node from first_j to last_j touches with either neighbour."""
    seen: list[Array] = []
    for i in range(start, end):
        for at in np.linspace(y_map[i, 0] + y_map[i, 1] * first_j, y_map[i, 0] + y_map[i, 1] * last_j, 1000):
            near = [y for y in (math.floor(at), math.floor(at) + 1) if 0 <= y < len(spans)]
            seen += [spans[y, i] - shift[i] for y in near if spans[y, i, 0] < spans[y, i, 1]]
    return (int(np.min(seen)), int(np.max(seen))) if seen else (2 * n_z, -n_z)


def sum_slices(
    lines: Any, maps: Any, index: Array, weight: Array, rows: Array, turned: Array, total: Array, plane: Array
) -> None:
    """Every slice is interpolated at each node's own place along y and at its group's place along z."""
    flat, strides, spans = lines
    y_map, group_start, group_z, shift = maps
    n_y, slices = spans.shape[:2]
    n_z = turned.shape[0] - 2 * (int(np.abs(shift).max()) + 2)
    voxels = [[flat[i * strides[0] + y * strides[1] :][:n_z] for y in range(n_y)] for i in range(slices)]
    for g in range(len(group_start) - 1):
        for i in range(group_start[g], group_start[g + 1]):
            for j, k in np.ndindex(plane.shape):
                along_z = [_at(line, shift[i] + group_z[g, 0] + group_z[g, 1] * k) for line in voxels[i]]
                plane[j, k] += _at(np.array(along_z), y_map[i, 0] + y_map[i, 1] * j)


def warp_planes(
    planes: Array, ray: Array, node: Array, step: float, window: Array, place: Array, images: Array
) -> None:
    """Catmull-Rom along the rows of the 4 x 4 nodes around each ray, then across."""
    for plane, image in zip(planes, images, strict=True):
        for row in range(window[0], window[1]):
            for col in range(window[2], window[3]):
                x, y, z = ray[0] + row * ray[1] + col * ray[2]
                at_j, at_k = node[0] + node[1] * y / x, node[2] + node[3] * z / x
                j, k = math.floor(at_j), math.floor(at_k)
                if 1 <= j < plane.shape[0] - 2 and 1 <= k < plane.shape[1] - 2:
                    block = plane[j - 1 : j + 3, k - 1 : k + 3].astype(float)
                    sums = np.array([cubic(line, at_k - k) for line in block])
                    image[row, col] += cubic(sums, at_j - j) * step * np.linalg.norm([x, y, z]) / abs(x)


def add_siddon(volume: Array, source: Array, ray: Array, spacing: Array, window: Array, image: Array) -> None:
    """Sort where each ray crosses the faces of voxels; every piece takes the value of the voxel at its middle."""
    shape = np.array(volume.shape)
    for row, col in np.ndindex(image.shape):
        d = ray[0] + row * ray[1] + col * ray[2]
        faces = [(np.arange(n + 1) - s) / step for n, s, step in zip(shape, source, d, strict=True) if step]
        t = np.unique(np.clip(np.concatenate(faces), 0, 1))
        for begin, end in itertools.pairwise(t):
            cell = np.floor(source + (begin + end) / 2 * d).astype(int)
            if np.all((cell >= 0) & (cell < shape)):
                image[row, col] += (end - begin) * np.linalg.norm(d * spacing) * volume[tuple(cell)]


def add_joseph(
    flat: Array, strides: Array, shape: Array, source: Array, ray: Array, spacing: Array, window: Array, image: Array
) -> None:
    """Bilinear interpolation in each slice across the axis along which the ray travels farthest."""
    volume = flat.reshape(shape)
    for row, col in np.ndindex(image.shape):
        d = ray[0] + row * ray[1] + col * ray[2]
        main = int(np.argmax(np.abs(d * spacing)))
        others = [axis for axis in range(3) if axis != main]
        for i in range(shape[main]):
            at = source + (i - source[main]) / d[main] * d
            layer = np.take(volume, i, axis=main)
            along = np.array([_at(line, at[others[1]]) for line in layer])
            image[row, col] += _at(along, at[others[0]]) * np.linalg.norm(d * spacing) / abs(d[main])


def cut_chord(
    dx: float, dy: float, dz: float, ox: float, oy: float, oz: float, axis: Array, along: float, c: float,
    planes: Array, samples: int = 60_000,
) -> float:  # fmt: skip
    """Count many samples of the ray that lie within the radius and on the kept side of every plane."""
    direction, origin = np.array([dx, dy, dz]), np.array([ox, oy, oz])
    square = origin @ origin - along**2 - c  # of the radius
    near = np.clip([-origin @ direction / (direction @ direction) + way for way in (-0.05, 0.05)], 0, 1)
    t = near[0] + (np.arange(samples) + 0.5) / samples * (near[1] - near[0])
    offset = origin + t[:, None] * direction
    inside = (offset**2).sum(axis=1) - (offset @ axis) ** 2 <= square
    for plane in planes:
        inside &= offset @ plane[:3] <= plane[3]
    return float(inside.mean() * (near[1] - near[0]) * np.linalg.norm(direction))


def sampled_chord(
    dx: float, dy: float, dz: float, ray: Array, ox: float, oy: float, oz: float, axis: Array, along: float, c: float,
    planes: Array, lattice: Array, rays: Array | None = None, steps: int = 60_000,
) -> float:  # fmt: skip
    """Ray by ray."""
    total = 0.0
    for down, across in lattice.T:
        d = np.array([dx, dy, dz]) + down * ray[1] + across * ray[2]
        total += cut_chord(d[0], d[1], d[2], ox, oy, oz, axis, along, c, planes, steps)
    return total / lattice.shape[1]


def edge_area(middle: float, w: float, k: float, x: float) -> float:
    """Midpoint rule."""
    s = (np.arange(100_000) + 0.5) / 100_000 * (np.clip(x - middle, -w, w) if w > 0 else 0.0)
    return float(k * np.sqrt(np.maximum(w * w - s * s, 0)).mean() * 2 * s.mean())


def gauss_area(lines: Array, x: float) -> float:
    """The rule whose three points integrate polynomials up to the fifth degree."""
    weights = np.polynomial.legendre.leggauss(3)[1] / 2
    return float(weights @ [edge_area(*strip, x) for strip in lines])


def even_lines(
    strips: Array, ends: Array, count: int, ray: Array, fast: int, axis: Array, sign: float, area: Array | None,
    image: Array,
) -> None:  # fmt: skip
    """Every pixel of every line by itself."""
    for m in range(count):
        low, high, j = ends[:, m]
        for x in range(low, high):
            row, col = (x, j) if fast == 1 else (j, x)
            d = ray[0] + row * ray[1] + col * ray[2]
            chord = 2 * (
                gauss_area(strips[:, m].reshape(3, 3), x + 0.5) - gauss_area(strips[:, m].reshape(3, 3), x - 0.5)
            )
            image[row, col] += sign * chord * np.linalg.norm(d) / (d @ d - (d @ axis) ** 2)


def line_strip(
    bx: float, by: float, bz: float, fx: float, fy: float, fz: float, ox: float, oy: float, oz: float, axis: Array,
    along: float, c: float,
) -> tuple[float, float, float]:  # fmt: skip
    """The radicand is a parabola in x: through three of its points."""
    origin, points = np.array([ox, oy, oz]), np.array([-200.0, 0.0, 200.0])
    rays = np.array([bx, by, bz]) + points[:, None] * np.array([fx, fy, fz])
    slope = rays @ axis
    values = (rays @ origin - along * slope) ** 2 - ((rays**2).sum(axis=1) - slope**2) * c
    second, first, none = np.polyfit(points, values, 2)
    if second >= -1e-12:
        return 0.0, -1.0, 0.0
    middle = -first / (2 * second)
    return middle, math.sqrt(max(middle**2 - none / second, 0.0)), math.sqrt(-second)


def may_be_cut(
    dx: float, dy: float, dz: float, ox: float, oy: float, oz: float, axis: Array, along: float, radius: float,
    planes: Array, step: float,
) -> bool:  # fmt: skip
    """Whether one of many rays about this one gets shorter by the planes or by an end of the ray."""
    direction, origin = np.array([dx, dy, dz]), np.array([ox, oy, oz])
    rng = np.random.default_rng(0)
    t = np.linspace(-0.5, 1.5, 20_001)[:, None]
    for _ in range(30):
        side = rng.standard_normal(3)
        side -= side @ direction / (direction @ direction) * direction
        offset = origin + t * (direction + rng.uniform(0, step / 2) * side / np.linalg.norm(side))
        inside = (offset**2).sum(axis=1) - (offset @ axis) ** 2 <= radius**2
        kept = inside & (t[:, 0] >= 0) & (t[:, 0] <= 1)
        for plane in planes:
            kept &= offset @ plane[:3] <= plane[3]
        if np.any(inside & ~kept):
            return True
    return False


def add_cut_cylinder(
    source: Array,
    ray: Array,
    start: Array,
    axis: Array,
    radius: float,
    planes: Array,
    sign: float,
    window: Array,
    image: Array,
) -> None:
    """Mean chord of many rays of each pixel."""
    origin = source - start
    along = origin @ axis
    c = origin @ origin - along**2 - radius**2
    lattice = np.array(list(itertools.product((np.arange(12) + 0.5) / 12 - 0.5, repeat=2))).T
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            direction = ray[0] + row * ray[1] + col * ray[2]
            mean = sampled_chord(*direction, ray, *origin, axis, along, c, planes, lattice, None, 2_000)
            image[row, col] += sign * mean


def ellipsoid_chord(dx: float, dy: float, dz: float, o: Array, c: float, unit: Array, samples: int = 60_000) -> float:
    """Count many samples of a ray that lie in the unit ball; the source is at `o` in its frame."""
    direction = np.array([dx, dy, dz])
    near = np.clip(-(o @ unit @ direction) / ((unit @ direction) @ (unit @ direction)) + np.array([-0.05, 0.05]), 0, 1)
    t = near[0] + (np.arange(samples) + 0.5) / samples * (near[1] - near[0])
    inside = ((o + t[:, None] * (unit @ direction)) ** 2).sum(axis=1) <= 1
    return float(inside.mean() * (near[1] - near[0]) * np.linalg.norm(direction))


def add_ellipsoid(source: Array, ray: Array, centre: Array, unit: Array, window: Array, image: Array) -> None:
    """Mean chord of 144 rays of each pixel."""
    o, middles = unit @ (source - centre), (np.arange(12) + 0.5) / 12 - 0.5
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            for down, across in itertools.product(middles, middles):
                d = ray[0] + (row + down) * ray[1] + (col + across) * ray[2]
                image[row, col] += ellipsoid_chord(*d, o, o @ o - 1, unit, 2_000) / 144


def capsule_span(
    ox: float,
    oy: float,
    oz: float,
    dx: float,
    dy: float,
    dz: float,
    ax: float,
    ay: float,
    az: float,
    length: float,
    radius: float,
) -> tuple[float, float]:
    """First and last of many samples whose distance from the stretch is at most the radius."""
    t = np.linspace(-1, 2, 300_001)
    place = np.array([ox, oy, oz]) + t[:, None] * [dx, dy, dz]
    along = np.clip(place @ [ax, ay, az], 0, length)
    inside = np.linalg.norm(place - along[:, None] * [ax, ay, az], axis=1) <= radius
    return (float(t[inside][0]), float(t[inside][-1])) if inside.any() else (2.0, -1.0)


def covered_length(
    dx: float, dy: float, dz: float, source: Array, points: Array, axis: Array | None, near: Array, radius: float,
    spans: Array | None, samples: int = 60_000,
) -> float:  # fmt: skip
    """Count many samples of a ray whose distance from any stretch that is near is at most the radius."""
    direction = np.array([dx, dy, dz])
    middle = (points.mean(axis=0) - source) @ direction / (direction @ direction)
    low, high = np.clip([middle - 0.05, middle + 0.05], 0, 1)
    place = source + (low + (np.arange(samples) + 0.5) / samples * (high - low))[:, None] * direction
    inside = np.zeros(samples, bool)
    for begin, end in itertools.compress(itertools.pairwise(points), near):
        share = np.clip((place - begin) @ (end - begin) / ((end - begin) @ (end - begin)), 0, 1)
        inside |= ((place - begin - share[:, None] * (end - begin)) ** 2).sum(axis=1) <= radius**2
    return float(inside.mean() * (high - low) * np.linalg.norm(direction))


def add_wire(
    source: Array, ray: Array, points: Array, radius: float, windows: Array, spans: Array, image: Array
) -> None:
    """Mean length of 144 rays of each pixel."""
    near, middles = np.ones(len(points) - 1, bool), (np.arange(12) + 0.5) / 12 - 0.5
    for row in range(windows[:, 0].min(), windows[:, 1].max()):
        for col in range(windows[:, 2].min(), windows[:, 3].max()):
            for down, across in itertools.product(middles, middles):
                d = ray[0] + (row + down) * ray[1] + (col + across) * ray[2]
                image[row, col] += covered_length(*d, source, points, None, near, radius, None, 2_000) / 144


def blur(image: Array, taps: Array, line: Array, out: Array) -> None:
    """Two-dimensional sum with products of taps; indices beyond the border stop at the border."""
    rows, cols = image.shape
    radius = len(taps) - 1
    for row in range(rows):
        for col in range(cols):
            total = 0.0
            for down in range(-radius, radius + 1):
                for right in range(-radius, radius + 1):
                    r, c = min(max(row + down, 0), rows - 1), min(max(col + right, 0), cols - 1)
                    total += float(taps[abs(down)]) * float(taps[abs(right)]) * float(image[r, c])
            out[row, col] = total


def march(volume: Array, grid: VoxelGrid, geometry: ProjectionGeometry, step: float = 1e-4) -> Array:
    """Reference projector: trilinear samples every `step` metres along each ray."""
    image = np.zeros((geometry.rows, geometry.cols))
    padded = np.pad(np.asarray(volume, float), 1)
    for row in range(geometry.rows):
        for col in range(geometry.cols):
            ray = geometry.pixel(row, col) - geometry.source
            length = float(np.linalg.norm(ray))
            t = np.arange(0.0, length, step) / length
            index = (geometry.source + t[:, None] * ray - grid.origin) / grid.spacing + 1
            inside = np.all((index >= 0) & (index <= np.array(padded.shape) - 1.000001), axis=1)
            index = index[inside]
            low = index.astype(int)
            share = index - low
            for corner in np.ndindex(2, 2, 2):
                weight = np.prod(np.where(corner, share, 1 - share), axis=1)
                image[row, col] += step * (weight * padded[tuple((low + corner).T)]).sum()
    return image


def exponential(x: float) -> float:
    """In double precision."""
    return math.exp(float(x))


def logarithm(x: float) -> float:
    """In double precision."""
    return math.log(float(x))


def blur_row(image: Array, row: int, taps: Array, line: Array | None, target: Array) -> None:
    """One row of the blurred picture."""
    out = np.empty_like(image)
    blur(image, taps, None, out)
    target[:] = out[row]


def filled_window(path: Array, window: Array) -> float:
    """Indices of what is not zero."""
    window[:] = 0
    full = np.argwhere(path != 0)
    if len(full):
        window[:] = np.stack([full.min(axis=0), full.max(axis=0) + 1], axis=1).ravel()
    return float(np.abs(path).sum())


def smear(path: Array, down: float, across: float, steps: int, filled: Array | None, out: Array) -> None:
    """Every pixel looks at many places, with bilinear interpolation."""
    shares = (np.arange(steps) + 0.5) / steps - 0.5
    padded = np.pad(path.astype(float), 40, "edge")
    grid = (np.arange(n) - 40 for n in padded.shape)
    look = scipy.interpolate.RegularGridInterpolator(tuple(grid), padded)
    for row, col in np.ndindex(path.shape):
        out[row, col] = look([(row - s * down, col - s * across) for s in shares]).mean()


def absorb(
    soft: Array,
    bone: Array,
    mu_soft: Array,
    mu_bone: Array,
    weight: Array,
    scale: Array,
    span: Array,
    out: Array,
    primary: Array,
) -> None:
    """Beer and Lambert, bin by bin."""
    rows = slice(*span)
    for b in range(len(out)):
        full = weight[b] * scale * np.exp(-mu_soft[b] * soft.astype(float) - mu_bone[b] * bone.astype(float))
        out[b, rows] = full[rows]
    primary[rows] = out[:, rows].sum(axis=0)


def transmit(
    tissue: Array,
    layers: tuple[Array, Array, Array],
    places: Array,
    mu: Array,
    lines: Array | None,
    out: Array,
) -> bool:
    """Every pixel of every bin through all layers."""
    out[:] = 0
    paths = np.zeros((3, *out.shape))
    for path, layer, (top, left) in zip(paths, layers, places, strict=True):
        path[top : top + layer.shape[0], left : left + layer.shape[1]] = layer
    for b in range(len(tissue)):
        out += tissue[b] * np.exp(-np.tensordot(mu[:, b], paths, axes=1))
    return bool(np.isfinite(paths).all())


def coarsen(image: Array, factor: int, line: Array | None, out: Array) -> None:
    """Means of blocks, each pixel looked up."""
    rows, cols = image.shape
    for i, j in np.ndindex(out.shape):
        r = np.minimum(np.arange(i * factor, (i + 1) * factor), rows - 1)
        c = np.minimum(np.arange(j * factor, (j + 1) * factor), cols - 1)
        out[i, j] = image[np.ix_(r, c)].astype(float).mean()


def widen(values: Array, factor: int, target: Array) -> None:
    """Linear interpolation between block centres."""
    target[:] = np.interp((np.arange(len(target)) + 0.5) / factor - 0.5, np.arange(len(values)), values)


def compose_row(
    sharp: Array, share: float, smooth: Array, factor: int, row: int, pair: Array | None, target: Array
) -> None:
    """A row of the whole."""
    out = np.empty_like(sharp)
    compose(sharp, share, smooth, factor, None, out)
    target[:] = out[row]


def compose(sharp: Array, share: float, smooth: Array, factor: int, pair: Array | None, out: Array) -> None:
    """Linear interpolation between block centres, along columns and then along rows."""
    rows, cols = sharp.shape
    n, m = smooth.shape
    row, col = ((np.arange(count) + 0.5) / factor - 0.5 for count in (rows, cols))
    tall = np.array([np.interp(row, np.arange(n), smooth[:, j]) for j in range(m)]).T
    out[:] = share * sharp + np.array([np.interp(col, np.arange(m), values) for values in tall])


def add_three(weights: Array, t: int, *rows: Array) -> None:
    """Pair by pair."""
    for i in range(3):
        rows[-1][:] += weights[t + i] * (rows[2 * i] + rows[2 * i + 1])


def begin_three(weights: Array, row: Array, *rows: Array) -> None:
    """The middle, then the pairs."""
    rows[-1][:] = weights[0] * row
    add_three(weights, 1, *rows)


def coarse_rows(values: Array, factor: int, row: int, pair: Array) -> float:
    """Where the row lies between the middles of two blocks; beyond the outermost ones both are the same."""
    place = (row + 0.5) / factor - 0.5
    for target, one in zip(pair, (math.floor(place), math.floor(place) + 1), strict=True):
        widen(values[min(max(one, 0), len(values) - 1)], factor, target)
    return place - math.floor(place)


def blur_across(line: Array, taps: Array, target: Array) -> None:
    """Each number by itself; places beyond the ends stop at the ends."""
    last, radius = len(target) - 1, len(taps) - 1
    row = line[radius : radius + len(target)].copy()
    for col in range(len(row)):
        target[col] = sum(
            float(taps[abs(i)]) * float(row[min(max(col + i, 0), last)]) for i in range(-radius, radius + 1)
        )


def blur_down(ring: Array, row: int, rows: int, taps: Array, target: Array) -> None:
    """Each row of the neighbourhood by itself."""
    radius = len(taps) - 1
    target[:] = sum(
        float(taps[abs(i)]) * ring[min(max(row + i, 0), rows - 1) % len(ring)].astype(float)
        for i in range(-radius, radius + 1)
    )


def register_row(
    now: Array,
    shot: Array,
    read: Array,
    tube: Array,
    memory: Array,
    spread: float,
    traps: Array,
    row: int,
    old: Array,
    base: tuple[Array, float],
    line: Array | None,
    tone: Array,
) -> None:
    """One effect after the other."""
    clean = now * tube[0]
    variance = np.maximum(clean, 0) * tube[1]
    signal = clean + tube[3] * (np.sqrt(variance) * shot + tube[2] * read)
    trap = memory[2:].reshape(-1, 3)
    prompt = (1 - trap[:, 0].sum()) * signal
    for load, (take, keep, carry) in zip(traps[:, row], trap, strict=True):
        held = long(load) * carry
        prompt = prompt + held
        load[:] = short(keep * held + take * (1 - keep) * signal)
    share = np.full(now.shape, memory[0])
    if memory[1] > 0:
        expected = (1 + memory[0] / (2 - memory[0])) * (variance * spread + tube[2] ** 2) + 1e-12
        share += (1 - share) * np.clip((prompt - old) ** 2 / expected / memory[1] - 1, 0, 1)
    now[:] = old + share * (prompt - old)
    (above, below), weight = base
    tone[:] = np.log(np.maximum(now, 0.5)) - (1 - weight) * above - weight * below


def short(numbers: Array) -> Array:
    """Five bits for the power of two, from -15 to 16, and eleven for the rest."""
    power = np.clip(np.floor(np.log2(np.maximum(numbers, 1e-9))), -15, 16)
    rest = np.clip(np.maximum(numbers, 0) / 2**power - 1, 0, 4095 / 2048)
    return np.minimum((power + 15) * 2048 + np.rint(rest * 2048), 65535).astype(np.uint16)


def long(shorts: Array) -> Array:
    """Back from `short`."""
    return (1 + (shorts % 2048) / 2048) * 2.0 ** (shorts // 2048 - 15.0)


def grey_row(
    level: Array, smooth: Array, sharpen: float, low: float, scale: float, curve: Array, inside: Array, target: Array
) -> None:
    """Unsharp mask and a table."""
    index = np.clip((level + sharpen * (level - smooth) - low) * scale, 0, len(curve) - 1)
    target[:] = np.where(inside, curve[index.astype(int)], 0)


def develop(
    scene: Any,
    light: Array,
    noise: Any,
    tube: Array,
    memory: Array,
    traps: Array,
    before: Array,
    base: tuple[Array, int],
    screen: Any,
    scratch: Any,
    shown: Array,
    out: Array,
) -> float:
    """Whole pictures, one step after the other."""
    primary, share, smooth, factor, sample = scene
    (bank, place), (taps, *tones, opening) = noise, screen
    rows, cols = primary.shape
    total, level, wide = (np.empty_like(primary) for _ in range(3))
    compose(primary, share, smooth, factor, None, total)
    blur(total, light, None, shown)
    # the counting noise is spread over the taps in both directions
    spread = float(light[0] ** 2 + 2 * (light[1:] ** 2).sum()) ** 2
    for row in range(rows):
        shot = bank[0, place[0] + row, place[1] : place[1] + cols]
        read = bank[1, place[2] + row, place[3] : place[3] + cols]
        pair = np.empty((2, cols))
        slow = pair, coarse_rows(*base, row, pair)
        register_row(shown[row], shot, read, tube, memory, spread, traps, row, before[row], slow, None, level[row])
    blur(level, taps, None, wide)
    for row in range(rows):
        grey_row(level[row], wide[row], *tones, opening[row], out[row])
    return float(total[sample[0] : sample[1] : 4, sample[2] : sample[3] : 4].mean())
