"""Several levels of one generated patient: the same bones in the same place, whichever level they are seen from."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric, build_stack
from vertebro.errors import CaseError
from vertebro.tissue import Compartment, Organ

SMALL = {"spacing": 1.2e-3, "surround_spacing": 2e-3, "surround_height": 0.16}


@cache
def stack() -> dict[str, Anatomy]:
    """Two levels of a patient with sizes of her own."""
    spec = ParametricSpec(level="L1", size_variation=1.0, seed=4, variation=0.0, dimensions={"disc": 6e-3}, **SMALL)
    return build_stack(spec, ("T12", "L2"))


def _patient(one: Anatomy, points: np.ndarray) -> np.ndarray:
    return points @ one.patient_from_world[:3, :3].T + one.patient_from_world[:3, 3]


def _world(one: Anatomy, points: np.ndarray) -> np.ndarray:
    return (points - one.patient_from_world[:3, 3]) @ one.patient_from_world[:3, :3]


def test_every_level_has_its_own_axes_and_the_patients_frame_is_rigid() -> None:
    upper, lower = stack().values()
    for one in (upper, lower):
        rotation = one.patient_from_world[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert not np.allclose(upper.patient_from_world, lower.patient_from_world)


def test_the_levels_are_where_either_sees_them() -> None:
    upper, lower = stack().values()
    places = [{x.name: _patient(one, x.centre) for x in one.spine} for one in (upper, lower)]
    shared = set(places[0]) & set(places[1])
    assert shared >= {"T12", "L1", "L2"}
    for name in shared:
        np.testing.assert_allclose(places[0][name], places[1][name], atol=1e-9)


def test_a_bone_of_the_stack_fills_the_same_patient_space_from_either_level() -> None:
    """The body of L2, labelled on its own grid, is bone in the surround seen from T12, and its disc space is not."""
    upper, lower = stack().values()
    body = ndimage.binary_erosion(lower.compartment == Compartment.BODY, iterations=2)
    disc = ndimage.binary_erosion(lower.compartment == Compartment.DISC_SUPERIOR, iterations=1)
    skin = (lower.compartment == Compartment.BODY) & ~ndimage.binary_erosion(lower.compartment == Compartment.BODY)

    def seen(mask: np.ndarray, one: Anatomy) -> np.ndarray:
        points = _world(one, _patient(lower, lower.grid.world(np.argwhere(mask))))
        index = one.surround.grid.index(points).T
        return ndimage.map_coordinates(one.surround.hu.astype(np.float32), index, order=1, mode="nearest")

    for mask, tolerance in ((body, 12.0), (disc, 12.0), (skin, 40.0)):
        assert np.abs(seen(mask, upper).mean() - seen(mask, lower).mean()) < tolerance
    assert np.corrcoef(seen(skin | disc, upper), seen(skin | disc, lower))[0, 1] > 0.9


def test_soft_tissue_and_organs_are_shared_too() -> None:
    upper, lower = stack().values()
    grid = lower.surround.grid
    rng = np.random.default_rng(0)
    points = grid.world(rng.integers(4, np.array(grid.shape) - 4, (6000, 3)))
    there = upper.surround.grid.index(_world(upper, _patient(lower, points)))
    inside = np.all((there > 1) & (there < np.array(upper.surround.grid.shape) - 2), axis=1)
    assert inside.sum() > 1500
    here, there = np.rint(grid.index(points[inside])).astype(int), np.rint(there[inside]).astype(int)
    one, two = lower.surround.organ[tuple(here.T)], upper.surround.organ[tuple(there.T)]
    assert (one == two).mean() > 0.96
    flesh = [x.surround.hu[tuple(i.T)].astype(float) for x, i in ((lower, here), (upper, there))]
    assert np.median(np.abs(flesh[0] - flesh[1])) < 5


def test_a_bare_name_means_the_level_of_the_spec_in_the_whole_stack() -> None:
    for one in stack().values():
        assert one.provenance["spec"]["dimensions"] == {"L1.disc": 6e-3}


def test_an_anatomy_of_a_stack_is_the_one_its_provenance_builds() -> None:
    one = stack()["L2"]
    again = build_parametric(ParametricSpec(**one.provenance["spec"]))
    np.testing.assert_array_equal(one.compartment, again.compartment)


@pytest.mark.parametrize("levels", [(), ("L1", "L1"), ("L1", "L8")])
def test_levels_that_cannot_be_stacked_are_refused(levels: tuple[str, ...]) -> None:
    with pytest.raises(CaseError):
        build_stack(ParametricSpec(**SMALL), levels)


def test_levels_can_be_counted_from_the_ribs_to_the_sacrum() -> None:
    one = build_parametric(ParametricSpec(level="L3", spacing=1.5e-3, surround_spacing=3e-3, surround_height=0.4))
    names = [x.name for x in one.spine]
    assert names[names.index("T12") :] == ["T12", "L1", "L2", "L3", "L4", "L5"]
    assert names.index("T9") >= 0
    heights = [x.centre[2] for x in one.spine]
    assert heights == sorted(heights, reverse=True)
    own = one.spine[names.index("L3")]
    np.testing.assert_allclose(own.centre, 0.0, atol=1e-9)
    np.testing.assert_allclose(own.axes, np.eye(3), atol=1e-9)
    grid, hu = one.surround.grid, one.surround.hu
    beside = np.abs(grid.axes()[0]) > 0.06  # further out than any transverse process: ribs above, ilium below
    bone = (hu > 200)[beside].any(axis=(0, 1))
    s = grid.axes()[2]
    t12, l5 = (x.centre[2] for x in one.spine if x.name in ("T12", "L5"))
    assert bone[np.abs(s - t12) < 0.03].any()
    assert not bone[(s < 0.02) & (s > l5 + 0.02)].any()
    assert bone[s < l5 - 0.01].any()


def test_organs_lie_where_a_needle_would_meet_them() -> None:
    upper, lower = stack().values()
    present = {Organ(int(x)) for x in np.unique(upper.surround.organ)}
    assert present >= {Organ.CANAL, Organ.NERVE, Organ.ARTERY, Organ.VEIN, Organ.LUNG, Organ.KIDNEY, Organ.LIVER}
    for one in (upper, lower):
        organ, grid = one.surround.organ, one.surround.grid
        assert organ[grid.nearest(one.landmarks.canal_centre)] == Organ.CANAL
        assert organ[grid.nearest((0.0, 0.0, 0.0))] == Organ.NONE
        aorta = grid.world(np.argwhere(organ == Organ.ARTERY)).mean(axis=0)
        cava = grid.world(np.argwhere(organ == Organ.VEIN)).mean(axis=0)
        assert aorta[0] < cava[0]  # the aorta lies left
        assert aorta[1] > one.landmarks.anterior_wall
    middle = upper.surround.grid.world(np.argwhere(upper.surround.organ == Organ.LIVER)).mean(axis=0)
    assert middle[0] > 0.03
