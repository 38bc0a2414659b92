"""Sacral insufficiency fractures: an H of cracks beside the foramina and across S2, open for cement, closed behind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from anatomy.sick import sick
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.pathology import with_pathology
from vertebro.anatomy.pathology_cracks import sacral_cracks
from vertebro.anatomy.pathology_draft import take_apart
from vertebro.anatomy.pathology_records import SacralFracture
from vertebro.drainage import flow_vessels
from vertebro.tissue import Compartment
from vertebro.units import mm

OWN = (Compartment.BODY, Compartment.ARCH)
FORAMINA = (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT)
SPACING = 1.5 * mm


@cache
def _broken(record: SacralFracture) -> Anatomy:
    return with_pathology(sick(level="S1", spacing=SPACING), (record,))


@cache
def _cells(record: SacralFracture) -> np.ndarray:
    """Bone voxels that a crack of the record runs through."""
    healthy = sick(level="S1", spacing=SPACING)
    cut = np.zeros(healthy.grid.shape, bool)
    for crack in sacral_cracks(take_apart(healthy, ()), record):
        cut |= crack.share(healthy.grid) > 0
    return np.asarray(cut & np.isin(healthy.compartment, OWN))


def _opened(record: SacralFracture) -> np.ndarray:
    """World points [mm] of those voxels."""
    return sick(level="S1", spacing=SPACING).grid.world(np.argwhere(_cells(record))) / mm


def test_the_cracks_conduct_better_than_the_bone_beside_them() -> None:
    """Up and down in the alae and from back to front."""
    record = SacralFracture(bar=False)
    broken, cut = _broken(record), _cells(record)
    beside = ndimage.binary_dilation(cut, iterations=2) & ~cut & np.isin(broken.compartment, OWN)
    for axis in (1, 2):
        k = broken.permeability[axis]
        assert np.exp(np.log(k[cut]).mean()) > 1.5 * np.exp(np.log(k[beside]).mean())


def test_slits_lead_out_of_the_cracks_to_every_side_through_the_cortex() -> None:
    """A strip of the sheet each 4 mm; it begins in the bone's last voxel and ends in the torn tissue before it."""
    broken = _broken(SacralFracture(bar=False))
    network = broken.network
    assert network is not None
    chains = network.segments[network.slit]
    begin = network.nodes[np.setdiff1d(chains[:, 0], chains[:, 1])]
    way = np.diff(network.nodes[chains], axis=1)[:, 0]
    for direction in ([0, 1, 0], [0, -1, 0], [0, 0, 1]):
        assert np.count_nonzero(way @ direction > 0.9 * np.linalg.norm(way, axis=1)) >= 4
    bone = np.isin(broken.compartment, OWN)
    inner = [bone[tuple(broken.grid.nearest(point - 0.5 * SPACING * step / np.linalg.norm(step)))] for point, step in
             zip(network.nodes[chains[:, 0]], way, strict=True) if point in begin]  # fmt: skip
    assert np.mean(inner) > 0.9
    mouths = set(flow_vessels(broken).coupling_node.tolist())
    assert mouths >= set(np.setdiff1d(chains[:, 0], chains[:, 1]).tolist())


def test_the_cracks_run_through_both_alae_lateral_to_the_foramina() -> None:
    healthy, points = sick(level="S1", spacing=SPACING), _opened(SacralFracture())
    foramina = healthy.grid.world(np.argwhere(np.isin(healthy.compartment, FORAMINA))) / mm
    outer = np.abs(foramina[:, 0]).max() if len(foramina) else 24.0
    upright = points[np.abs(points[:, 2]) < 8]
    assert len(upright) > 100
    for sign in (-1, 1):
        side = np.abs(upright[sign * upright[:, 0] > 0, 0])
        assert side.mean() == pytest.approx(30, abs=1.5)
        assert side.min() > min(outer, 27.0)
        assert np.ptp(upright[sign * upright[:, 0] > 0, 1]) > 20  # from the front of the ala to its back
    top, low = points[:, 2].max(), points[:, 2].min()
    assert top > 0
    assert low < -30


def test_the_bar_joins_them_through_s2_and_spares_the_canal() -> None:
    marks = sick(level="S1", spacing=SPACING).landmarks
    middle = _opened(SacralFracture())
    middle = middle[np.abs(middle[:, 0]) < 10]
    assert len(middle) > 10
    assert np.all(np.abs(middle[:, 2] + 26.5) < 2)
    assert middle[:, 1].min() > marks.posterior_wall / mm
    without = _opened(SacralFracture(bar=False))
    assert not np.any(np.abs(without[:, 0]) < 10)


def test_one_side_only() -> None:
    left = _opened(SacralFracture(side="left", bar=False))
    assert np.all(left[:, 0] < -20)


def test_soft_tissue_is_torn_close_to_the_bone_only() -> None:
    healthy, broken = sick(level="S1", spacing=SPACING), _broken(SacralFracture())
    changed = np.any(broken.permeability > 3 * healthy.permeability, axis=0) & ~np.isin(broken.compartment, OWN)
    points, own = broken.grid.world(np.argwhere(changed)), np.argwhere(np.isin(broken.compartment, OWN))
    assert len(points) > 0  # the front of the ala is open
    bone = broken.grid.world(own)
    far = [np.linalg.norm(bone - point, axis=1).min() for point in points[:: max(len(points) // 40, 1)]]
    assert max(far) < 2.6 * SPACING


def test_sclerosis_and_a_dark_line_show_it_on_ct() -> None:
    healthy, broken = sick(level="S1", spacing=SPACING), _broken(SacralFracture())
    change = (broken.hu - healthy.hu).astype(float)
    _, j, k = broken.grid.nearest([0, 0, 0])
    line = change[:, j - 3 : j + 4, k].mean(axis=1)
    r = broken.grid.axes()[0] / mm
    for sign in (-1, 1):
        crack = min(np.flatnonzero(np.abs(sign * r - 30) < 3), key=lambda i: line[i])
        beside = 0.5 * (line[crack - 1] + line[crack + 1])
        assert beside > 60
        assert line[crack] < beside - 25
