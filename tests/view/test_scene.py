"""The 3-D picture: geometry of the camera, surfaces from fields, colours where they belong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vertebro.errors import DataError
from vertebro.record import Run
from vertebro.tissue import Compartment
from vertebro.view import draw_scene, scene, theme
from vertebro.view.cement_fields import bony_box, inside_and_outside, spread_times

SIZE = (320, 256)
CUBE = np.array([[x, y, z] for x in (-20.0, 20) for y in (-20.0, 20) for z in (-20.0, 20)])


def _count(picture: NDArray[np.uint8], colour: str, reach: float = 45) -> int:
    away = np.linalg.norm(picture.astype(float) - 255 * np.array(theme.rgb(colour)), axis=-1)
    return int((away < reach).sum())


def _hued(picture: NDArray[np.uint8], colour: str) -> int:
    """Pixels of a colour's hue, whatever the light does to it."""
    values = picture.astype(float) / 255
    bright = np.linalg.norm(values, axis=-1)
    wanted = np.array(theme.rgb(colour))
    alike = (values @ wanted) / np.maximum(bright * np.linalg.norm(wanted), 1e-9)
    return int(((alike > 0.996) & (bright > 0.3)).sum())


@pytest.mark.parametrize("view", scene.VIEWS)
def test_camera_axes_are_a_right_handed_unit_frame(view: str) -> None:
    camera = scene.camera_of(CUBE, view, SIZE)
    axes = np.stack([camera.right, camera.up, camera.towards])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1.0)


def test_seen_from_behind_left_is_left_and_from_above_right_is_right() -> None:
    left, right = np.array([-10.0, 0, 0]), np.array([10.0, 0, 0])
    behind = scene.camera_of(CUBE, "posterior", SIZE)
    assert behind.pixels(left, SIZE)[0] < behind.pixels(right, SIZE)[0]
    above = scene.camera_of(CUBE, "superior", SIZE)
    assert above.pixels(left, SIZE)[0] < above.pixels(right, SIZE)[0]
    assert above.pixels(np.array([0.0, 9, 0]), SIZE)[1] < above.pixels(np.zeros(3), SIZE)[1]


def test_from_the_front_the_patient_s_left_is_on_the_viewer_s_right(run: Run) -> None:
    camera = scene.camera_of(CUBE, "anterior", SIZE)
    needle = run.scene.needles[0]  # from the left
    assert camera.pixels(needle.entry * 1e3, SIZE)[0] > camera.pixels(np.zeros(3), SIZE)[0]


def test_prone_the_back_is_up() -> None:
    camera = scene.camera_of(CUBE, "prone", SIZE)
    assert camera.pixels([0, -10.0, 0], SIZE)[1] < camera.pixels([0, 10.0, 0], SIZE)[1]


