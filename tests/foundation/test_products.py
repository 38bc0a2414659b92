"""Products that are the same for any number of threads of a BLAS."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from vertebro.products import product

SHAPES = [(3, 4, 5), (1, 7, 90), (90, 7, 1), (96, 96, 96), (40, 2500, 60), (1, 3000, 1), (200, 1, 200)]
DIGESTS = """
import hashlib, numpy as np
from vertebro.products import product
from vertebro.anatomy.random_field import normal_field
from vertebro.grid import VoxelGrid
from vertebro.imaging.scatter import spread_light
rng = np.random.default_rng(1)
a, b, v = (rng.random(shape, np.float32) for shape in ((130, 140), (140, 150), (140,)))
grid = VoxelGrid.around([-0.03] * 3, [0.03] * 3, 1e-3)
made = product(a, b), product(a, v), product(v, b), spread_light(a, 7.0), normal_field(
    grid, seed=3, correlation_length=3e-3)
print(*(hashlib.sha256(x.tobytes()).hexdigest()[:12] for x in made), hashlib.sha256((a @ b).tobytes()).hexdigest()[:12])
"""


@pytest.mark.parametrize("shape", SHAPES)
def test_product_is_the_matrix_product(shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    m, k, n = shape
    a, b = rng.random((m, k)), rng.random((k, n))
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-12)
    np.testing.assert_allclose(product(a, b[:, 0]), a @ b[:, 0], rtol=1e-12)
    np.testing.assert_allclose(product(a[0], b), a[0] @ b, rtol=1e-12)
    np.testing.assert_allclose(product(a[0], b[:, 0]), a[0] @ b[:, 0], rtol=1e-12)


def test_nothing_times_nothing_is_nothing() -> None:
    assert product(np.zeros((0, 3)), np.zeros((3, 4))).shape == (0, 4)
    assert np.all(product(np.zeros((2, 0)), np.zeros((0, 4))) == 0.0)


def _digests(threads: int) -> list[str]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONHASHSEED": str(threads)}
    return subprocess.run(
        [sys.executable, "-c", DIGESTS], env=env, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout.split()


def test_any_number_of_threads_gives_the_same_bits() -> None:
    """Fields of bone and scattered light, too: they once differed in the last bit, and a replay with them."""
    assert _digests(1)[:-1] == _digests(2)[:-1]
