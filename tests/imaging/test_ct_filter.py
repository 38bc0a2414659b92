"""Filtered back-projection against discs whose line integrals are known exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imaging.ct_phantom import RAYS, chords, distance
from vertebro.errors import CaseError, GeometryError
from vertebro.imaging import filtered_back_projection
from vertebro.imaging.ct_filter import transfer
from vertebro.imaging.ct_rays import Rays

WHOLE = {"pixels": 512, "width": 0.256}
DISC = (0.03, 0.02, 0.025)  # right, anterior, radius [m]


def test_a_disc_of_one_becomes_one_inside_and_nothing_outside() -> None:
    """The band-limited ramp keeps the mean: |f| over zero padding would lose 6 % (-64 HU)."""
    picture = filtered_back_projection(chords((0, 0, 0.1), RAYS.distances()), RAYS, **WHOLE)
    r = distance()
    assert picture[r < 0.097].mean() == pytest.approx(1, abs=2e-4)
    assert picture[r < 0.01].mean() == pytest.approx(1, abs=3e-4)
    assert abs(picture[(r > 0.103) & (r < 0.125)].mean()) < 1e-3


def test_left_is_left_and_anterior_is_up() -> None:
    picture = filtered_back_projection(chords(DISC, RAYS.distances()), RAYS, **WHOLE)
    row, col = np.average(np.indices(picture.shape).reshape(2, -1), axis=1, weights=(picture > 0.5).ravel())
    assert 255.5 - col == pytest.approx(DISC[0] / 0.5e-3, abs=0.1)  # patient right: viewer's left
    assert 255.5 - row == pytest.approx(DISC[1] / 0.5e-3, abs=0.1)
    assert picture[distance(*DISC[:2]) < 0.023].mean() == pytest.approx(1, abs=5e-4)


@pytest.mark.parametrize("pixels", [100, 101])
def test_a_small_field_is_the_same_picture_nearer(pixels: int) -> None:
    """Any centre, any number of pixels: the disc's edge lies where it should, its plateau is 1."""
    picture = filtered_back_projection(
        chords(DISC, RAYS.distances()), RAYS, pixels=pixels, width=0.06, centre=(0.04, 0.02)
    )
    place = -(np.arange(pixels) - (pixels - 1) / 2) * 0.06 / pixels
    r = np.hypot(place[None, :] + 0.04 - DISC[0], place[:, None] + 0.02 - DISC[1])
    assert picture[r < 0.023].mean() == pytest.approx(1, abs=1e-3)
    assert abs(picture[r > 0.027].mean()) < 5e-3
    assert (picture > 0.5).sum() * (0.06 / pixels) ** 2 == pytest.approx(
        (r < DISC[2]).sum() * (0.06 / pixels) ** 2, rel=0.01
    )


def test_reconstruction_is_linear(rng: np.random.Generator) -> None:
    rays = Rays(views=24, count=31, pitch=1e-3, axis=(0.0, 0.0))
    a, b = rng.normal(0, 1, (2, 24, 31))
    pictures = [filtered_back_projection(x, rays, pixels=16, width=0.02) for x in (a, b, 2 * a - b)]
    assert np.allclose(pictures[2], 2 * pictures[0] - pictures[1], atol=1e-3 * np.abs(pictures[2]).max())


def test_noise_of_the_ramp_is_that_of_theory(rng: np.random.Generator) -> None:
    """White noise s on every ray: variance (pi/views)^2 views s^2 sum(h^2), of which linear interpolation keeps 2/3.

    The sum of the squared band-limited ramp taps is 1 / (12 pitch^2): variance pi^2 s^2 / (12 views pitch^2); between
    samples the neighbours' weights and their correlation leave on average a share, by Parseval, of
    12 * integral of f^2 (2 + cos 2 pi f) / 3 over 0 to 1/2 of a period, times 2.
    """
    lines = rng.standard_normal((RAYS.views, RAYS.count))
    picture = filtered_back_projection(lines, RAYS, pixels=256, width=0.1)
    f = (np.arange(1000) + 0.5) / 2000
    kept = 24 * float(np.mean(f**2 * (2 + np.cos(2 * np.pi * f)) / 3)) / 2
    expected = np.pi / np.sqrt(12 * RAYS.views) / RAYS.pitch * np.sqrt(kept)
    assert picture.std() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("kernel", "half"), [("soft", 375.0), ("bone", 730.0)])
def test_kernels_pass_half_of_a_pattern_where_they_say(kernel: str, half: float) -> None:
    """A disc's edge is a step: the transfer of its slope is the kernel's."""
    assert transfer(kernel, np.array([0.0]))[0] == pytest.approx(1)
    assert transfer(kernel, np.array([half]))[0] == pytest.approx(0.5, abs=0.06)
    fine = Rays(views=720, count=700, pitch=0.5e-3, axis=(0.0, 0.0))
    picture = filtered_back_projection(
        chords((0, 0, 0.03), fine.distances(), fine), fine, pixels=800, width=0.08, kernel=kernel
    )
    profile = picture[399:401].mean(axis=0)[620:780].astype(float)  # across the edge at 0.03 m, pixels of 0.1 mm
    slope = np.abs(np.fft.rfft(-np.diff(profile)))
    frequency = np.fft.rfftfreq(159, 1e-4)
    measured = np.interp([0.5 * half, half], frequency, slope / slope[0])
    assert measured == pytest.approx(transfer(kernel, np.array([0.5 * half, half])), abs=0.05)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"width": 0.0}, GeometryError),
        ({"pixels": 0}, GeometryError),
        ({"width": float("nan")}, GeometryError),
        ({"kernel": "sharp"}, CaseError),
    ],
)
def test_impossible_pictures_are_refused(wrong: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        filtered_back_projection(np.zeros((RAYS.views, RAYS.count)), RAYS, **({"pixels": 8, "width": 0.1} | wrong))
    with pytest.raises(GeometryError, match="do not fit"):
        filtered_back_projection(np.zeros((3, 3)), RAYS, pixels=8, width=0.1)


@pytest.mark.parametrize("wrong", [{"views": 8}, {"views": 30}, {"count": 1}, {"pitch": 0.0}])
def test_impossible_rays_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(GeometryError, match="impossible rays"):
        Rays(**({"views": 24, "count": 31, "pitch": 1e-3, "axis": (0.0, 0.0)} | wrong))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)
