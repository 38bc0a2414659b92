"""Pressures of a network's nodes from those of the places they are tied to; the algebra of the cells they join."""

from __future__ import annotations

import numpy as np

from naive import flow as naive
from vertebro.flow import kernels_bypass as kb
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


def test_the_algebra_of_joined_cells_equals_its_twins(rng):
    """Elimination of cells from the nodes' matrix, the definite solve, and what the others bring."""
    draw, weight = rng.random((7, 40)) * (rng.random((7, 40)) > 0.6), rng.random(40)
    nodes = np.diag((draw * weight) @ draw.sum(axis=0) + 1.0) + 0.0
    fast, slow = np.zeros((7, 7)), np.zeros((7, 7))
    kb.without_cells(nodes + nodes.T, draw, weight, fast)
    naive.without_cells(nodes + nodes.T, draw, weight, slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)
    answers = [draw.copy(), draw.copy()]
    kb.solve_definite(fast, answers[0])
    naive.solve_definite(slow, answers[1])
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.tril(fast), np.tril(slow), rtol=1e-9)
    own, damp, level = rng.random(40), rng.random(40), rng.standard_normal(40)
    brought = np.zeros((2, 40))
    kb.give(answers[0], draw, own, damp, level, brought[0])
    naive.give(answers[0], draw, own, damp, level, brought[1])
    np.testing.assert_allclose(brought[0], brought[1], rtol=1e-12, atol=1e-14)


def test_the_operator_is_completed_as_by_its_twin(rng):
    """Cells of both colours, some next to each other: their shares of the operator and of its products."""
    cells, places = 12, 60
    vectors = rng.standard_normal((3, places)).astype(np.float32)
    near = np.stack([rng.permutation(places)[:7] for _ in range(cells)])
    draw, response = rng.random((5, cells)) * (rng.random((5, cells)) > 0.5), rng.random((5, cells))
    weights, black, extra = rng.random((cells, 7)), rng.random(cells) > 0.5, rng.standard_normal(cells)
    found = []
    for code in (kb, naive):
        operated, sums = vectors[2].copy(), np.zeros(4)
        code.complete(
            vectors[0], vectors[1], operated, near, near[:, ::-1], weights, black, draw, response, extra, 0.3, sums
        )
        found.append((operated, sums))
    assert np.abs(found[0][0] - vectors[2]).max() > 0.1
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-10)
