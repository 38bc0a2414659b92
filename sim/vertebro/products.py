"""Matrix products that come out the same, bit for bit, whatever number of threads a BLAS may use.

A BLAS shares a large product among threads, and where it cuts decides the order of the sums. Pieces too small to be
shared are all done alike; they also do not wait for threads that are slow to wake.

>>> product(np.eye(2), np.array([[1.0, 2.0], [3.0, 4.0]]))
array([[1., 2.],
       [3., 4.]])
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIECE = 65_536  # multiplications; OpenBLAS shares a product from 262 144 on
PIECE_OF_VECTOR = 4_096  # the same with a vector, shared from 9 216 on
DEEP = 1_024  # longest sum in one go; a strip of it across a piece stays below what is shared of a vector


def product(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """``a @ b``, the same for any number of threads.

    Parameters
    ----------
    a : (m, k) or (k,) array
    b : (k, n) or (k,) array

    Returns
    -------
    (m, n), (m,), (n,) or () array
    """
    if a.ndim == 1:
        return product(b.T, a) if b.ndim == 2 else product(a[None], b)[0]
    rows, depth = a.shape
    if depth > DEEP:
        return np.asarray(sum(product(a[:, part], b[part]) for part in _parts(depth, DEEP)))
    if b.ndim == 1:
        return np.concatenate([a[part] @ b for part in _parts(rows, PIECE_OF_VECTOR // max(depth, 1))])
    side = math.isqrt(PIECE // max(depth, 1))
    out = np.empty((rows, b.shape[1]), np.result_type(a, b))
    for down in _parts(rows, side):
        for across in _parts(b.shape[1], side):
            np.matmul(a[down], b[:, across], out=out[down, across])
    return out


def _parts(count: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, max(count, 1), size)]
