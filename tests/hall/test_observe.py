"""Pictures of a scene: cement darkens the fluoroscopy frame where it lies and nowhere else; CT shows it white."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.observe import Camera
from vertebro.scans import ct_planes


@pytest.fixture(scope="module")
def camera(short_run):
    return Camera(short_run.scene)


@pytest.mark.parametrize("view", ["ap", "lateral", "30,-10", "true-ap", "true-lateral", "en-face-left"])
def test_cement_darkens_its_own_shadow_only(camera, short_run, view):
    none = np.zeros(short_run.anatomy.grid.shape, np.float32)
    before = camera.shoot(view, 0.0, none).display16.astype(float)
    after = camera.shoot(view, 0.0, short_run.cement_fraction()).display16.astype(float)
    shadow = camera.view(view).cement_line(short_run.cement_fraction(), short_run.anatomy.grid)
    thick, free = shadow > 5e-3, shadow == 0
    assert (before - after)[thick].mean() > 3000
    assert abs((before - after)[free].mean()) < 500


def test_left_needle_lies_on_the_right_of_the_ap_picture(camera, short_run):
    """The patient's right is on the viewer's left, so a left needle's hub lies right of the middle."""
    prepared = camera.view("ap")
    needle = short_run.scene.needles[0]
    assert needle.entry[0] < needle.tip[0]
    _, column = prepared.geometry.project_point(needle.entry)
    assert column > prepared.geometry.cols / 2


def test_a_needle_that_is_out_is_in_no_picture(short_run):
    """Bright where its steel was, the same everywhere else; pulled back by 10 mm only its tip is missing."""
    own = Camera(short_run.scene)
    none = np.zeros(short_run.anatomy.grid.shape, np.float32)
    with_needle = own.shoot("lateral", 0.0, none).display16.astype(float)
    steel = own._needles["lateral"] > 0
    (needle,) = own.needles_shown
    own.show_needles((needle.moved(10e-3),))
    assert 0.5 * steel.sum() < (own._needles["lateral"] > 0).sum() < steel.sum()
    own.show_needles(())
    without = own.shoot("lateral", 0.0, none).display16.astype(float)
    assert (without - with_needle)[steel].mean() > 3000
    assert abs((without - with_needle)[~steel].mean()) < 500


def test_anterior_is_left_on_the_lateral_picture(camera):
    geometry = camera.view("lateral").geometry
    assert geometry.project_point(np.array([0, 0.02, 0]))[1] < geometry.project_point(np.array([0, -0.02, 0]))[1]
    assert geometry.project_point(np.array([0, 0, 0.02]))[0] < geometry.project_point(np.array([0, 0, -0.02]))[0]


@pytest.mark.parametrize("view", ["front", "1", "200,0", "0,89", "a,b", "en-face", "true-oblique"])
def test_unknown_views_are_refused(camera, short_run, view):
    with pytest.raises(CaseError, match=r"(?s)unknown view.*true-lateral"):
        camera.shoot(view, 0.0, short_run.cement_fraction())


def test_cement_is_white_on_ct(short_run):
    with_cement = ct_planes(short_run.scene, short_run.cement_fraction())
    assert set(with_cement) == {"axial", "sagittal", "coronal"}
    assert all(slice_.hu.max() > 2000 for slice_ in with_cement.values())
    assert all(slice_.hu.max() < 2000 for slice_ in ct_planes(short_run.scene).values())


def test_a_needle_through_the_pedicle_is_shortest_en_face(camera, short_run):
    """Seen down the pedicle's axis; this needle converges more than its pedicle, so it is no dot."""
    needle = short_run.scene.needles[0]

    def seen(view):
        shadow = camera.view(view).geometry.project_point(np.stack([needle.entry, needle.tip]))
        return float(np.linalg.norm(shadow[1] - shadow[0]))

    assert seen("en-face-left") < 0.8 * min(seen("ap"), seen("lateral"))


def test_a_look_names_contrast_and_area_of_a_leak_in_the_frame_that_was_shown(camera, short_run):
    cement = short_run.cement_fraction()
    r, _, _ = short_run.anatomy.grid.open_mesh()
    part = np.where(r < float(np.median(np.nonzero(cement)[0])), cement, 0).astype(np.float32)
    prepared = camera.view("lateral")
    frame = prepared.frame(cement_line=prepared.cement_line(cement, short_run.anatomy.grid), cement=camera.cement)
    seen = camera.look("lateral", part, cement, frame=frame)
    assert seen.visible is camera.sees("lateral", part, cement) is True
    assert seen.cnr > 1
    assert 0 < seen.visible_area < 25e-4
    assert camera.look("lateral", np.zeros_like(cement), cement).visible is False


def test_cement_in_veins_beyond_the_voxels_is_seen_and_is_not_its_own_background(camera, short_run):
    """What drains from the grid casts the shadow it has in the frame; empty veins or others' cement show no leak."""
    network, grid = short_run.anatomy.network, short_run.anatomy.grid
    low, high = grid.extent
    far = np.any((network.middle < low - 2e-3) | (network.middle > high + 2e-3), axis=1)
    far &= np.abs(network.middle[:, 2]) < 0.07
    veins = np.where(far & ~network.slit, np.pi * network.radius**2 * network.length, 0.0)
    assert veins.any()
    none = np.zeros(grid.shape, np.float32)
    seen = camera.look("lateral", none, none, veins=veins, leaked_veins=veins)
    assert seen.visible
    assert seen.area > 0
    assert not camera.sees("lateral", none, none)
    assert not camera.sees("lateral", none, none, veins=veins, leaked_veins=np.zeros_like(veins))
