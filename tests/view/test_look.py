"""The window: what its controls do, drawn off-screen; without a screen a message, never a silent picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from vertebro.cli.main import app
from vertebro.errors import CaseError, DataError
from vertebro.record import Run
from vertebro.view import open_scene
from vertebro.view.look import FACES, Look, known_colours
from vertebro.view.look_controls import key_bindings


@pytest.fixture
def look(run: Run, with_gl: None) -> Iterator[Look]:
    """A scene off-screen."""
    scene = open_scene(run, off_screen=True)
    yield scene
    scene.close()


def test_time_moves_to_recorded_moments(look: Look) -> None:
    late = look.screenshot()
    assert look.at(20.0).time == 16.0
    assert np.abs(look.screenshot().astype(int) - late).mean() > 0.1
    assert look.at(1e6).time == 80.0
    np.testing.assert_array_equal(look.screenshot(), late)


def test_before_the_injection_there_is_no_cement_and_no_bar(look: Look) -> None:
    look.at(0.0)
    assert not look.actors["cement"]
    assert not look.plotter.scalar_bars.keys()


def test_a_hidden_layer_stays_hidden_over_time(look: Look) -> None:
    with_it = look.screenshot()
    look.layer("leaks", False)
    assert np.abs(look.screenshot().astype(int) - with_it).sum() > 0
    look.at(64.0).at(80.0)
    assert look.actors["leaks"]
    assert not any(actor.GetVisibility() for actor in look.actors["leaks"])


def test_slice_plane_moves_within_the_anatomy(look: Look) -> None:
    bare = look.screenshot()
    look.cut("axial")
    assert np.abs(look.screenshot().astype(int) - bare).mean() > 2
    look.cut("axial", move=1.0)
    assert look.point[2] == pytest.approx(look.run.anatomy.grid.extent[1, 2])
    look.cut("none")
    np.testing.assert_array_equal(look.screenshot(), bare)


def test_keys_do_what_the_help_says(look: Look) -> None:
    moved: list[float] = []
    keys = key_bindings(look, lambda: moved.append(look.time))
    keys["c"]()
    assert look.shades.name == "age"
    keys["p"]()
    assert look.plane == "axial"
    keys["comma"]()
    assert look.time == 64.0
    keys["period"]()
    assert moved[-2:] == [64.0, 80.0]
    before = look.point[2]
    keys["bracketright"]()
    assert look.point[2] == pytest.approx(before + 1e-3)


def test_controls_fit_into_the_plotter(look: Look) -> None:
    look.add_controls()
    assert len(look.plotter.widgets.button_widgets) == sum(
        bool(look.actors[n]) or n in ("cement", "leaks") for n in look.actors
    )
    assert len(look.plotter.widgets.slider_widgets) == 1


def test_keys_of_ours_lose_what_vtk_means_by_them(look: Look) -> None:
    """VTK frames what lies under the pointer on p and goes stereo on 3; q still closes."""
    look.add_controls()
    interactor = look.plotter.iren.interactor
    for key, left in (("p", "\0"), ("3", "\0"), ("q", "q")):
        interactor.SetKeyCode(key)
        interactor.RemoveObservers("ExitEvent")
        interactor.InvokeEvent("CharEvent")
        assert interactor.GetKeyCode() == left


def test_letters_of_the_cube_are_on_the_right_faces_and_not_mirrored() -> None:
    from vertebro.view.look import _letter

    for text, (face, up) in FACES.items():
        mesh = _letter(text, np.array(face, float), np.array(up, float))
        points = np.asarray(mesh.points)
        np.testing.assert_allclose(points @ face, 0.505, atol=1e-6)
        if text == "L":  # its foot lies low, at the viewer's right
            right = np.cross(up, face)
            low = points[points @ np.array(up, float) < -0.25]
            assert (low @ right).max() > 0.15 > -0.15 > (points @ right).min()
            assert (points[points @ np.array(up, float) > 0.25] @ right).max() < 0


def test_cold_runs_offer_no_heat(run: Run) -> None:
    assert known_colours(run) == ("time", "age", "plain")


def test_unknown_layers_planes_and_views_are_refused(look: Look) -> None:
    for act in (lambda: look.layer("soul", True), lambda: look.cut("oblique"), lambda: look.look_from("the moon")):
        with pytest.raises(DataError, match="unknown"):
            act()


def test_without_a_screen_the_window_says_what_to_do(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vertebro.view.look.screen_available", lambda: False)
    with pytest.raises(DataError, match="no screen") as caught:
        look.show()
    assert "--screenshot" in str(caught.value)
    assert "vertebro report" in str(caught.value)


def test_command_without_a_screen_stops_before_it_loads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vertebro.view.gl.screen_available", lambda: False)
    result = CliRunner().invoke(app, ["look", str(tmp_path / "no run")])
    assert isinstance(result.exception, DataError)
    assert "--screenshot" in str(result.exception)


@pytest.mark.usefixtures("no_gl")
def test_without_opengl_there_is_no_scene_to_turn(run: Run) -> None:
    with pytest.raises(DataError, match="libegl1"):
        open_scene(run)


def test_command_draws_a_picture_at_a_moment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_gl: None
) -> None:
    monkeypatch.setattr(Run, "load", lambda folder: run)
    out = tmp_path / "look.png"
    result = CliRunner().invoke(
        app, ["look", "x", "--screenshot", str(out), "--at", "40", "--slice", "axial", "--json"]
    )
    assert result.exit_code == 0, result.output
    assert np.asarray(Image.open(out)).shape == (800, 1000, 3)


def test_command_refuses_a_picture_that_is_none(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["look", "x", "--screenshot", str(tmp_path / "look.txt")])
    assert isinstance(result.exception, CaseError)
