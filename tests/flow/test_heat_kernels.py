"""Every heat kernel against its naive twin on random data."""

from __future__ import annotations

import numpy as np
import pytest

from naive import heat as naive
from vertebro.flow import kernels_heat as kernels

SHAPE = (6, 8, 7)
SIZE = int(np.prod(SHAPE))
STRIDES = np.array([SHAPE[1] * SHAPE[2], SHAPE[2], 1])
LOW, HIGH = np.array([1, 2, 1]), np.array([5, 7, 6])
BODY = 310.15
LAW = np.array([1.55e8, 720.0, 9.2, 5300.0, 296.15, 385.65, 1.4e8])


def both(name, make, *, returns=False):
    """Run kernel and twin on equal copies; compare every array and what they return."""
    fast, slow = make(), make()
    one, other = getattr(kernels, name)(*fast), getattr(naive, name)(*slow)
    for a, b in zip(fast, slow, strict=True):
        if isinstance(a, np.ndarray):
            scale = float(np.abs(b).max()) if b.size else 1.0
            np.testing.assert_allclose(a, b, rtol=1e-6 if a.dtype == np.float32 else 1e-9, atol=1e-12 * scale)
    if returns:
        assert one == pytest.approx(other, rel=1e-9)
    return fast


@pytest.fixture
def flowing(rng):
    """Random pressures with the fluxes they drive, some faces closed; cells of the interior by falling pressure."""
    p = rng.random(SHAPE)
    q = np.zeros((3, *SHAPE))
    for axis in range(3):
        q[axis] = rng.random(SHAPE) * (rng.random(SHAPE) > 0.2) * (p - np.roll(p, -1, axis))
        ghosts = [slice(None)] * 3
        for plane in (0, SHAPE[axis] - 2, SHAPE[axis] - 1):
            ghosts[axis] = plane
            q[(axis, *ghosts)] = 0.0
    inside = np.zeros(SHAPE, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    for axis in range(3):
        q[axis] *= inside
    cells = np.flatnonzero(inside)
    return cells[np.argsort(-p.reshape(-1)[cells])], q.reshape(3, -1), inside.reshape(-1)


@pytest.mark.parametrize("injecting", [True, False])
def test_routes_of_the_injected_fluid_equal_their_twin_and_explain_the_gain(rng, flowing, injecting):
    order, q, inside = flowing
    gain = rng.normal(0.3, 1.0, SIZE) * inside
    share, well = rng.random(SIZE) * (rng.random(SIZE) > 0.3) * inside, rng.random(SIZE) > 0.9

    def make():
        return order, q, STRIDES, gain, share, well, injecting, np.zeros((3, SIZE)), np.zeros(SIZE), np.zeros(SIZE)

    *_, moved, supply, drain = both("route_injected", make)
    net = supply - drain - sum(moved[d] - np.roll(moved[d], int(s)) for d, s in enumerate(STRIDES))
    np.testing.assert_allclose(net[inside], gain[inside], atol=1e-12)


def test_routes_of_the_displaced_fluid_equal_their_twin_and_keep_its_volume(rng, flowing):
    order, q, inside = flowing
    gain = rng.normal(0.5, 1.0, SIZE) * inside
    *_, moved, drain = both(
        "route_displaced", lambda: (order, q, STRIDES, gain, inside, np.zeros((3, SIZE)), np.zeros(SIZE))
    )
    net = drain + sum(moved[d] - np.roll(moved[d], int(s)) for d, s in enumerate(STRIDES))
    np.testing.assert_allclose(net[inside], gain[inside], atol=1e-12)


def test_transport_equals_its_twin(rng, flowing):
    order, q, inside = flowing
    thick, thin = q * rng.random(SIZE), q * rng.random(SIZE)
    supply, lost, gone = (rng.random(SIZE) * (rng.random(SIZE) > 0.8) * inside for _ in range(3))
    theta, fields = rng.normal(size=SIZE), rng.random((5, SIZE)) + 0.1
    inlet = np.array([-14.0, 0.01, 240.0, 1.9, 3.1])
    both(
        "transport_heat",
        lambda: (
            order, STRIDES, thick, thin, supply, lost, gone, inlet, 0.3, theta.copy(), fields.copy(), np.zeros(3),
        ),
    )  # fmt: skip


def test_conductances_equal_their_twin(rng):
    k, volume = rng.random(SIZE) * (rng.random(SIZE) > 0.2), rng.random(SIZE)
    *_, g = both("link", lambda: (k, volume, 0.1, np.array([1.0, 2.0, 3.0]), STRIDES, LOW, HIGH, np.zeros((3, SIZE))))
    slim = rng.random(SIZE) + 0.5
    both("stiffest", lambda: (g, slim, volume, -0.3, STRIDES, LOW, HIGH), returns=True)


@pytest.mark.parametrize("old", [0.0, -0.6])
def test_conduction_equals_its_twin(rng, old):
    theta, out, slim = rng.normal(size=SIZE), rng.normal(size=SIZE), rng.random(SIZE)
    g = rng.random((3, SIZE)).astype(np.float32)
    both("conduct", lambda: (theta, out.copy(), g, slim, 0.2, old, STRIDES, LOW, HIGH, 2, 5))
    both("leaving", lambda: (theta.reshape(SHAPE), g.reshape(3, *SHAPE), LOW, HIGH), returns=True)


def test_perfusion_equals_its_twin(rng):
    theta, slim, flow = rng.normal(size=SIZE), rng.random(SIZE) + 0.5, rng.random(SIZE)
    both("perfuse", lambda: (theta.copy(), slim, flow, 2.0, STRIDES, LOW, HIGH), returns=True)


@pytest.mark.parametrize("vapour", [0.0, 1.4e8])
def test_cure_equals_its_twin(rng, vapour):
    """Random conversions from nothing to set, cold and hot, some cells empty, some at the boil."""
    fields = np.stack([rng.random(SIZE) ** 3, rng.random(SIZE), rng.random(SIZE), rng.random(SIZE), rng.random(SIZE)])
    fields[0, ::11], fields[0, 1::11], fields[2, ::7] = 0.0, 1.0, 0.0
    fields[3] = 0.5 / 1.9e6
    fields[4] = np.where(rng.random(SIZE) > 0.7, 1e6, 0.0) * (fields[2] > 0.1)
    theta = rng.uniform(-14.0, 80.0, SIZE)
    law = LAW.copy()
    law[6] = vapour
    cells = np.arange(3, SIZE, 2)
    both("cure", lambda: (cells, theta.copy(), fields.copy(), law, BODY, 1.5, 2.0, np.zeros(3)), returns=True)


def test_vapour_keeps_a_cell_at_the_boil_and_its_heat(rng):
    """theta/slim + latent is the heat of a cell; condense only moves it between the two."""
    theta, latent, slim = rng.uniform(50.0, 100.0, SIZE), rng.uniform(0.0, 20.0, SIZE), rng.random(SIZE) + 0.5
    latent[::3] = 0.0
    before = theta / slim + latent
    for i in range(SIZE):
        fast, slow = (theta.copy(), latent.copy()), (theta.copy(), latent.copy())
        kernels.condense(i, *fast, slim, 75.5)
        naive.condense(i, *slow, slim, 75.5)
        np.testing.assert_allclose(fast, slow, rtol=1e-12, atol=1e-12)
        theta, latent = fast
    np.testing.assert_allclose(theta / slim + latent, before, rtol=1e-12)
    assert theta.max() <= 75.5 + 1e-9
    assert np.all((latent <= 1e-9) | (theta > 75.5 - 1e-9))


def test_exposure_equals_its_twin(rng):
    theta, peak = rng.uniform(-5.0, 30.0, SIZE), rng.uniform(300, 330, SIZE).astype(np.float32)
    both("note_peak", lambda: (theta, BODY, STRIDES, LOW, HIGH, peak.copy()))
    law, limits = np.array([226.78, 75532.0, 312.15]), np.array([318.15, 323.15])
    both(
        "expose",
        lambda: (
            theta, BODY, 2.0, STRIDES, LOW, HIGH, law, *(np.zeros(SIZE, np.float32) for _ in range(2)),
            np.zeros((2, SIZE), np.float32), limits,
        ),
    )  # fmt: skip
