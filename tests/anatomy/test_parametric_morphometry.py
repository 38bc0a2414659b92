"""Dimensions measured on the built voxels against the published means, at every level, and how they scale and vary.

The voxels know nothing of the table: widths, depths and angles are measured on the labels as a reader would on a CT.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric, whole_bone
from vertebro.anatomy.parametric_column import build_column
from vertebro.anatomy.parametric_dimensions import LEVELS, NAMES, ORDER, PUBLISHED, dimensions, published
from vertebro.anatomy.parametric_morphometry import MEASURES, Measured, morphometry
from vertebro.anatomy.parametric_sizes import patient_sizes
from vertebro.errors import CaseError
from vertebro.sources import SOURCES
from vertebro.tissue import Compartment
from vertebro.units import mm


@cache
def mean_patient(level: str) -> Anatomy:
    """The published mean at 0.8 mm."""
    return build_parametric(
        ParametricSpec(level=level, sex="mean", spacing=0.8e-3, surround_spacing=3e-3, surround_height=0.08)
    )


@cache
def measured(level: str) -> dict[str, Measured]:
    """Everything measured on one level."""
    return {row.name: row for row in morphometry((level,))}


def _span(mask: np.ndarray, step: float) -> float:
    hits = np.flatnonzero(mask)
    return float((hits[-1] - hits[0] + 1) * step)


USUAL = ("C6", "T8", "L1")  # the others take the slow lane


@pytest.mark.parametrize(
    "level", [level if level in USUAL else pytest.param(level, marks=pytest.mark.slow) for level in LEVELS]
)
def test_every_dimension_of_every_level_is_within_one_standard_deviation(level: str) -> None:
    wrong = {row.name: round(row.deviation, 2) for row in measured(level).values() if abs(row.deviation) > 1.0}
    assert not wrong


def test_morphometry_names_its_sources() -> None:
    rows = measured("L1")
    assert set(rows) == set(MEASURES)
    assert all(row.source in SOURCES and row.sd > 0 for row in rows.values())
    assert rows["pedicle_width"].source == "zindrick1987"


def test_measuring_notices_a_bone_that_is_not_the_mean() -> None:
    """Guards against a measurement that returns what it should: a wider pedicle and canal are seen as such."""
    from vertebro.anatomy import parametric_morphometry as m

    def bone(**changes: float) -> m._Bone:
        grid, labels = whole_bone(ParametricSpec(level="L2", sex="mean", spacing=0.7e-3, dimensions=changes))
        place = labels.compartment
        body, arch, canal = (place == kind for kind in (Compartment.BODY, Compartment.ARCH, Compartment.CANAL))
        return m._Bone(grid, body, arch, canal, replace(dimensions("L2"), **changes))

    wider = bone(pedicle_width=11e-3, upper_width=47e-3, canal_depth=20e-3)
    usual = bone()
    for name, change in (("pedicle_width", 2.1), ("upper_width", 4.4), ("canal_depth", 2.0)):
        assert MEASURES[name](wider) - MEASURES[name](usual) == pytest.approx(change * mm, abs=0.9 * mm)


def test_body_is_waisted_and_its_back_is_hollow() -> None:
    one = mean_patient("L1")
    body = one.compartment == Compartment.BODY
    height = one.grid.axes()[2]
    waist, rim = (
        _span(body[:, :, np.abs(height - s) <= w].any(axis=(1, 2)), one.grid.spacing[0])
        for s, w in ((0.0, 1.0 * mm), (10.0 * mm, 1.5 * mm))
    )
    assert 0.82 < waist / rim < 0.93
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


def test_thoracic_bodies_are_hearts_and_lumbar_ones_kidneys() -> None:
    """Width a quarter of the depth behind the front, over the largest width."""
    shares = []
    for level in ("T7", "L3"):
        one = mean_patient(level)
        body, grid = one.compartment == Compartment.BODY, one.grid
        k = grid.nearest((0, 0, 0))[2]
        depth = dimensions(level).depth
        widths = [_span(body[:, grid.nearest((0, a, 0))[1], k], grid.spacing[0]) for a in (0.25 * depth, -0.3 * depth)]
        shares.append(widths[0] / widths[1])
    assert shares[0] < 0.80 < 0.85 < shares[1]


def test_body_volumes_grow_down_the_spine_and_are_human() -> None:
    """Healthy meshes of whole vertebrae hold 34 to 52 mL; bodies are about 60 % of that."""
    volumes = [mean_patient(level).body_volume * 1e6 for level in ("C6", "T7", "T12", "L1", "L3")]
    assert volumes == sorted(volumes)
    assert 2.5 < volumes[0] < 6
    assert 18 < volumes[3] < 30


def test_lengths_scale_with_sex_and_stature() -> None:
    woman, man = dimensions("L1", sex="female"), dimensions("L1", sex="male")
    assert 1.06 < man.upper_width / woman.upper_width < 1.13
    tall = dimensions("L1", sex="female", stature=1.80)
    assert tall.height > woman.height
    assert tall.facet == woman.facet


def test_means_are_returned_unscaled() -> None:
    for level in LEVELS:
        assert dimensions(level).depth == pytest.approx(PUBLISHED[level]["depth"] * mm)


def test_every_dimension_of_every_level_has_a_unit_a_range_and_a_source() -> None:
    for level in ORDER:
        for name in NAMES:
            known = published(level, name)
            assert known.low < known.high or known.sd == 0
            assert known.low <= known.mean <= known.high
            assert known.unit in ("m", "rad", "1")
            assert known.source in SOURCES
            assert known.mark in ("seen", "recalled", "ours")


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
    assert angles["T4"] < angles["T8"] < angles["T12"]
    assert 20 < np.degrees(angles["T12"] - angles["T4"]) < 45  # kyphosis, prone
    assert angles["C7"] < angles["C3"]


@pytest.mark.parametrize(("level", "sex", "stature"), [("S4", "mean", None), ("L1", "x", None), ("L1", "male", 9.0)])
def test_unknown_dimensions_are_refused(level: str, sex: str, stature: float | None) -> None:
    with pytest.raises(CaseError):
        dimensions(level, sex=sex, stature=stature)  # type: ignore[arg-type]


def _sizes(seed: int, variation: float, **overrides: float) -> dict[str, float]:
    sizes = patient_sizes(sex="mean", stature=None, seed=seed, size_variation=variation, overrides={})
    return {f"{level}.{name}": getattr(sizes[level], name) for level in ORDER for name in NAMES}


def test_without_variation_every_seed_has_the_mean_sizes() -> None:
    assert _sizes(1, 0.0) == _sizes(2, 0.0)


def test_seeds_vary_sizes_as_widely_as_published_and_neighbours_together() -> None:
    many = [_sizes(seed, 1.0) for seed in range(150)]
    for key in ("L1.upper_width", "T8.pedicle_height", "L4.canal_depth"):
        level, name = key.split(".")
        known = published(level, name)
        values = np.array([one[key] for one in many])
        assert values.mean() == pytest.approx(known.mean, abs=0.3 * known.sd)
        assert values.std() == pytest.approx(known.sd, rel=0.25)
    widths = np.array([[one["L1.upper_width"], one["L2.upper_width"], one["L1.facet"]] for one in many])
    correlation = np.corrcoef(widths.T)
    assert correlation[0, 1] > 0.6
    assert abs(correlation[0, 2]) < 0.3


def test_a_seed_changes_the_built_bone_only_when_asked() -> None:
    small = {"spacing": 1.5e-3, "surround_spacing": 3e-3, "surround_height": 0.08}
    one, two = (build_parametric(ParametricSpec(size_variation=1.0, seed=s, **small)) for s in (1, 2))
    assert abs(one.body_volume / two.body_volume - 1) > 0.02
    again = build_parametric(ParametricSpec(size_variation=1.0, seed=1, **small))
    assert again.body_volume == one.body_volume


def test_overrides_set_one_dimension_of_one_level() -> None:
    spec = ParametricSpec(level="L1", dimensions={"pedicle_width": 7e-3, "L2.disc": 6e-3})
    sizes = patient_sizes(
        sex=spec.sex,
        stature=None,
        seed=0,
        size_variation=0.0,
        overrides={"L1.pedicle_width": 7e-3, "L2.disc": 6e-3},
    )
    assert sizes["L1"].pedicle_width == 7e-3
    assert sizes["L2"].disc == 6e-3
    assert sizes["L2"].pedicle_width == dimensions("L2", sex="female").pedicle_width


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("pedicle_width", 0.5, ("L1", "pedicle_width", "0.5", "zindrick1987", "SI")),
        ("pedicle_width", 8.7, ("8.7",)),  # millimetres given by mistake
        ("pedicle_width", float("nan"), ("nan",)),
        ("pedicle_width", "wide", ("wide",)),
        ("girth", 0.1, ("girth", "pedicle_width")),
        ("L9.height", 0.02, ("L9", "L5")),
    ],
)
def test_overrides_out_of_range_are_refused_by_name(key: str, value: object, words: tuple[str, ...]) -> None:
    with pytest.raises(CaseError) as caught:
        ParametricSpec(level="L1", dimensions={key: value})  # type: ignore[dict-item]
    for word in words[1:] if key == "pedicle_width" else words:
        assert word in str(caught.value)
