"""The generated vertebra: sides, mirrors, grids, seeds, density, and inputs that cannot be."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.interior import BONE_TISSUES
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.errors import CaseError
from vertebro.tissue import Compartment, Tissue

SMALL = {"spacing": 1.2e-3, "surround_spacing": 3e-3, "surround_height": 0.10}


@cache
def built(**changes: float | str | int | bool) -> Anatomy:
    """A vertebra on a coarse grid; kept for the other tests of this file."""
    return build_parametric(ParametricSpec(**{**SMALL, **changes}))  # type: ignore[arg-type]


def _core(anatomy: Anatomy, depth: float = 3e-3) -> np.ndarray:
    """Body more than `depth` [m] from its surface: where a QCT region of interest lies."""
    body = anatomy.compartment == Compartment.BODY
    inside = ndimage.distance_transform_edt(body, sampling=anatomy.grid.spacing) > depth
    return np.asarray(inside & (anatomy.tissue != Tissue.VEIN))


def test_every_compartment_of_a_vertebra_is_there() -> None:
    """But for needle tracks, joints, and veins, which are a network beside the voxels."""
    elsewhere = {Compartment.TRACK, Compartment.JOINT, Compartment.VEIN_BASIVERTEBRAL, Compartment.VEIN_SEGMENTAL}
    assert set(np.unique(built().compartment)) >= set(Compartment) - elsewhere


def test_left_is_negative_in_labels_landmarks_and_organs() -> None:
    one = built()
    r = one.grid.axes()[0]
    for place, sign in ((Compartment.FORAMEN_LEFT, -1), (Compartment.FORAMEN_RIGHT, 1)):
        where = r[np.argwhere(one.compartment == place)[:, 0]]
        assert np.all(where * sign > 0)
    assert one.landmarks.pedicle_left.centre[0] < 0 < one.landmarks.pedicle_right.centre[0]
    grid, hu = one.surround.grid, one.surround.hu
    liver = hu[tuple(np.array(grid.nearest((0.10, 0.03, 0.02))))]
    mirror = hu[tuple(np.array(grid.nearest((-0.10, 0.03, -0.03))))]
    assert 45 < liver < 80  # the liver lies right
    assert not 55 < mirror < 70


def test_front_is_positive_and_up_is_positive() -> None:
    one = built()
    _, a, s = one.grid.axes()
    canal = a[np.argwhere(one.compartment == Compartment.CANAL)[:, 1]].mean()
    body = a[np.argwhere(one.compartment == Compartment.BODY)[:, 1]].mean()
    assert canal < body
    upper = s[np.argwhere(one.compartment == Compartment.DISC_SUPERIOR)[:, 2]].mean()
    lower = s[np.argwhere(one.compartment == Compartment.DISC_INFERIOR)[:, 2]].mean()
    assert lower < 0 < upper
    assert one.landmarks.spinous_tip[1] < one.landmarks.posterior_wall < one.landmarks.anterior_wall


def test_mirrored_spec_gives_the_mirror_image() -> None:
    one, two = built(seed=3), built(seed=3, mirrored=True)
    swap = np.arange(len(Compartment))
    swap[[Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT]] = [Compartment.FORAMEN_RIGHT, Compartment.FORAMEN_LEFT]
    assert (one.compartment == swap[two.compartment[::-1]]).mean() > 0.9995
    assert (one.tissue == two.tissue[::-1]).mean() > 0.9995
    np.testing.assert_allclose(one.hu, two.hu[::-1], atol=0.5)
    np.testing.assert_allclose(one.surround.hu, two.surround.hu[::-1], atol=1)
    ratio = one.permeability / two.permeability[:, ::-1]
    assert np.quantile(np.abs(np.log(ratio)), 0.999) < 0.02


def test_the_patient_without_its_texture_is_symmetric_near_the_spine() -> None:
    one = built(variation=0.0)
    for place in (Compartment.BODY, Compartment.ARCH, Compartment.DISC_SUPERIOR):
        mask = one.compartment == place
        assert (mask != mask[::-1]).sum() < 0.002 * mask.sum()


def test_refining_the_grid_keeps_the_bone() -> None:
    """Same volumes, same mean density, and the smooth core field itself agrees where voxel centres coincide."""
    coarse, fine = built(spacing=1.2e-3), built(spacing=0.8e-3)
    assert fine.body_volume == pytest.approx(coarse.body_volume, rel=0.02)
    means = [float(x.bone_fraction[_core(x)].mean()) for x in (coarse, fine)]
    assert means[0] == pytest.approx(means[1], rel=0.03)
    points = coarse.grid.world(np.argwhere(_core(coarse, 4e-3)))
    on_fine = ndimage.map_coordinates(fine.bone_fraction, fine.grid.index(points).T, order=1)
    on_coarse = coarse.bone_fraction[_core(coarse, 4e-3)]
    assert np.corrcoef(on_fine, on_coarse)[0, 1] > 0.95


def test_same_seed_same_patient_other_seed_other_texture() -> None:
    one = build_parametric(ParametricSpec(**SMALL))  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.hu, built().hu)
    np.testing.assert_array_equal(one.permeability, built().permeability)
    other = built(seed=1)
    core = _core(one)
    assert abs(np.corrcoef(one.hu[core], other.hu[core])[0, 1]) < 0.6
    assert other.body_volume == pytest.approx(one.body_volume, rel=1e-9)


@pytest.mark.parametrize("fraction", [0.05, 0.07, 0.15])
def test_mean_bone_fraction_of_the_core_is_the_one_asked_for(fraction: float) -> None:
    one = built(bone_fraction=fraction)
    assert float(one.bone_fraction[_core(one)].mean()) == pytest.approx(fraction, rel=0.08)


def test_osteoporotic_core_has_an_osteoporotic_ct_number() -> None:
    """Under 91 HU excludes normal bone, over 30 is still bone (hu_l1); 77 mg/cm³ is BV/TV 0.07."""
    one = built(density=77.0)
    assert 60 < float(one.hu[_core(one)].mean()) < 110


def test_bone_is_denser_under_the_endplates_and_at_the_posterior_wall() -> None:
    one = built(variation=0.0)
    grid = one.grid
    core = _core(one, 2e-3)
    _, a, s = (np.broadcast_to(x, grid.shape) for x in grid.open_mesh())
    middle = core & (np.abs(s) < 3e-3) & (np.abs(a) < 4e-3)
    under = core & (np.abs(s) > 7e-3) & (np.abs(a) < 4e-3)
    back = core & (np.abs(s) < 3e-3) & (a < -9e-3)
    assert one.bone_fraction[under].mean() > 1.3 * one.bone_fraction[middle].mean()
    assert one.bone_fraction[back].mean() > 1.05 * one.bone_fraction[middle].mean()


def test_a_thin_cortex_shows_as_a_bright_rim_of_partial_volume() -> None:
    one = built()
    body = one.compartment == Compartment.BODY
    skin = body & ~ndimage.binary_erosion(body)
    assert one.hu[skin].mean() > 2.5 * one.hu[_core(one)].mean()
    assert one.hu.max() < 1800


def test_body_and_arch_are_each_one_piece() -> None:
    one = built(spacing=0.8e-3)
    for place in (Compartment.BODY, Compartment.ARCH):
        parts, count = ndimage.label(one.compartment == place, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel())[1:]
        assert count == 1 or np.sort(sizes)[-2] < 0.01 * sizes.max()


def test_facet_joints_keep_a_gap_between_the_bones() -> None:
    """No voxel of this arch touches a bone of a neighbour, or the joint would be fused."""
    one = built(spacing=0.8e-3)
    own = one.compartment == Compartment.ARCH
    other = np.isin(one.tissue, BONE_TISSUES) & (one.compartment == Compartment.PARAVERTEBRAL)
    touching = ndimage.binary_dilation(own) & other
    assert touching.sum() < 0.005 * own.sum()


def test_landmarks_lie_where_the_labels_say() -> None:
    one = built(spacing=0.8e-3)
    marks, grid = one.landmarks, one.grid
    body = one.compartment == Compartment.BODY
    i, _, k = grid.nearest((0.0, 0.0, 0.0))
    a = grid.axes()[1][body[i, :, k]]
    assert a.max() == pytest.approx(marks.anterior_wall, abs=1.2e-3)
    assert a.min() == pytest.approx(marks.posterior_wall, abs=1.2e-3)
    j = grid.nearest((0.0, 0.0, 0.0))[1]
    s = grid.axes()[2][body[i, j]]
    assert s.max() == pytest.approx(marks.superior_endplate, abs=1.2e-3)
    assert s.min() == pytest.approx(marks.inferior_endplate, abs=1.2e-3)
    for pedicle in (marks.pedicle_left, marks.pedicle_right):
        assert one.compartment[grid.nearest(pedicle.centre)] == Compartment.ARCH
        inside = pedicle.centre + 12e-3 * pedicle.axis
        assert one.compartment[grid.nearest(inside)] == Compartment.BODY
    assert one.compartment[grid.nearest(marks.canal_centre)] == Compartment.CANAL


def test_surround_shows_the_whole_trunk_in_air() -> None:
    hu = built(surround_height=0.2).surround.hu
    assert hu.dtype == np.int16
    assert np.all(hu[0] == -1000)
    assert np.all(hu[:, 0] == -1000)
    assert (hu > -200).mean() > 0.5
    assert hu.min() >= -1000


def test_surround_and_simulation_grid_show_the_same_bone() -> None:
    one = build_parametric(ParametricSpec(spacing=1.0e-3, surround_spacing=1.0e-3, surround_height=0.1))
    points = one.grid.world(np.argwhere(_core(one)))
    wide = ndimage.map_coordinates(one.surround.hu.astype(np.float32), one.surround.grid.index(points).T, order=1)
    assert wide.mean() == pytest.approx(float(one.hu[_core(one)].mean()), rel=0.05)


@pytest.mark.parametrize("level", ["T10", "L5"])
def test_other_levels_build_with_discs_canal_and_veins(level: str) -> None:
    one = built(level=level)
    assert one.level == level
    present = set(np.unique(one.compartment))
    assert present >= {Compartment.BODY, Compartment.ARCH, Compartment.CANAL, Compartment.DISC_SUPERIOR}
    assert Compartment.DISC_INFERIOR in present
    assert one.network is not None
    assert "segmental" in one.network.routes


def test_provenance_lets_the_same_patient_be_built_again() -> None:
    made = json.loads(json.dumps(built(seed=5).provenance))
    again = ParametricSpec(**made["spec"])
    assert again == ParametricSpec(**{**SMALL, "seed": 5})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"level": "L9"}, "level"),
        ({"level": "T3"}, "level"),
        ({"spacing": 0.1e-3}, "spacing"),
        ({"spacing": float("nan")}, "spacing"),
        ({"spacing": "fine"}, "spacing"),
        ({"bone_fraction": 0.9}, "bone_fraction"),
        ({"bone_fraction": -0.1}, "bone_fraction"),
        ({"density": 5000.0}, "density"),
        ({"density": 77.0, "bone_fraction": 0.07}, "give one"),
        ({"variation": 3.0}, "variation"),
        ({"sex": "robot"}, "sex"),
        ({"stature": 5.0}, "stature"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"surround_height": 5.0}, "surround_height"),
    ],
)
def test_what_cannot_be_built_is_named(change: dict[str, object], word: str) -> None:
    with pytest.raises(CaseError, match=word):
        ParametricSpec(**change)  # type: ignore[arg-type]


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(CaseError) as caught:
        ParametricSpec(level="C1", spacing=-1.0, bone_fraction=2.0)
    assert all(word in str(caught.value) for word in ("level", "spacing", "bone_fraction"))
