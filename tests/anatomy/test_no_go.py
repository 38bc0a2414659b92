"""What a needle must not meet: named volumes on both grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from anatomy.block import GRID, block, landmarks
from vertebro.anatomy.anatomy import Anatomy, Surround
from vertebro.anatomy.landmark_surfaces import exiting_root
from vertebro.anatomy.no_go import no_go_volumes
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Organ


def _toy(organ: np.ndarray | None = None, grid: VoxelGrid = GRID) -> Anatomy:
    one = block(veins=False)
    return replace(one, surround=Surround(grid=grid, hu=np.zeros(grid.shape, np.int16), organ=organ))


def test_canal_is_widened_by_its_margin_and_no_more() -> None:
    one = _toy()
    canal = one.compartment == Compartment.CANAL
    away = ndimage.distance_transform_edt(~canal, sampling=GRID.spacing)
    wide = no_go_volumes(one, canal_margin=2.0e-3)["canal"].near
    assert wide[canal].all()
    assert away[wide].max() <= 2.0e-3 + 0.6e-3
    assert wide[away < 2.0e-3].all()
    np.testing.assert_array_equal(no_go_volumes(one, canal_margin=0.0)["canal"].near, canal)


def test_assumed_roots_are_tubes_outside_the_bone() -> None:
    nerve = no_go_volumes(_toy(), nerve_radius=2.5e-3)["nerve"].near
    assert not nerve[_toy().compartment == Compartment.BODY].any()
    for pedicle in landmarks().pedicles:
        assert nerve[GRID.nearest(exiting_root(pedicle)[1])]
    points = GRID.world(np.argwhere(nerve))
    lines = [exiting_root(p) for p in landmarks().pedicles]
    dense = np.concatenate([x[i] + np.linspace(0, 1, 60)[:, None] * (x[i + 1] - x[i]) for x in lines for i in range(3)])
    assert np.linalg.norm(points[:, None] - dense[None], axis=2).min(axis=1).max() < 2.5e-3 + 1.3e-3


def test_organs_of_the_surround_come_on_both_grids() -> None:
    wide = VoxelGrid.around((-0.06,) * 3, (0.06,) * 3, 2.4e-3)
    organ = np.zeros(wide.shape, np.uint8)
    r, a, s = wide.open_mesh()
    organ[(np.hypot(r + 0.028, a - 0.02) < 4e-3) & np.isfinite(s)] = Organ.ARTERY
    organ[(np.hypot(r - 0.05, a) < 6e-3) & np.isfinite(s)] = Organ.KIDNEY
    found = no_go_volumes(_toy(organ, wide))
    assert found["artery"].near[GRID.nearest((-0.028, 0.02, 0.0))]
    assert not found["artery"].near[GRID.nearest((0.028, 0.02, 0.0))]
    assert found["artery"].far is not None
    np.testing.assert_array_equal(found["kidney"].far, organ == Organ.KIDNEY)
    assert not found["kidney"].near.any()
    assert "liver" not in found


def test_an_anatomy_without_organs_still_knows_canal_and_nerve() -> None:
    found = no_go_volumes(_toy())
    assert set(found) == {"canal", "nerve"}
    assert found["canal"].far is None


@pytest.mark.parametrize("margins", [{"canal_margin": 0.02}, {"nerve_radius": -1.0}])
def test_margins_out_of_range_are_refused(margins: dict[str, float]) -> None:
    with pytest.raises(CaseError, match=next(iter(margins))):
        no_go_volumes(_toy(), **margins)
