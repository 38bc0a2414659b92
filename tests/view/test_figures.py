"""Figures: the right frames, planes, sides, units and marks."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vertebro.errors import CaseError, DataError
from vertebro.materials import cement
from vertebro.record import Run
from vertebro.view import (
    draw_anatomies,
    draw_cement,
    draw_ct,
    draw_curves,
    draw_import_check,
    draw_last_frames,
    draw_strip,
)
from vertebro.view.panels import figure_bytes
from vertebro.view.planes import plane_hu, plane_through, sample


def test_strip_has_a_row_per_view_and_a_caption_per_moment(run: Run) -> None:
    axes = draw_strip(run).axes
    assert len(axes) == 10
    titles = [a.get_title() for a in axes[:5]]
    assert titles[0] == "0 s  ·  before cement"
    assert titles[-1] == "1:04 min  ·  3.2 mL injected"


def test_strip_keeps_first_and_last_of_many_moments(run: Run) -> None:
    axes = draw_strip(run, columns=2).axes
    assert [a.get_title()[:4] for a in axes[:2]] == ["0 s ", "1:04"]


def test_strip_marks_the_sides(run: Run) -> None:
    """AP: patient right on the viewer's left. Lateral: anterior on the left."""
    axes = draw_strip(run).axes
    for row, expected in ((axes[0], ("R", "L")), (axes[5], ("A", "P"))):
        at = {text.get_text(): text.get_position()[0] for text in row.texts}
        assert at[expected[0]] < 0.5 < at[expected[1]]


def test_last_frames_show_the_end_with_a_true_scale_bar(run: Run) -> None:
    axes = draw_last_frames(run).axes
    assert len(axes) == 2
    np.testing.assert_array_equal(axes[0].images[0].get_array(), run.pictures[-2].display8)
    bar = axes[0].lines[0].get_xdata()
    assert abs(bar[1] - bar[0]) * run.pictures[-2].facts["pixel_at_isocentre_mm"] == pytest.approx(10.0)


@pytest.mark.parametrize("draw", [draw_strip, draw_last_frames])
def test_no_frames_is_an_error_with_a_cure(run: Run, draw: object) -> None:
    empty = dataclasses.replace(run, pictures=[])
    with pytest.raises(DataError, match="no fluoroscopy frames"):
        draw(empty)  # type: ignore[operator]


def test_ct_shows_three_planes_twice_and_cement_only_after(run: Run) -> None:
    axes = draw_ct(run).axes
    assert len(axes) == 6
    before, after = (np.stack([a.images[0].get_array() for a in row]) for row in (axes[:3], axes[3:]))
    assert before.max() < 1300 < 1800 < after.max()


def test_ct_axial_shows_the_left_side_on_the_right(run: Run) -> None:
    """The cement lies left of the midline (negative r): x falls to the right, so it is right of the middle."""
    image = draw_ct(run).axes[3].images[0]
    left, right, _, _ = image.get_extent()
    assert left > right
    hu = np.asarray(image.get_array())
    columns = np.where(hu > 2000)[1].mean() / hu.shape[1]
    middle_of_body = (0 - left) / (right - left)
    assert columns > middle_of_body


def test_ct_before_and_after_show_the_same_planes(run: Run) -> None:
    axes = draw_ct(run).axes
    for above, below in zip(axes[:3], axes[3:], strict=True):
        assert above.images[0].get_extent() == below.images[0].get_extent()
        assert above.get_xlim() == below.get_xlim()
    assert axes[0].get_title().startswith("axial")


def test_curves_name_units_and_mark_leaks(run: Run) -> None:
    figure = draw_curves(run)
    labels = " ".join(a.get_ylabel() + a.get_xlabel() for a in figure.axes)
    for unit in ("[kPa]", "[mL]", "[Pa·s]", "[mL/min]", "[N]", "[s]"):
        assert unit in labels
    onsets = {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == ":"}
    assert onsets == {42.0, 60.0}
    assert [text.get_text() for text in figure.axes[0].texts] == ["D", "S"]


def test_curves_show_a_small_bone_pressure_on_a_log_scale(run: Run) -> None:
    faint = run.history | {"bone_pressure_pa": run.history["bone_pressure_pa"] / 100 + 1}
    assert draw_curves(dataclasses.replace(run, history=faint)).axes[0].get_yscale() == "log"


def test_curves_are_the_same_bytes_every_time(run: Run) -> None:
    assert figure_bytes(draw_curves(run), "svg") == figure_bytes(draw_curves(run), "svg")


def test_import_sheet_shows_planes_spine_views_and_the_size(run: Run, tmp_path: Path) -> None:
    figure = draw_import_check(run.anatomy, tmp_path / "check.png")
    assert len(figure.axes) == 11  # six close planes, two along the spine, one across, two X-ray views
    assert "44 × 30 × 25 mm" in figure.texts[0].get_text()
    assert (tmp_path / "check.png").stat().st_size > 10_000


def test_portraits_stand_in_rows_of_four(run: Run) -> None:
    """AP and lateral frames with their sides marked, then an axial and a sagittal slice."""
    figure = draw_anatomies({"one": run.anatomy, "two": run.anatomy}, rows=96)
    assert len(figure.axes) == 8
    at = {text.get_text(): text.get_position()[0] for text in figure.axes[0].texts}
    assert at["R"] < 0.5 < at["L"]
    assert "one" in at
    first, second = (figure.axes[k].images[0].get_array() for k in (0, 4))
    np.testing.assert_array_equal(first, second)


def test_plane_on_voxel_centres_returns_the_voxels(run: Run) -> None:
    grid = run.anatomy.grid
    h = grid.spacing[0]
    values = np.arange(grid.size, dtype=np.float32).reshape(grid.shape)
    centre = grid.world([10, 20, 5]) + np.array([h / 2, h / 2, 0])
    plane = plane_through("axial", centre, width=2 * h, height=2 * h, pixel=h)
    expected = values[[11, 10]][:, [21, 20], 5].T  # columns run to the patient's left, rows to posterior
    np.testing.assert_allclose(sample(values, grid, plane), expected, rtol=1e-5)


def test_ct_numbers_come_from_the_surround_beyond_the_grid(run: Run) -> None:
    far = plane_through("axial", [0.08, 0.0, 0.0], width=0.01, height=0.01)
    assert plane_hu(run.anatomy, far) == pytest.approx(50, abs=1)
    beyond = plane_through("axial", [0.5, 0.0, 0.0], width=0.01, height=0.01)
    assert (plane_hu(run.anatomy, beyond) == -1000).all()


def test_figures_do_not_touch_pyplot() -> None:
    code = (
        "import sys; from vertebro.view import figures_ct, figures_curves, figures_import, figures_strip; "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "False"


def test_cement_card_shows_age_warmth_and_shear(tmp_path: Path) -> None:
    """Warmer curves lie above cooler ones at every age; shear thins; the window is the card's, in minutes."""
    card = cement("osteopal-v")
    left, right = draw_cement(card, tmp_path / "card.svg").axes
    assert (tmp_path / "card.svg").read_text("utf-8").startswith("<?xml")
    cool, room, warm = (line.get_ydata() for line in left.lines)
    assert np.all((warm >= room) & (room >= cool))
    assert all(np.all(np.diff(line.get_ydata()) <= 0) for line in right.lines)
    window = left.patches[0].get_bbox()
    assert (window.x0, window.x1) == pytest.approx([float(w) / 60 for w in card.working_window])
    with pytest.raises(CaseError, match="picture format"):
        draw_cement(card, tmp_path / "card.docx")
