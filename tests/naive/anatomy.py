"""The anatomy kernels once more, slow and obvious."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def match_template(image, inside, points, look, weight, matrix, shift, step):
    """Weighted correlation by way of scipy's interpolation and numpy's averages."""
    index = points[::step] @ matrix.T + shift
    look, weight = look[::step], weight[::step]
    corner = np.floor(index).astype(int)
    ok = np.all((corner >= 0) & (corner + 1 < image.shape), axis=1)
    nearest = corner + (index - corner > 0.5)
    ok[ok] = inside[tuple(nearest[ok].T)]
    if not ok.any():
        return 0.0, 0.0
    share = weight[ok].sum() / weight.sum()
    x = ndimage.map_coordinates(image.astype(float), index[ok].T, order=1)
    y, w = look[ok], weight[ok]
    x, y = x - np.average(x, weights=w), y - np.average(y, weights=w)
    spread = np.average(x * x, weights=w) * np.average(y * y, weights=w)
    if spread < 1e-20:
        return 0.0, share
    return np.average(x * y, weights=w) / np.sqrt(spread), share
