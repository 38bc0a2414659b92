"""What makes a thoracic vertebra thoracic and a cervical one cervical: ribs, lungs, facets, foramina, neck."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.anatomy.parametric_chest import build_chest
from vertebro.anatomy.parametric_column import build_column
from vertebro.anatomy.parametric_dimensions import LEVELS, dimensions
from vertebro.anatomy.parametric_neck_vertebra import transverse_foramen
from vertebro.anatomy.parametric_ribs import rib_joints, rib_shapes
from vertebro.anatomy.parametric_trunk import build_trunk
from vertebro.anatomy.parametric_vertebra import facet_normal, transverse_line
from vertebro.errors import CaseError
from vertebro.tissue import Compartment, Organ, Tissue

SMALL = {"spacing": 1.2e-3, "surround_spacing": 2e-3, "surround_height": 0.14}
RIBS = [f"T{n}" for n in range(4, 13)]


@cache
def built(level: str, mirrored: bool = False) -> Anatomy:
    """A level on a coarse grid."""
    return build_parametric(ParametricSpec(level=level, mirrored=mirrored, **SMALL))


def test_the_levels_are_c6_and_t4_to_l5() -> None:
    assert ("C6", *(f"T{n}" for n in range(4, 13)), *(f"L{n}" for n in range(1, 6))) == LEVELS


@pytest.mark.parametrize("level", ["C7", "T3", "L6", "T13", "", "l1"])
def test_other_levels_are_refused_with_a_list(level: str) -> None:
    with pytest.raises(CaseError, match="T4"):
        ParametricSpec(level=level)


@pytest.mark.parametrize("level", ["C6", "T4", pytest.param("T8", marks=pytest.mark.slow), "T11"])
def test_every_compartment_canal_and_foramen_is_there(level: str) -> None:
    one = built(level)
    present = set(np.unique(one.compartment))
    wanted = {"BODY", "ARCH", "CANAL", "FORAMEN_LEFT", "FORAMEN_RIGHT", "DISC_SUPERIOR", "DISC_INFERIOR"}
    assert present >= {Compartment[name] for name in wanted}
    assert [way.route for way in one.exits] == ["tissue"]  # the veins leave by the network
    assert one.network is not None
    assert len(one.network.outlet_names) > 1
    assert one.network.inside.any()
    r = one.grid.axes()[0]
    assert r[np.argwhere(one.compartment == Compartment.FORAMEN_LEFT)[:, 0]].max() < 0
    assert np.all(np.isfinite(one.permeability))


@pytest.mark.parametrize("level", ["C6", pytest.param("T7", marks=pytest.mark.slow)])
def test_a_mirrored_patient_is_the_mirror_image(level: str) -> None:
    one, two = built(level), built(level, mirrored=True)
    swap = np.arange(len(Compartment))
    swap[[Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT]] = [Compartment.FORAMEN_RIGHT, Compartment.FORAMEN_LEFT]
    assert (one.compartment == swap[two.compartment[::-1]]).mean() > 0.9995
    np.testing.assert_array_equal(one.surround.organ, two.surround.organ[::-1])
    np.testing.assert_array_equal(one.surround.hu, two.surround.hu[::-1])


@pytest.mark.parametrize("level", RIBS)
def test_ribs_touch_the_body_and_the_transverse_process_but_do_not_fuse(level: str) -> None:
    """A joint space of about a millimetre between rib and vertebra; the head of ribs 2 to 10 at the disc above."""
    dim, number = dimensions(level), int(level[1:])
    bone = next(b for b in build_column(level, sex="mean", stature=None).bones if b.level == level)
    head, tubercle = rib_joints(bone, number)
    assert abs(head[0] - 0.5 * dim.upper_width) < 4e-3
    assert head[2] == pytest.approx(0.5 * dim.height if number <= 10 else 0.22 * dim.height)
    if number <= 10:
        tip = transverse_line(dim, 1.0)[1]
        assert 6e-3 < np.linalg.norm(tubercle - tip) < 11e-3  # both are about 4 mm thick
        assert tubercle[1] > tip[1]
    assert tubercle[1] < head[1]


def test_a_twelfth_rib_is_short_and_the_eighth_reaches_the_front() -> None:
    column = build_column("T12", sex="mean", stature=None)
    trunk = build_trunk(column, 1.0)
    chest = build_chest(trunk)
    reach = {}
    for number in (8, 12):
        bone = next(b for b in column.bones if b.level == f"T{number}")
        shaft = rib_shapes(trunk, chest, bone, number, 1.0)[1]
        reach[number] = max(float(x.high[1]) for x in shaft)
        assert max(float(x.high[0]) for x in shaft) > 0.09  # both go around the flank
    assert reach[12] < 0.03 < 0.09 < reach[8]


def test_lungs_lie_on_both_sides_close_to_the_vertebra() -> None:
    one = built("T7")
    grid = one.surround.grid
    lung = one.surround.organ == Organ.LUNG
    k = grid.nearest((0, 0, 0))[2]
    r, a, _ = grid.axes()
    row = lung[:, grid.nearest((0, 0.0, 0))[1], k]
    for side in (1, -1):
        reach = np.abs(r[row & (r * side > 0)]).min()
        half = 0.5 * dimensions("T7", sex="female").upper_width
        assert half < reach < half + 12e-3
    assert not lung[np.abs(r) < 8e-3][:, :, k].any()
    hindmost = a[lung[:, :, k].any(axis=0)].min()
    assert hindmost < one.landmarks.posterior_wall  # the gutter beside the vertebra


def test_lungs_do_not_reach_l3() -> None:
    one = build_parametric(ParametricSpec(level="L3", **SMALL))
    organ, grid = one.surround.organ, one.surround.grid
    assert not (organ[:, :, np.abs(grid.axes()[2]) < 0.03] == Organ.LUNG).any()


def test_thoracic_spines_overlap_the_level_below_and_facets_are_coronal() -> None:
    column = {b.level: b for b in build_column("T7", sex="mean", stature=None).bones}
    tip = column["T7"].pose.to_world(
        [0.0, -0.5 * column["T7"].dim.depth - column["T7"].dim.reach, -column["T7"].dim.drop]
    )
    below = column["T8"].pose.to_world([0.0, 0.0, 0.0])
    assert tip[2] < below[2] + 0.25 * column["T8"].dim.height
    assert facet_normal(dimensions("T7"))[1] < -0.9
    assert abs(facet_normal(dimensions("L2"))[0]) > 0.8
    assert facet_normal(dimensions("C6"))[2] == pytest.approx(np.sin(np.radians(45)))


def test_thoracic_transverse_processes_point_back() -> None:
    for level, least in (("T7", 30.0), ("L3", 5.0)):
        root, tip = transverse_line(dimensions(level), 1.0)
        angle = np.degrees(np.arctan2(root[1] - tip[1], tip[0] - root[0]))
        assert least < angle < 45.0


def test_c6_has_uncinate_processes_beside_the_disc_above() -> None:
    one = build_parametric(ParametricSpec(level="C6", spacing=0.6e-3, surround_spacing=3e-3, surround_height=0.08))
    dim, grid = dimensions("C6", sex="female"), one.grid
    k = grid.nearest((0, 0, 0.5 * dim.height + 0.4 * dim.uncus))[2]
    j = grid.nearest((0, -0.1 * dim.depth, 0))[1]
    row = one.compartment[:, j, k] == Compartment.BODY
    r = grid.axes()[0]
    assert row[r > 0].any()
    assert row[r < 0].any()
    assert not row[np.abs(r) < 6e-3].any()


def test_the_vertebral_artery_runs_through_the_transverse_foramen_of_c6() -> None:
    one = build_parametric(ParametricSpec(level="C6", spacing=0.6e-3, surround_spacing=1e-3, surround_height=0.08))
    hole = transverse_foramen(dimensions("C6", sex="female"), 1.0)
    bone = np.isin(one.tissue, (Tissue.CORTICAL, Tissue.CANCELLOUS))
    for side in (1.0, -1.0):
        centre = hole * np.array([side, 1.0, 1.0])
        assert one.surround.organ[one.surround.grid.nearest(centre)] == Organ.ARTERY
        i, j, k = one.grid.nearest(centre - np.array([0, 0, 1.5e-3]))
        slab = ~bone[:, :, k - 1 : k + 2].any(axis=2)
        parts, _ = ndimage.label(slab)
        assert parts[i, j] > 0
        assert (parts == parts[i, j]).sum() * one.grid.spacing[0] ** 2 < 120e-6  # closed all around by bone


def test_the_neck_has_its_organs_where_an_anterior_approach_meets_them() -> None:
    one = build_parametric(ParametricSpec(level="C6", **SMALL))
    organ, grid, hu = one.surround.organ, one.surround.grid, one.surround.hu
    places = {
        kind: grid.world(np.argwhere(organ == kind))
        for kind in (Organ.AIRWAY, Organ.OESOPHAGUS, Organ.THYROID, Organ.ARTERY, Organ.VEIN, Organ.CANAL)
    }
    front = one.landmarks.anterior_wall
    assert all(len(x) for x in places.values())
    near = {kind: x[np.abs(x[:, 2]) < 5e-3] for kind, x in places.items()}
    airway, gullet = near[Organ.AIRWAY].mean(axis=0), near[Organ.OESOPHAGUS].mean(axis=0)
    assert front < gullet[1] < airway[1] < front + 0.04
    assert hu[grid.nearest(airway)] < -800
    carotid = near[Organ.ARTERY][near[Organ.ARTERY][:, 1] > front]
    assert np.abs(carotid[:, 0]).mean() == pytest.approx(0.025, abs=0.006)
    jugular = near[Organ.VEIN]
    assert np.abs(jugular[:, 0]).mean() > np.abs(carotid[:, 0]).mean()
    assert np.all(hu[0] == -1000)
    assert np.all(hu[:, 0] == -1000)
    skin = one.landmarks.posterior_skin
    line = hu[grid.nearest((0, 0, 0))[0], :, grid.nearest((0, 0, 0))[2]]
    assert grid.axes()[1][line > -500].min() == pytest.approx(skin, abs=4e-3)
