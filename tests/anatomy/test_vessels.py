"""The foramen's void and how the veins of an assembled vertebra fit it."""

from __future__ import annotations

import numpy as np
import pytest

from anatomy.block import GRID, block, labels
from vertebro.anatomy.vessels import funnel
from vertebro.tissue import Compartment, Tissue


def test_foramen_has_the_published_size_and_narrows_forward() -> None:
    """wang2023: 7.8 mm wide, 5.4 mm high, 12.4 mm deep in elderly spines."""
    line = np.arange(-10e-3, 20e-3, 0.05e-3)
    size = (7.8e-3, 12.4e-3, 5.4e-3)
    options = {"wall": 0.0, "height": 0.0, "size": size, "softness": 0.1e-3}
    zero = np.zeros(1)
    width = (funnel(line, np.full(1, 1e-6), zero, **options) > 0.5).sum() * 0.05e-3
    tall = (funnel(zero, np.full(1, 1e-6), line, **options) > 0.5).sum() * 0.05e-3
    deep = (funnel(zero, line[line >= 0], zero, **options) > 0.5).sum() * 0.05e-3
    tip = (funnel(line, np.full(1, 12e-3), zero, **options) > 0.5).sum() * 0.05e-3
    assert (width, tall, deep) == pytest.approx((7.8e-3, 5.4e-3, 12.4e-3), abs=0.15e-3)
    assert tip < 0.5 * width


def test_the_void_stays_in_the_body_and_holds_the_trunk() -> None:
    toy = block()
    void = toy.tissue == Tissue.VEIN
    assert np.all(labels()["compartment"][void] == Compartment.BODY)
    np.testing.assert_array_equal(toy.compartment, labels()["compartment"])
    assert toy.network is not None
    trunk = np.array([n.startswith("basivertebral") and n.endswith("bone") for n in toy.network.names])
    i, j, k = np.rint(GRID.index(toy.network.middle[trunk[toy.network.vein]])).astype(int).T
    assert void[i, j, k].mean() > 0.8


def test_the_wall_is_whole_around_the_void() -> None:
    """Veins cross the wall as ducts: no face between bone and outside is open."""
    toy = block()
    assert toy.face_resistance is not None
    body = toy.compartment == Compartment.BODY
    for axis in range(3):
        one, two = [slice(None)] * 3, [slice(None)] * 3
        one[axis], two[axis] = slice(None, -1), slice(1, None)
        wall = body[tuple(one)] != body[tuple(two)]
        assert np.all(toy.face_resistance[axis][tuple(one)][wall] > 0)


def test_no_veins_when_switched_off() -> None:
    toy = block(veins=False)
    assert toy.network is None
    assert not np.any(toy.tissue == Tissue.VEIN)
    assert [e.route for e in toy.exits] == ["tissue"]


def test_mirrored_settings_mirror_the_interior() -> None:
    plain, mirrored = block(k_sigma=0.4), block(k_sigma=0.4, mirrored=True)
    assert (plain.tissue == mirrored.tissue[::-1]).mean() > 0.999
    np.testing.assert_allclose(np.median(plain.permeability[0] / mirrored.permeability[0][::-1]), 1.0, rtol=1e-3)


def test_canal_missing_from_the_labels_still_leaves_a_way_out() -> None:
    arrays = labels()
    arrays["compartment"][arrays["compartment"] == Compartment.CANAL] = Compartment.PARAVERTEBRAL
    network = block(arrays=arrays).network
    assert network is not None
    assert "epidural" in network.routes


def test_ends_carry_the_venous_pressure() -> None:
    toy = block(venous_pressure=1.7e3)
    assert toy.network is not None
    assert set(toy.network.outlet_pressure) == {1.7e3}
    assert {e.pressure for e in toy.exits} == {1.0e3}
