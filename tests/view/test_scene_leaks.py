"""Leaks by kind: nothing lost, the right kind where the run knows it, colours that differ for every reader."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from vertebro.record import Run
from vertebro.tissue import Compartment, LeakKind
from vertebro.view import theme
from vertebro.view.cement_fields import inside_and_outside
from vertebro.view.scene_leaks import SEEN, leaked_by_kind

# Viénot, Brettel & Mollon 1999, linear RGB: what is left without the long- and the middle-wave cones
NORMAL = np.eye(3)
PROTAN = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
DEUTAN = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _lab(colour: str, eye: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE L*a*b* of a colour as an eye sees it."""
    srgb = np.array(theme.rgb(colour))
    linear = np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)
    x, y, z = np.cbrt(XYZ @ np.clip(eye @ linear, 0, 1) / XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", [NORMAL, PROTAN, DEUTAN], ids=["normal", "protan", "deutan"])
def test_colours_of_leaks_differ_for_every_reader(eye: NDArray[np.float64]) -> None:
    for one, other in combinations(theme.LEAK_COLOURS.values(), 2):
        assert np.linalg.norm(_lab(one, eye) - _lab(other, eye)) > 15, (one, other)


def test_every_kind_of_leak_has_its_colour() -> None:
    assert set(theme.LEAK_COLOURS) == {kind.value for kind in LeakKind}
    assert theme.leak_colour("unheard of") == theme.LEAK


def test_kinds_together_are_all_the_leaked_cement(run: Run) -> None:
    outside = inside_and_outside(run)[1]
    kinds = leaked_by_kind(run)
    together = np.maximum.reduce(list(kinds.values()))
    np.testing.assert_array_equal(together[outside > SEEN], outside[outside > SEEN])
    assert set(kinds) == {"D", "S"}
    assert not leaked_by_kind(run, 0.0)


def test_each_kind_lies_in_its_place(run: Run) -> None:
    kinds, compartment = leaked_by_kind(run), run.anatomy.compartment
    assert (compartment[kinds["D"] > 0] == Compartment.DISC_SUPERIOR).all()
    assert (compartment[kinds["S"] > 0] == Compartment.VEIN_SEGMENTAL).all()


def test_in_one_place_the_nearest_leak_of_the_run_decides(run: Run) -> None:
    """Cement beside the bone is of a segmental vein or of a hole in the wall."""
    grid = run.anatomy.grid
    left, right = (int(np.rint(grid.index((x, 0.0, 0.0)))[0]) for x in (-0.03, 0.03))
    row, height = (int(x) for x in np.rint(grid.index((0.0, 0.0, 0.0)))[1:])
    saturation = np.zeros_like(run.saturation)
    saturation[-1, [left, right], row, height] = 1.0
    compartment = run.anatomy.compartment.copy()
    compartment[[left, right], row, height] = Compartment.PARAVERTEBRAL
    leaks = [
        {"kind": kind, "position_mm": [x, 0.0, 0.0], "volume_ml": 0.1, "t_leak_s": 1.0}
        for kind, x in (("C", -30.0), ("S", 30.0))
    ]
    beside = replace(
        run,
        saturation=saturation,
        summary=run.summary | {"leaks": leaks},
        scene=replace(run.scene, anatomy=replace(run.anatomy, compartment=compartment)),
    )
    kinds = leaked_by_kind(beside)
    assert [tuple(np.argwhere(kinds[kind])[0]) for kind in ("C", "S")] == [(left, row, height), (right, row, height)]


def test_cement_far_back_in_the_needle_s_track_is_a_leak_and_near_the_bone_is_none(run: Run) -> None:
    from vertebro.build import counted_compartments

    grid, needle = run.anatomy.grid, run.scene.needles[0]
    track = np.argwhere(counted_compartments(run.scene) == Compartment.TRACK)
    depth = (grid.world(track) - needle.tip) @ (needle.entry - needle.tip) / needle.length
    saturation = np.zeros_like(run.saturation)
    saturation[(-1, *track[depth.argmax()])] = 1.0
    assert list(leaked_by_kind(replace(run, saturation=saturation))) == ["track"]
    saturation = np.zeros_like(run.saturation)
    saturation[(-1, *track[depth.argmin()])] = 1.0
    assert not leaked_by_kind(replace(run, saturation=saturation))