@pytest.mark.parametrize("wish", [{"slices": ("oblique",)}, {"hidden": ("soul",)}])
def test_unknown_planes_and_layers_are_refused(run: Run, wish: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(DataError, match="unknown"):
        draw_scene(run, **wish)


def test_tags_avoid_what_is_drawn_and_stay_inside() -> None:
    from vertebro.view.scene_labels import free_place

    taken = np.zeros((300, 400), bool)
    taken[80:220, 60:260] = True
    here, half = np.array([160.0, 150.0]), np.array([30.0, 9.0])
    place = free_place(here, half, taken, 1.0)
    low, high = (place - half).astype(int), (place + half).astype(int)
    assert not taken[low[1] : high[1], low[0] : high[0]].any()
    assert (low >= 0).all()
    assert (high < (400, 300)).all()


def test_lateral_view_from_the_left_has_anterior_on_the_left() -> None:
    camera = scene.camera_of(CUBE, "lateral", SIZE, side=-1)
    assert camera.pixels([0, 10.0, 0], SIZE)[0] < camera.pixels([0, -10.0, 0], SIZE)[0]


def test_parallel_projection_keeps_lengths() -> None:
    """10 mm across the view are 10 mm times pixels per mm, wherever they lie: the scale bar is true."""
    camera = scene.camera_of(CUBE, "posterior-oblique", SIZE)
    for start in CUBE:
        a, b = camera.pixels(start, SIZE), camera.pixels(start + 10 * camera.right, SIZE)
        assert np.linalg.norm(b - a) == pytest.approx(10 * SIZE[1] / camera.height)


@pytest.mark.parametrize("view", scene.VIEWS)
def test_everything_lies_inside_the_picture(view: str) -> None:
    places = scene.camera_of(CUBE, view, SIZE).pixels(CUBE, SIZE)
    assert (places >= 0).all()
    assert (places <= np.array(SIZE)).all()


def test_times_spread_to_the_nearest_cement(rng: np.random.Generator) -> None:
    times = np.full((7, 6, 5), np.nan, np.float32)
    known = rng.integers(0, (7, 6, 5), (6, 3))
    times[tuple(known.T)] = rng.uniform(0, 80, 6)
    spread = spread_times(times)
    for index in np.ndindex(times.shape):
        distance = np.linalg.norm(np.argwhere(np.isfinite(times)) - index, axis=1)
        nearest = times[np.isfinite(times)][np.isclose(distance, distance.min())]
        assert spread[index] in nearest


def test_no_cement_spreads_to_zero() -> None:
    assert not spread_times(np.full((3, 3, 3), np.nan, np.float32)).any()


def test_cement_splits_into_bone_and_leak_without_loss(run: Run) -> None:
    inside, outside = inside_and_outside(run)
    np.testing.assert_array_equal(inside + outside, run.saturation[-1])
    assert not inside[run.anatomy.compartment == Compartment.DISC_SUPERIOR].any()
    assert outside[run.anatomy.compartment == Compartment.DISC_SUPERIOR].any()


def test_unknown_view_names_the_known_ones(run: Run) -> None:
    with pytest.raises(DataError, match="unknown view") as caught:
        draw_scene(run, view="from the moon")
    assert "lateral" in str(caught.value)


@pytest.mark.usefixtures("with_gl")
class TestWithOpenGL:
    """Pictures that need the library."""

    def test_needle_leaves_the_box_on_its_own_line(self, run: Run) -> None:
        from vertebro.view.scene_meshes import clip_to_box

        low, high = bony_box(run)
        needle = run.scene.needles[0]
        end = clip_to_box(needle.entry, needle.tip, low, high)
        along = (end - needle.tip) / (needle.entry - needle.tip)
        np.testing.assert_allclose(along, along[0], rtol=1e-9)
        assert 0 < along[0] <= 1
        assert np.isclose(np.minimum(end - low, high - end).min(), 0, atol=1e-12)

    def test_surface_holds_the_volume_of_the_cement(self, calm_run: Run) -> None:
        """The surface is drawn low (0.3) so that thin leaks stay: it may be larger than the cement, not smaller."""
        from vertebro.view.scene_meshes import cement_surface

        volume = calm_run.saturation[-1].sum() * calm_run.anatomy.grid.voxel_volume
        drawn = cement_surface(calm_run).volume * 1e-9
        assert volume < drawn < 1.6 * volume

    def test_surface_carries_times_of_the_run(self, run: Run) -> None:
        from vertebro.view.scene_meshes import cement_surface

        times = np.asarray(cement_surface(run)["colour"])
        assert 0 <= times.min() < times.max() <= run.times[-1]

    def test_cut_leaves_nothing_in_front_of_the_tip(self, run: Run) -> None:
        from vertebro.view.scene_meshes import cement_surface

        towards = np.array([-1.0, 0, 0])
        whole, part = cement_surface(run), cement_surface(run, cut_towards=towards)
        ahead = (np.asarray(part.points) * 1e-3 - run.scene.needles[0].tip) @ towards
        assert ahead.max() < 0.3 * run.anatomy.grid.spacing[0]
        assert part.volume < 0.8 * whole.volume

    def test_no_cement_no_surface(self, run: Run) -> None:
        from vertebro.view.scene_meshes import build_surfaces

        before = build_surfaces(run, 0.0)
        assert before.cement is None
        assert not before.leaks
        assert before.bone is not None

    def test_picture_has_size_bone_and_leak(self, run: Run, calm_run: Run, tmp_path: Path) -> None:
        picture = draw_scene(run, tmp_path / "scene.png", size=SIZE)
        assert picture.shape == (SIZE[1], SIZE[0], 3)
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "scene.png")), picture)
        calm = draw_scene(calm_run, size=SIZE)
        for kind in ("D", "S"):
            assert _hued(picture, theme.leak_colour(kind)) > 15 > 3 * _hued(calm, theme.leak_colour(kind))

    def test_fissure_is_a_sheet_in_bone_and_disc_alone(self, run: Run) -> None:
        from vertebro.view.scene_meshes import still_surfaces

        low, high = -25.0, 40.0  # mm; beyond the disc there is neither
        corners = [[-8.0, 2.0, low], [8.0, 2.0, low], [8.0, 2.0, high], [-8.0, 2.0, high]]
        anatomy = replace(run.anatomy, provenance={"cracks_mm": [corners]})
        cracks = still_surfaces(replace(run, scene=replace(run.scene, anatomy=anatomy))).cracks
        points = np.asarray(cracks.points)
        np.testing.assert_allclose(points[:, 1], 2.0, atol=1e-5)
        assert run.anatomy.grid.extent[1, 2] * 1e3 + 0.5 > points[:, 2].max() > 15
        assert still_surfaces(run).cracks is None

    def test_a_hidden_layer_and_a_slice_change_the_picture(self, run: Run) -> None:
        plain = draw_scene(run, size=SIZE)
        assert _hued(draw_scene(run, size=SIZE, hidden=("leaks", "cement")), theme.leak_colour("D")) < 15
        sliced = draw_scene(run, size=SIZE, slices=("axial",), through=(0.0, 0.0, 0.0))
        assert (sliced.max(axis=-1) < 100).mean() > (plain.max(axis=-1) < 100).mean() + 0.05

    def test_same_run_same_picture(self, run: Run) -> None:
        np.testing.assert_array_equal(draw_scene(run, size=SIZE), draw_scene(run, size=SIZE))

    @pytest.mark.parametrize("view", scene.VIEWS)
    def test_every_view_shows_more_than_paper(self, run: Run, view: str) -> None:
        picture = draw_scene(run, view=view, size=SIZE, cut=True)
        assert (picture < 250).any(axis=-1).mean() > 0.1


@pytest.mark.usefixtures("no_gl")
class TestWithoutOpenGL:
    """The same call on a bare machine."""

    def test_projections_take_the_place_of_the_scene(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(scene, "render", lambda *args: pytest.fail("drew with OpenGL"))
        picture = draw_scene(run, size=SIZE)
        assert picture.shape == (SIZE[1], SIZE[0], 3)
        assert _count(picture, theme.leak_colour("D")) > 30

    def test_projection_says_what_to_install(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        from vertebro.view import scene_flat

        said: list[str] = []
        monkeypatch.setattr(scene_flat.Figure, "text", lambda self, x, y, words, **style: said.append(words))
        draw_scene(run, size=SIZE)
        assert "libegl1 libgl1-mesa-dri" in " ".join(said).replace("\n", " ")

    def test_left_of_the_patient_is_on_the_right_of_the_coronal_projection(self) -> None:
        from vertebro.view.scene_flat import _turn

        marked = np.zeros((4, 3))
        marked[0, 2] = 1  # patient's left (low r), superior (high s)
        assert _turn(marked, -1)[0, -1] == 1
