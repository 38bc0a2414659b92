"""Sacral insufficiency fractures: an H of cracks beside the foramina and across S2, open for cement, closed behind."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from anatomy.sick import sick
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.pathology import with_pathology
from vertebro.anatomy.pathology_records import SacralFracture
from vertebro.tissue import Compartment
from vertebro.units import mm

OWN = (Compartment.BODY, Compartment.ARCH)
FORAMINA = (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT)
SPACING = 1.5 * mm


@cache
def _broken(record: SacralFracture) -> Anatomy:
    return with_pathology(sick(level="S1", spacing=SPACING), (record,))


def _opened(record: SacralFracture) -> np.ndarray:
    """World points [mm] of the bone voxels that conduct along s or a as they did not before."""
    healthy, broken = sick(level="S1", spacing=SPACING), _broken(record)
    more = broken.permeability[1] > 1.3 * healthy.permeability[1]
    return broken.grid.world(np.argwhere(more & np.isin(broken.compartment, OWN))) / mm


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
        assert line[crack] < beside - 40
