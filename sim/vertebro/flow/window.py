"""Crop, turn and pad: the box in which the solver works.

Arrays inside have one layer of ghost cells on each side. The box is also turned to a canonical orientation decided by
the data, so that a mirrored case runs through exactly the same arithmetic and gives the mirrored result bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = (2**0.5, 3**0.5, 5**0.5)  # no rational relation: weights of different cells never agree by accident


@dataclass(frozen=True, slots=True)
class Window:
    """Box ``[low, high)`` of a grid, mirrored along the axes of `flip`."""

    low: tuple[int, int, int]
    high: tuple[int, int, int]
    flip: tuple[bool, bool, bool] = (False, False, False)

    @property
    def padded(self) -> tuple[int, int, int]:
        """Shape of the arrays inside, ghost cells included."""
        a, b, c = (h - w + 2 for w, h in zip(self.low, self.high, strict=True))
        return a, b, c

    def view(self, full: NDArray[Any]) -> NDArray[Any]:
        """The window's part of a grid array (…, nr, na, ns), turned, not copied."""
        (a, b, c), (d, e, f) = self.low, self.high
        x, y, z = (slice(None, None, -1 if turned else 1) for turned in self.flip)
        return full[..., a:d, b:e, c:f][..., x, y, z]

    def take(self, full: NDArray[Any], dtype: Any = np.float64) -> NDArray[Any]:
        """Copy a grid array (…, nr, na, ns) into a padded one; ghosts are 0."""
        out = np.zeros((*full.shape[:-3], *self.padded), dtype)
        out[..., 1:-1, 1:-1, 1:-1] = self.view(full)
        return out

    def take_faces(self, full: NDArray[Any]) -> NDArray[np.float64]:
        """Like `take` for (3, …) values on the faces towards the next neighbour: mirroring moves a face by one cell."""
        out = self.take(full)
        for axis, flipped in enumerate(self.flip):
            if flipped:
                out[axis] = np.roll(out[axis], -1, axis=axis)
        return out

    def put(self, inside: NDArray[Any], full: NDArray[Any]) -> None:
        """Write a padded array back into its place in a grid array."""
        self.view(full)[...] = inside[..., 1:-1, 1:-1, 1:-1]

    def put_fluxes(self, t: NDArray[Any], p: NDArray[Any], full: NDArray[Any]) -> None:
        """Write ``t (p - p_next)`` of padded (3, …) faces into a (3, …) grid array; mirroring turns a flux round."""
        core = (slice(1, -1),) * 3
        for axis, flipped in enumerate(self.flip):
            other = list(core)
            other[axis] = slice(0, -2) if flipped else slice(2, None)
            out = self.view(full[axis])
            np.subtract(p[core], p[tuple(other)], out=out)
            out *= t[axis][tuple(other) if flipped else core]

    def cells(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices inside of grid cells (n, 3)."""
        inside = cells - np.asarray(self.low)
        mirrored = np.asarray(self.high) - 1 - cells
        return np.where(np.asarray(self.flip), mirrored, inside) + 1

    def holds(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> bool:
        """Whether the box ``[low, high)`` lies inside."""
        return bool(np.all(low >= self.low) and np.all(high <= self.high))


def bounding_box(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest index and highest index + 1 of the true cells along each axis."""
    low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low[axis], high[axis] = (hit[0], hit[-1] + 1) if hit.size else (0, 1)
    return low, high


def canonical_flip(fields: Iterable[NDArray[Any]]) -> tuple[bool, bool, bool]:
    """Axes to mirror: the orientation in which the fields weigh most, under weights that no symmetry leaves alone.

    Of the eight orientations the first field keeps the heaviest, the next decides among those left. What is left at the
    end looks the same in every field, so any will do.
    """
    flips = [(bool(i), bool(j), bool(k)) for i, j, k in np.ndindex(2, 2, 2)]
    for values in fields:
        moment: NDArray[np.float64] = values
        for axis in (2, 1, 0):
            weights = np.modf(STEPS[axis] * np.arange(1, values.shape[axis] + 1))[0]
            # the axis goes, and the two directions come as a new last one
            moment = np.tensordot(moment, np.stack([weights, weights[::-1]], axis=1), axes=([axis], [0]))
        best = max(float(moment[k, j, i]) for i, j, k in np.array(flips, int))
        slack = 1e-9 * float(np.abs(values).sum())
        flips = [f for f in flips if moment[int(f[2]), int(f[1]), int(f[0])] >= best - slack]
        if len(flips) == 1:
            break
    return flips[0]
