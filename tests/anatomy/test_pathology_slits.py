"""Thin cracks as chains of slits: volume, conductance and exchange are the crack's own; where they lead is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anatomy.sick import sick
from vertebro.anatomy.anatomy import Anatomy, Exit
from vertebro.anatomy.network import CRACK_ROUTES, VeinNetwork
from vertebro.anatomy.network_slits import DRINK, couple_slits
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.anatomy.pathology_cracks import CRACK_POROSITY, HAEMATOMA, LOOSE_PERMEABILITY
from vertebro.anatomy.pathology_records import Cleft, EndplateCrack, Haemangioma, WallFissure
from vertebro.anatomy.store import load_anatomy, save_anatomy
from vertebro.drainage import flow_vessels, vein_course, vein_grid, vein_raster
from vertebro.quantity import Record
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

SIDE = WallFissure(wall="left", right=0.2, width=0.6 * mm, length=12 * mm, depth=10 * mm)
FISSURE = WallFissure(width=0.5 * mm, length=8 * mm)


@pytest.mark.parametrize("spacing", [1.2 * mm, 1.5 * mm])
def test_volume_and_conductance_are_the_cracks_own_on_every_grid(spacing: float) -> None:
    """In bone tighter than the crack all of it is slits, in more open bone its share of the voxels' pores."""
    one = sick(SIDE, spacing=spacing)
    network, slit = one.network, one.network.slit
    voxels = float((one.porosity - sick(spacing=spacing).porosity)[_bone(one)].sum()) * one.grid.voxel_volume
    whole = float(network.volume[slit].sum()) + voxels / (CRACK_POROSITY - 0.88)  # what was bone had 0.88 already
    assert whole == pytest.approx(0.6 * 12 * 15 * mm**3, rel=0.12)
    strips = network.conductance[slit] * network.length[slit] / network.span[slit]
    np.testing.assert_allclose(strips, (0.6 * mm) ** 3 / 12)


def _bone(one: Anatomy) -> np.ndarray:
    return np.isin(one.compartment, (Compartment.BODY, Compartment.ARCH))


def test_a_crack_is_slits_in_tight_bone_and_voxels_in_open_bone() -> None:
    """The criterion: w²/12 against K/φ of most of the bone that it cuts."""
    record, grid = WallFissure(wall="left", width=1.1 * mm, length=12 * mm, depth=10 * mm), 1.5 * mm
    dense = ParametricSpec(spacing=grid, surround_spacing=3 * mm, bone_fraction=0.30, pathology=(record,))
    assert _within(sick(record, spacing=grid).network) < 2 * mm  # through the shell
    assert _within(build_parametric(dense).network) > 5 * mm


def _within(network: VeinNetwork) -> float:
    """Mean length [m] of a strip within bone."""
    own = network.slit & network.inside
    return float((network.length * network.span)[own].sum() / (12 * mm))


@pytest.mark.parametrize(
    ("record", "route"),
    [
        (FISSURE, "canal"),
        (SIDE, "tissue"),
        (FISSURE.model_copy(update={"wall": "anterior"}), "tissue"),
        (EndplateCrack(), "disc_superior"),
        (EndplateCrack(endplate="inferior"), "disc_inferior"),
    ],
    ids=["posterior wall", "left wall", "anterior wall", "upper endplate", "lower endplate"],
)
def test_each_crack_leads_its_own_way(record: Record, route: str) -> None:
    network = sick(record).network
    own = network.route[network.slit]
    assert set(own) <= set(CRACK_ROUTES)
    assert np.mean(own == route) > 0.6
    assert not network.inside[network.slit].all()
    begins = np.setdiff1d(network.segments[network.slit, 0], network.segments[network.slit, 1])
    mouths = flow_vessels(sick(record)).coupling_node
    assert np.isin(begins, mouths).all()


@pytest.mark.parametrize("crack", [WallFissure, EndplateCrack])
def test_cracks_wider_than_a_voxel_stay_voxels_and_leave_the_network_alone(crack: type[Record]) -> None:
    one = sick(crack(width=1.3 * mm))
    assert not one.network.slit.any()
    assert len(one.network.segments) == len(sick().network.segments)


