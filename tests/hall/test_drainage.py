"""The veins between the rooms: conductances, volumes on pictures, what is on its way."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.drainage import flow_vessels, vein_course, vein_grid, vein_raster
from vertebro.leakage import VEIN_PLACES
from vertebro.tissue import Compartment


@pytest.fixture(scope="module")
def patient():
    return build_parametric(ParametricSpec(spacing=1.4e-3, surround_spacing=3e-3, surround_height=0.08, seed=3))


def test_flow_gets_the_networks_own_ducts(patient) -> None:
    network, vessels = patient.network, flow_vessels(patient)
    np.testing.assert_allclose(vessels.conductance, np.pi * network.radius**4 / (8 * network.length))
    np.testing.assert_allclose(vessels.volume, np.pi * network.radius**2 * network.length)
    bone = np.isin(patient.compartment, (Compartment.BODY, Compartment.ARCH))
    assert np.all(bone[tuple(vessels.coupling_cell.T)])
    assert vessels.blood.sum() == pytest.approx(2.5e-8)
    assert set(vessels.names) == set(network.outlet_names)


def test_the_monitor_knows_every_route(patient) -> None:
    course = vein_course(patient)
    assert set(course.routes) <= set(VEIN_PLACES)
    assert len(course.names) == len(patient.network.segments)


def test_cement_in_veins_keeps_its_volume_on_any_grid(patient) -> None:
    network = patient.network
    drawn = network.length < 10e-3
    content = np.where(drawn, 0.3 * network.volume, 0.0)
    for spacing in (1.0e-3, 0.6e-3):
        grid = vein_grid(network, spacing)
        fraction = vein_raster(network, grid).fraction(content)
        assert float(fraction.sum()) * grid.voxel_volume == pytest.approx(content.sum(), rel=1e-3)
    near = vein_raster(network, patient.grid).fraction(content)
    assert 0.3 * content.sum() < float(near.sum()) * patient.grid.voxel_volume < content.sum()


def test_cement_lies_where_its_segment_does(patient) -> None:
    network = patient.network
    segment = int(np.argmax((network.radius > 1e-3) & (network.length < 4e-3)))
    content = np.zeros(len(network.segments))
    content[segment] = network.volume[segment]
    grid = vein_grid(network, 0.8e-3)
    fraction = vein_raster(network, grid).fraction(content)
    where = grid.world(np.argwhere(fraction > 0))
    assert np.linalg.norm(where - network.middle[segment], axis=1).max() < 0.5 * network.length[segment] + 2.5e-3
    assert fraction.max() > 0.5  # a wide duct fills a voxel
    assert not vein_raster(network, grid).fraction(content, np.array([segment + 1])).any()


def test_a_long_duct_fills_from_the_vertebra_on(patient) -> None:
    network = patient.network
    segment = int(np.argmax(network.length))
    content = np.zeros(len(network.segments))
    content[segment] = 0.2 * network.volume[segment]
    grid = vein_grid(network, 1e-3)
    where = grid.world(np.argwhere(vein_raster(network, grid).fraction(content) > 0))
    a, b = network.nodes[network.segments[segment]]
    along = (where - a) @ (b - a) / np.sum((b - a) ** 2)
    assert along.max() < 0.35
