"""Where the labels of a map lie: one pass over a large volume instead of one per label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.volumes import Volume

Floats = NDArray[np.float64]


def centroids(labels: Volume) -> dict[int, Floats]:
    """RAS middle (3,) [m] of every label; from every other voxel along each axis where that meets the label."""
    thin = labels.data[::2, ::2, ::2]
    flat = thin.ravel()
    count = np.bincount(flat, minlength=256)
    sums = [np.bincount(flat, weights=np.broadcast_to(x, thin.shape).ravel()) for x in np.ogrid[_slices(thin.shape)]]
    found = {}
    for number in _ids(labels.data):
        if number and number < len(count) and count[number]:
            index = 2 * np.array([total[number] for total in sums]) / count[number]
            found[number] = labels.world(index[None])[0]
        elif number:
            found[number] = labels.world(np.argwhere(labels.data == number)).mean(axis=0)
    return found


def _slices(shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(n) for n in shape)


def _ids(data: NDArray[Any]) -> list[int]:
    """Values in a map of uint8 or uint16; ticking off a table slice by slice is many times faster than sorting."""
    seen = np.zeros(np.iinfo(data.dtype).max + 1, bool)
    for k in range(data.shape[2]):
        seen[data[:, :, k]] = True
    return [int(i) for i in np.flatnonzero(seen)]
