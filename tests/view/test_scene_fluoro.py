"""The room: machine where the geometry says, patient on his table, frame on its detector, and a plan without OpenGL."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError, DataError
from vertebro.imaging import CArm
from vertebro.units import deg
from vertebro.view import fluoro_scene, scene_fluoro


def _room(run, pose):
    from vertebro.view.room_meshes import build_room

    return build_room(run, pose, float(run.times[-1]))


@pytest.fixture(scope="module")
def pose():
    return CArm(rows=96, cols=96, pitch=2.4e-3)


def test_beam_and_screen_end_at_the_detector_s_corners(small_run, pose):
    room, geometry = _room(small_run, pose), pose.geometry
    np.testing.assert_allclose(room.beam_edges.points[0], geometry.source * 1e3)
    half = 0.5 * 96 * 2.4
    corners = np.asarray(room.screens[0].points)
    # a square of the detector's size, 300 mm behind the back, upper left = patient's right, head
    np.testing.assert_allclose(np.ptp(corners, axis=0), [2 * half, 0, 2 * half], atol=1e-6)
    np.testing.assert_allclose(corners[0], [half, -300 + 1, half], atol=1e-6)


def test_the_patient_lies_on_the_table_and_the_trunk_goes_on_beyond_its_field(small_run, pose):
    room = _room(small_run, pose)
    skin, table = room.skin.bounds, room.table.bounds
    assert table[2] == pytest.approx(skin[3], abs=1e-3)  # anterior is down
    assert skin[5] - skin[4] > 100 + 2 * 180  # the field is 100 mm high
    assert table[0] < skin[0] < skin[1] < table[1]
    assert room.skin.n_open_edges == 0


def test_the_c_turns_with_the_beam(small_run, pose):
    lateral = CArm(orbital=90 * deg, rows=96, cols=96, pitch=2.4e-3)
    upright, lying = (np.asarray(_room(small_run, arm).arc.center) for arm in (pose, lateral))
    assert abs(upright[0]) > 200  # beside the patient, at his right
    assert lying[1] > 200  # under the table


def test_the_room_is_drawn_with_the_frame_in_it(small_run, pose, with_gl, tmp_path):
    picture = fluoro_scene(small_run, "ap", tmp_path / "room.png", size=(440, 330))
    assert picture.shape == (330, 440, 3)
    assert (tmp_path / "room.png").stat().st_size > 10_000
    other = fluoro_scene(small_run, CArm(orbital=90 * deg, rows=96, cols=96, pitch=2.4e-3), size=(440, 330))
    assert np.abs(picture.astype(int) - other).mean() > 5


def test_the_screen_shows_the_frame_upright(small_run, pose, with_gl):
    """A frame that is bright in its upper left quarter lights the detector's corner at the patient's right and head."""
    from vertebro.view.room_meshes import Room

    room = _room(small_run, pose)
    nothing = dict.fromkeys(("skin", "bones", "table", "floor", "arc", "tube", "panel", "beam"), room.beam_edges)
    bare = Room(**nothing, cement=None, beam_edges=room.beam_edges, needles=(), screens=room.screens, axes=room.axes)
    frame = np.zeros((96, 96), np.uint8)
    frame[:48, :48] = 255
    # from below, through the table: the patient's right is on the viewer's left and his head up, as in the picture
    picture = scene_fluoro.render_room(bare, pose, frame, (0.0, 1.2, -0.01), (200, 200)).astype(float).mean(axis=2)
    dark = np.argwhere(picture < 40)
    middle, bright = dark.mean(axis=0), np.argwhere(picture > 252).mean(axis=0)
    assert dark.size > 500
    assert abs(bright - middle).max() > 3


def test_without_opengl_the_plan_says_what_to_install(small_run, no_gl):
    picture = fluoro_scene(small_run, "lateral", size=(600, 450))
    assert picture.shape == (450, 600, 3)
    assert np.asarray(picture).std() > 10


def test_unknown_stands_views_and_moments_are_refused(small_run):
    with pytest.raises(DataError, match="stand"):
        fluoro_scene(small_run, "ap", stand="ceiling")
    with pytest.raises(CaseError, match="unknown view"):
        fluoro_scene(small_run, "sideways")
    with pytest.raises(DataError, match="no such moment"):
        fluoro_scene(small_run, "ap", time=1e4)
