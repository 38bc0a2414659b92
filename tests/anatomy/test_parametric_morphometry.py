"""Dimensions measured on the built voxels against the published means, and how they scale.

The voxels know nothing of the table: widths, depths and areas are measured on the labels as a reader would on a CT.
Standard deviations are those reported for the same dimensions (panjabi1992: about 2 mm for endplates, 1 mm for the
height, 1.5 mm for the canal; zindrick1987: about 2 mm for the pedicles).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.anatomy.parametric_column import build_column
from vertebro.anatomy.parametric_dimensions import LEVELS, PUBLISHED, dimensions
from vertebro.errors import CaseError
from vertebro.tissue import Compartment
from vertebro.units import mm

LEVELS_MEASURED = ("T12", "L1", "L3")


@cache
def mean_patient(level: str) -> Anatomy:
    """The published mean at 0.8 mm."""
    return build_parametric(
        ParametricSpec(level=level, sex="mean", spacing=0.8e-3, surround_spacing=3e-3, surround_height=0.08)
    )


def _span(mask: np.ndarray, step: float) -> float:
    hits = np.flatnonzero(mask)
    return float((hits[-1] - hits[0] + 1) * step)


def _body_span(one: Anatomy, axis: int, s: float, window: float) -> float:
    """Largest extent of the body along an axis within a band of heights around s."""
    body = one.compartment == Compartment.BODY
    height = one.grid.axes()[2]
    band = body[:, :, np.abs(height - s) <= window]
    if axis == 1:
        near = np.abs(one.grid.axes()[0]) < 2e-3
        return _span(band[near].any(axis=(0, 2)), one.grid.spacing[1])
    return _span(band.any(axis=(1, 2)), one.grid.spacing[0])


@pytest.mark.parametrize("level", LEVELS_MEASURED)
def test_endplate_widths_and_depth_are_the_published_means(level: str) -> None:
    one, row = mean_patient(level), PUBLISHED[level]
    half = 0.5 * row["height"] * mm
    assert _body_span(one, 0, half - 1.5 * mm, 1.5 * mm) == pytest.approx(row["upper_width"] * mm, abs=2.0 * mm)
    assert _body_span(one, 0, -half + 1.5 * mm, 1.5 * mm) == pytest.approx(row["lower_width"] * mm, abs=2.0 * mm)
    assert _body_span(one, 1, half - 1.5 * mm, 1.5 * mm) == pytest.approx(row["depth"] * mm, abs=2.0 * mm)


@pytest.mark.parametrize("level", LEVELS_MEASURED)
def test_posterior_height_is_the_published_mean(level: str) -> None:
    one, row = mean_patient(level), PUBLISHED[level]
    body = one.compartment == Compartment.BODY
    j = one.grid.nearest((0.0, -0.5 * row["depth"] * mm + 3.0 * mm, 0.0))[1]
    i = one.grid.nearest((0.25 * row["upper_width"] * mm, 0.0, 0.0))[0]
    assert _span(body[i, j], one.grid.spacing[2]) == pytest.approx(row["height"] * mm, abs=1.2 * mm)


@pytest.mark.parametrize("level", LEVELS_MEASURED)
def test_canal_at_the_pedicles_is_the_published_mean(level: str) -> None:
    one, row = mean_patient(level), PUBLISHED[level]
    i, j, k = one.grid.nearest(one.landmarks.canal_centre)
    inside = np.isin(one.compartment, (Compartment.CANAL, Compartment.VEIN_BASIVERTEBRAL))
    widths = [_span(inside[:, j + d, k], one.grid.spacing[0]) for d in (-2, 0, 2, 4)]
    assert max(widths) == pytest.approx(row["canal_width"] * mm, abs=1.8 * mm)
    assert _span(inside[i, :, k], one.grid.spacing[1]) == pytest.approx(row["canal_depth"] * mm, abs=2.0 * mm)


@pytest.mark.parametrize("level", LEVELS_MEASURED)
def test_pedicle_isthmus_is_the_published_mean(level: str) -> None:
    one, row = mean_patient(level), PUBLISHED[level]
    arch = one.compartment == Compartment.ARCH
    for pedicle in (one.landmarks.pedicle_left, one.landmarks.pedicle_right):
        i, j, k = one.grid.nearest(pedicle.centre)
        parts = arch[:, j, k] & (np.sign(one.grid.axes()[0]) == np.sign(pedicle.centre[0]))
        assert _span(parts, one.grid.spacing[0]) == pytest.approx(row["pedicle_width"] * mm, abs=2.0 * mm)
        assert _span(arch[i, j], one.grid.spacing[2]) == pytest.approx(row["pedicle_height"] * mm, abs=2.2 * mm)


def test_body_is_waisted_and_its_back_is_hollow() -> None:
    one = mean_patient("L1")
    waist = _body_span(one, 0, 0.0, 1.0 * mm)
    rim = _body_span(one, 0, 10.0 * mm, 1.5 * mm)
    assert 0.82 < waist / rim < 0.93
    body = one.compartment == Compartment.BODY
    k = one.grid.nearest((0, 0, -2 * mm))[2]
    a = one.grid.axes()[1]
    middle = a[body[one.grid.nearest((0, 0, 0))[0], :, k]].min()
    beside = a[body[one.grid.nearest((9 * mm, 0, 0))[0], :, k]].min()
    assert middle > beside + 0.5 * mm


def test_endplates_are_concave() -> None:
    one = mean_patient("L1")
    body = one.compartment == Compartment.BODY
    centre = _span(body[one.grid.nearest((0, 0, 0))[0], one.grid.nearest((0, 0, 0))[1]], one.grid.spacing[2])
    rim = _span(
        body[one.grid.nearest((0, 14.5 * mm, 0))[0], one.grid.nearest((0, 14.5 * mm, 0))[1]], one.grid.spacing[2]
    )
    assert rim - centre > 2.0 * mm


def test_body_volumes_grow_down_the_spine_and_are_human() -> None:
    """Healthy meshes of whole vertebrae hold 34 to 52 mL; bodies are about 60 % of that."""
    volumes = [mean_patient(level).body_volume * 1e6 for level in LEVELS_MEASURED]
    assert volumes == sorted(volumes)
    assert 18 < volumes[1] < 30


def test_lengths_scale_with_sex_and_stature() -> None:
    woman, man = dimensions("L1", sex="female"), dimensions("L1", sex="male")
    assert 1.06 < man.upper_width / woman.upper_width < 1.13
    tall = dimensions("L1", sex="female", stature=1.80)
    assert tall.height > woman.height
    assert tall.facet == woman.facet


def test_means_are_returned_unscaled() -> None:
    for level in LEVELS:
        assert dimensions(level).depth == pytest.approx(PUBLISHED[level]["depth"] * mm)


def test_stack_spacing_follows_heights_and_discs() -> None:
    """Centre distance L1 to L2 is half of both heights plus the disc, within the small tilt's cosine."""
    column = build_column("L1", sex="mean", stature=None)
    poses = {b.level: b.pose for b in column.bones}
    row, below = PUBLISHED["L1"], PUBLISHED["L2"]
    expected = (0.5 * (row["height"] + below["height"]) + row["disc"]) * mm
    assert np.hypot(poses["L2"].a, poses["L2"].s) == pytest.approx(expected, rel=0.01)
    assert poses["L1"].s == 0.0
    assert poses["T12"].s > 0 > poses["L2"].s


def test_lumbar_spine_is_lordotic_and_thoracic_kyphotic() -> None:
    angles = {b.level: b.pose.angle for b in build_column("L1", sex="mean", stature=None).bones}
    assert angles["L5"] < angles["L3"] < angles["L1"] == 0.0
    assert angles["T8"] < angles["T10"] < angles["T12"]


@pytest.mark.parametrize(("level", "sex", "stature"), [("S4", "mean", None), ("L1", "x", None), ("L1", "male", 9.0)])
def test_unknown_dimensions_are_refused(level: str, sex: str, stature: float | None) -> None:
    with pytest.raises(CaseError):
        dimensions(level, sex=sex, stature=stature)  # type: ignore[arg-type]