def test_a_slit_exchanges_with_both_faces_as_embedded_fractures_do() -> None:
    """2 A K over a quarter of the layer, in bone of one permeability; each strip drinks `DRINK` before it begins."""
    one = sick(FISSURE)
    everywhere = np.ones(one.grid.shape, bool)
    even = np.full_like(one.permeability, 1e-9)
    coupling = couple_slits(one.network, one.grid, even, everywhere, everywhere)
    slit = one.network.slit
    area = float((one.network.span * one.network.length)[slit].sum()) + 8 * mm * float(DRINK)
    assert coupling.conductance.sum() == pytest.approx(2 * area * 1e-9 / (1.2 * mm / 4), rel=1e-6)


def test_nothing_enters_the_dura_and_bone_takes_only_what_lies_within() -> None:
    one = sick(FISSURE)
    vessels = flow_vessels(one, clot=0.5)
    assert not np.any(one.tissue[tuple(vessels.coupling_cell.T)] == Tissue.DURA)
    assert set(vessels.viscosity[one.network.slit]) == {0.5}
    assert set(vessels.viscosity[~one.network.slit]) == {4e-3}


def test_soft_tissue_is_torn_around_a_broken_wall_and_nowhere_else() -> None:
    whole, broken = sick(), sick(SIDE)
    soft = np.isin(broken.tissue, (Tissue.FAT, Tissue.MUSCLE))
    torn = np.any(broken.permeability > 1.01 * whole.permeability, axis=0) & soft
    assert torn.any()
    assert broken.permeability[:, torn].min() >= LOOSE_PERMEABILITY
    outer = broken.network.middle[broken.network.slit & ~broken.network.inside]
    away = np.linalg.norm(broken.grid.world(np.argwhere(torn))[:, None] - outer[None], axis=2).min(axis=1)
    assert away.max() < 6 * mm + HAEMATOMA


def test_no_vein_opens_into_a_cleft_but_a_haemangiomas_lake_is_drained() -> None:
    for record, drained in ((Cleft(up=0.1, depth=30 * mm), False), (Haemangioma(lake=4e-6), True)):
        one = sick(record)
        cavity = one.tissue == Tissue.CLEFT
        assert cavity.any()
        assert bool(np.any(cavity[tuple(flow_vessels(one).coupling_cell.T)])) is drained


def test_a_mirrored_crack_is_the_mirror_image() -> None:
    here, there = (sick(FISSURE, mirrored=m).network for m in (False, True))
    volume = [float(n.volume[n.slit].sum()) for n in (here, there)]
    assert volume[0] == pytest.approx(volume[1], rel=0.02)
    middle = [np.average(n.middle[n.slit], axis=0, weights=n.volume[n.slit]) for n in (here, there)]
    np.testing.assert_allclose(middle[0] * [-1, 1, 1], middle[1], atol=0.5 * mm)


def test_a_stored_crack_comes_back(tmp_path) -> None:
    one = sick(SIDE)
    back = load_anatomy(save_anatomy(one, tmp_path / "a.h5")).network
    np.testing.assert_array_equal(back.breadth, one.network.breadth)
    assert back.inside.dtype == bool


def test_cement_in_a_slit_keeps_its_volume_on_pictures_and_counts_where_it_lies() -> None:
    one = sick(SIDE)
    network, course = one.network, vein_course(one)
    content = np.where(network.slit, 0.5 * network.volume, 0.0)
    grid = vein_grid(network, 0.8 * mm)
    assert vein_raster(network, grid).fraction(content).sum() * grid.voxel_volume == pytest.approx(content.sum(), 1e-3)
    assert "tissue" in course.routes


def test_a_crack_up_to_the_grids_rim_has_no_mouth_in_a_cell_held_at_a_pressure() -> None:
    one = sick(SIDE)
    before = flow_vessels(one)
    outside = one.compartment[tuple(before.coupling_cell.T)] == Compartment.PARAVERTEBRAL
    rim = before.coupling_cell[outside][:1]
    held = dataclasses.replace(one, exits=(*one.exits, Exit(name="rim", route="tissue", cells=rim, pressure=0.0)))
    after = flow_vessels(held)
    assert len(rim) == 1
    assert not (after.coupling_cell == rim).all(axis=1).any()
    assert 0 < len(before.coupling) - len(after.coupling) <= 2
