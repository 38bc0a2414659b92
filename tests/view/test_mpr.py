"""Planes through a point: cement where it is, window, crosshair, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vertebro.errors import DataError
from vertebro.record import Run
from vertebro.view import draw_mpr


def _image(figure: Figure, panel: int) -> Any:
    """Windowed values of a panel's CT image."""
    image = figure.axes[panel].images[0]
    return np.asarray(image.norm(image.get_array()))


def _words(figure: Figure, panel: int) -> set[str]:
    return {text.get_text() for text in figure.axes[panel].texts}


def test_three_planes_carry_letters_scale_bar_and_place(run: Run, tmp_path: Path) -> None:
    figure = draw_mpr(run, tmp_path / "mpr.png", point=(0.0, 0.0, 0.005), with_scene=False)
    assert np.asarray(Image.open(tmp_path / "mpr.png")).std() > 10
    for panel, letters in enumerate((("R", "L", "A", "P"), ("A", "P", "S", "I"), ("R", "L", "S", "I"))):
        assert {*letters, "10 mm"} <= _words(figure, panel)
    assert "axial\n5 mm above the centre" in _words(figure, 0)


def test_patient_s_left_is_on_the_right_and_the_crosshair_meets_at_the_point(run: Run) -> None:
    figure = draw_mpr(run, point=(-0.01, 0.004, 0.0), with_scene=False)
    left, right = figure.axes[0].get_xlim()
    assert left > right  # world x is the patient's right
    lines = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]
    upright = [line for line in lines if len(line) == 2 and np.ptp(line[:, 0]) == 0]
    assert {float(line[0, 0]) for line in upright} == {-10.0}


def test_cement_whitens_its_plane_and_not_before_it_came(run: Run) -> None:
    late, early = (_image(draw_mpr(run, time=time, point=(-6e-3, 4e-3, 1e-3), with_scene=False), 0) for time in (80, 0))
    assert (late > 0.95).sum() > (early > 0.95).sum() + 500


def test_a_narrower_window_has_more_contrast(run: Run) -> None:
    pictures = [
        _image(draw_mpr(run, time=0.0, window=window, with_scene=False), 0)
        for window in ("bone", "soft", (400.0, 40.0))
    ]
    assert np.clip(pictures[1], 0, 1).std() > 1.5 * np.clip(pictures[0], 0, 1).std()
    np.testing.assert_array_equal(pictures[1], pictures[2])


def test_overlay_leaves_the_ct_and_names_the_leaks(run: Run) -> None:
    point = (-6e-3, 4e-3, 14.5e-3)  # in the upper disc
    figure = draw_mpr(run, point=point, overlay="time", with_scene=False)
    np.testing.assert_array_equal(_image(figure, 0), _image(draw_mpr(run, time=0.0, point=point, with_scene=False), 0))
    assert "D" in _words(figure, 0)
    assert len(figure.axes[0].images) > 2


@pytest.mark.usefixtures("with_gl")
def test_fourth_panel_holds_the_planes_in_3d(run: Run) -> None:
    picture = np.asarray(draw_mpr(run, overlay="time").axes[3].images[0].get_array())
    assert (picture < 200).any(axis=-1).mean() > 0.1


@pytest.mark.usefixtures("no_gl")
def test_without_opengl_the_planes_are_there_all_the_same(run: Run) -> None:
    figure = draw_mpr(run)
    assert not figure.axes[3].images
    assert any("W 1800" in text for text in _words(figure, 3))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"window": "lung"}, "unknown window"),
        ({"window": (-5.0, 40.0)}, "not a window"),
        ({"point": (1.0, 0.0, 0.0)}, "outside the anatomy"),
        ({"overlay": "mood"}, "unknown colouring"),
        ({"time": 1e4}, "no such moment"),
    ],
)
def test_impossible_wishes_are_refused(run: Run, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        draw_mpr(run, with_scene=False, **wish)
