"""Pressures of a network's nodes from those of the places they are tied to."""

from __future__ import annotations

import numpy as np

from naive import flow as naive
from vertebro.flow import kernels_vessels as kv


def test_distribution_equals_its_twin_also_where_nothing_holds_a_part(rng):
    """Nodes 0-5 joined and held, 6-7 joined but held by nothing: theirs is 0."""
    c = np.zeros((8, 8))
    c[:6, :6] = np.triu(10.0 ** rng.uniform(-4, 4, (6, 6)) * (rng.random((6, 6)) > 0.4), 1)
    c[np.arange(5), np.arange(1, 6)] = 1.0
    c[6, 7] = 2.0
    places = 10.0 ** rng.uniform(-3, 3, (8, 4)) * (rng.random((8, 4)) > 0.5)
    places[6:] = 0.0
    places[2, 0] = 1.0
    fast, slow = places.copy(), places.copy()
    kv.distribute(c.copy(), places.sum(axis=1), fast)
    naive.distribute(c.copy(), places.sum(axis=1), slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-14)
    # a pressure of 1 everywhere is a pressure of 1 in every node that is held
    np.testing.assert_allclose(fast[:6].sum(axis=1), 1.0, rtol=1e-13)
    assert not fast[6:].any()
