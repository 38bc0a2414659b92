"""The tube: the anode's heel, the shutters' penumbra, the focus's shadow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.imaging import CArm, Fluoroscope
from vertebro.imaging.exposure import open_field
from vertebro.imaging.shadows import Places, focus_sigma, soft_shadow
from vertebro.imaging.spectrum import tube_spectrum, whole_kev
from vertebro.imaging.tube import TUNGSTEN, Heel, lit_share
from vertebro.units import deg

# SpekPy, 11 degrees, 3 mm Al and 0.2 mm Cu: kerma at x cm (anode side negative) over kerma at y cm, 1 m away
SPEKPY = {
    60.0: {-15: 7.086 / 8.772, -10: 8.405 / 8.967, -5: 8.917 / 9.086, 5: 9.156 / 9.086, 15: 8.846 / 8.773},
    80.0: {-15: 16.985 / 22.15, -10: 20.702 / 22.581, -5: 22.235 / 22.847, 5: 23.153 / 22.847, 15: 22.63 / 22.151},
    120.0: {-15: 43.932 / 66.049, -10: 58.14 / 67.176, -5: 64.663 / 67.868, 5: 69.767 / 67.868, 15: 69.721 / 66.05},
}


@pytest.mark.parametrize("kvp", SPEKPY)
def test_heel_profile_follows_spekpy_within_3_percent(kvp: float) -> None:
    beam = tube_spectrum(kvp, copper=2e-4)
    weight = beam.fluence * beam.kerma_per_photon()
    for place, expected in SPEKPY[kvp].items():
        share = Heel().share(beam, np.array([math.atan(-place / 100)]))[:, 0]
        assert weight @ share / weight.sum() == pytest.approx(expected, rel=0.03)


def test_heel_profile_of_a_picture_is_the_path_in_the_target() -> None:
    """Rows of an open field: sum over keV of S D exp(-mu d (1/sin(a - t) - 1/sin a)), t = atan(y / SDD)."""
    plain = Fluoroscope(kvp=80.0, scatter=None, glare=None, focal_spot=0.0)
    pose = CArm.ap(rows=65, cols=5, pitch=4e-3)
    lit, even = (replace(plain, heel=heel).prepare(pose, ()).open_quanta for heel in (Heel(side="top"), None))
    beam, depth = tube_spectrum(80.0, copper=2e-4), Heel().depth
    deposit = beam.fluence * beam.energy * plain.detector.absorbed(beam.energy)
    mu = whole_kev(TUNGSTEN, beam.energy)
    for row in (0, 16, 32, 48, 64):
        leaving = 11 * deg - math.atan((32 - row) * 4e-3 / 1.0)
        path = 1 / math.sin(leaving) - 1 / math.sin(11 * deg)
        expected = deposit @ np.exp(-mu * depth * path) / deposit.sum()
        assert lit[row, 2] / even[row, 2] == pytest.approx(expected, rel=1e-4)
    assert np.all(np.diff(lit[:, 2] / even[:, 2]) > 0)


@pytest.mark.parametrize(("side", "place"), [("top", (0, 2)), ("bottom", (4, 2)), ("left", (2, 0)), ("right", (2, 4))])
def test_the_named_side_is_the_weakest(side: str, place: tuple[int, int]) -> None:
    fluoroscope = Fluoroscope(kvp=80.0, scatter=None, heel=Heel(side=side))  # type: ignore[arg-type]
    even = replace(fluoroscope, heel=None)
    pose = CArm.ap(rows=5, cols=5, pitch=0.05)
    ratio = fluoroscope.prepare(pose, ()).open_quanta / even.prepare(pose, ()).open_quanta
    assert ratio[place] == ratio.min()


def test_edge_of_a_shutter_is_as_wide_as_the_focus_makes_it() -> None:
    """Full width at half maximum of the edge's derivative: f (SDD - s) / s = 0.6 (1 - 0.3) / 0.3 = 1.4 mm."""
    geometry = CArm.ap(rows=9, cols=401, pitch=0.05e-3).geometry
    lit = lit_share(open_field(geometry, (0, 9, 200, 401)), geometry, 0.6e-3, 0.3)
    spread = np.diff(lit[4].astype(float))
    assert np.count_nonzero(spread > spread.max() / 2) * 0.05 == pytest.approx(1.4, abs=0.1)
    assert lit[4, 199:201].mean() == pytest.approx(0.5, abs=0.01)
    assert lit[0, -1] == 1  # the border of the detector is no shutter
    sharp = lit_share(open_field(geometry, (0, 9, 200, 401)), geometry, 0.6e-3, None)
    assert set(np.unique(sharp)) == {0.0, 1.0}


def test_focus_blurs_by_magnification_at_each_layers_own_depth() -> None:
    """M = SDD / depth; FWHM (M - 1) f on the detector, from the pictures of a thin wire within 5 %."""
    focal, pitch = 1.2e-3, 0.05e-3
    view = Fluoroscope(kvp=80.0, focal_spot=focal, scatter=None).prepare(CArm.ap(rows=5, cols=301, pitch=pitch), ())
    wire = np.zeros((5, 301), np.float32)
    wire[:, 150] = 1e-4
    for depth, where in ((0.7, None), (0.5, [0.0, 0.2, 0.0]), (0.85, [0.0, -0.15, 0.0])):
        soft = soft_shadow(view, wire, where)
        assert soft is not None
        shadow = soft.whole(wire.shape)
        place = np.arange(301) - 150
        sigma = math.sqrt(float(shadow[2] @ place**2 / shadow[2].sum())) * pitch
        assert 2.355 * sigma == pytest.approx((1 / depth - 1) * focal, rel=0.05)
    far = view.expected(wire, places=Places(cement=[0.0, 0.2, 0.0]))
    near = view.expected(wire, places=Places(cement=[0.0, -0.15, 0.0]))
    assert far[2, 150] > near[2, 150]  # a wider shadow is a weaker one


def test_a_point_focus_blurs_nothing() -> None:
    assert focus_sigma(0.0, CArm.ap().geometry) == 0.0


def test_impossible_tubes_are_refused() -> None:
    with pytest.raises(CaseError, match="unknown side"):
        Heel(side="up")  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="impossible anode"):
        Heel(angle=0.0)
    with pytest.raises(CaseError, match="shutter"):
        Fluoroscope(shutter=0.0)
    with pytest.raises(CaseError, match="threshold"):
        Fluoroscope(motion=-1.0)
    with pytest.raises(CaseError, match="recursive filter"):
        Fluoroscope(temporal=1.5)
