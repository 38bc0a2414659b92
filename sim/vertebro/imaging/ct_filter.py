"""Filtered back-projection of parallel rays: band-limited ramp, reconstruction kernels, any field of view.

>>> import numpy as np
>>> from vertebro.imaging.ct_rays import Rays
>>> rays = Rays(views=180, count=201, pitch=1e-3, axis=(0.0, 0.0))
>>> disc = 2 * np.sqrt(np.maximum(0.05**2 - rays.distances() ** 2, 0))  # line integrals of a disc of 1/m, 5 cm
>>> lines = np.broadcast_to(disc, (180, 201)).astype(np.float32)
>>> picture = filtered_back_projection(lines, rays, pixels=65, width=0.06)
>>> round(float(picture[32, 32]), 2)
1.0
"""

from __future__ import annotations

import functools
import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging.ct_rays import Rays
from vertebro.imaging.kernels_ct import LANES, back_project
from vertebro.sources import Constant

Image = NDArray[np.float32]
Floats = NDArray[np.float64]
SOFT_CUT = Constant(0.75e3, "1/m", 0.5e3, 1e3, "vertebro", "ours", "where a soft-tissue kernel of the body ends")
BONE_CUT = Constant(1.3e3, "1/m", 1e3, 1.6e3, "vertebro", "ours", "where a bone kernel ends")
BONE_LIFT = Constant(0.35, "1", 0.0, 0.8, "vertebro", "ours", "edge enhancement of a bone kernel at 0.4 of its end")
KERNELS = ("soft", "bone", "ramp")


def transfer(kernel: str, frequency: NDArray[np.floating]) -> Floats:
    """Modulation transfer that a reconstruction kernel aims at, at spatial frequencies [1/m].

    "soft": a cosine bell, half at 0.38 line pairs per mm. "bone": lifted at middle frequencies, half at 0.75.
    "ramp": 1 everywhere, nothing but the band-limited ramp.

    Raises
    ------
    CaseError
        If there is no such kernel.
    """
    if kernel == "ramp":
        return np.ones(frequency.shape)
    if kernel not in KERNELS:
        raise CaseError("unknown reconstruction kernel", where="kernel", value=kernel, allowed=", ".join(KERNELS))
    cut = float(SOFT_CUT if kernel == "soft" else BONE_CUT)
    share = np.minimum(frequency / cut, 1.0)
    bell = np.asarray(np.cos(np.pi / 2 * share) ** 2, np.float64)
    lift = np.sin(np.pi * np.minimum(share / 0.8, 1.0)) ** 2
    return bell if kernel == "soft" else np.asarray(bell * (1 + BONE_LIFT * lift), np.float64)


@functools.lru_cache(maxsize=32)
def _ramp(length: int, pitch: float, kernel: str, sides: tuple[float, ...]) -> NDArray[np.float32]:
    """Transfer of ramp and kernel at the frequencies of rfft."""
    place = np.fft.fftfreq(length, 1 / length)
    taps = np.zeros(length)
    taps[0] = 1 / (4 * pitch**2)
    odd = place % 2 != 0
    taps[odd] = -1 / (np.pi * place[odd] * pitch) ** 2
    frequency = np.fft.rfftfreq(length, pitch)
    response = np.fft.rfft(taps).real * pitch * transfer(kernel, frequency)
    if kernel != "ramp":
        # the kernel is what the picture shows: undo the linear interpolation and the detector's cells and focus
        wave = 1 - np.cos(2 * np.pi * frequency * pitch)
        response /= np.sinc(frequency * pitch) ** 2 * np.prod([1 - 2 * side * wave for side in sides], axis=0)
    return response.astype(np.float32)


def filtered_back_projection(
    lines: NDArray[np.floating],
    rays: Rays,
    *,
    pixels: int,
    width: float,
    centre: tuple[float, float] | None = None,
    kernel: str = "ramp",
    blur: tuple[float, ...] = (),
) -> Image:
    """Reconstruct a square picture, turned as it is read: anterior up, the patient's right on the viewer's left.

    Parameters
    ----------
    lines : (views, rays) float array
        Line integrals.
    rays : Rays
    pixels : int
    width : float [m]
        Edge of the picture.
    centre : (2,) float [m], optional
        Right and anterior coordinate of its middle; default: the axis of rotation.
    kernel : {"ramp", "soft", "bone"}
    blur : tuple of float
        Side taps of the detector's blurs, which the soft and bone kernels undo: what they aim at is the whole chain.

    Returns
    -------
    (pixels, pixels) float32 array [1/m]

    Raises
    ------
    GeometryError
        If the lines do not fit the rays, or the field of view is impossible.
    """
    if lines.shape != (rays.views, rays.count):
        raise GeometryError("lines do not fit the rays", value=lines.shape, allowed=f"({rays.views}, {rays.count})")
    if not (pixels >= 1 and math.isfinite(width) and width > 0):
        raise GeometryError("impossible field of view", value=(pixels, width), allowed="pixels >= 1, width > 0 m")
    shift = np.subtract(rays.axis if centre is None else centre, rays.axis)
    half = math.ceil(width / math.sqrt(2) / rays.pitch) + 2
    turned = _filtered(lines, rays, shift, half, kernel, blur)
    spacing = width / pixels / rays.pitch
    out = np.empty(((pixels + 1) // 2, pixels, LANES), np.float32)
    back_project(turned, rays.directions()[: rays.views // 4], float(half), spacing, out)
    return _assembled(out) * np.float32(np.pi / rays.views)


def _filtered(
    lines: NDArray[np.floating], rays: Rays, shift: Floats, half: int, kernel: str, sides: tuple[float, ...]
) -> Image:
    """(views / 4, 2 half + 1, 8) filtered lines around the picture's middle, mirrored views side by side."""
    offset = rays.directions() @ shift / rays.pitch - half + (rays.count - 1) / 2  # of sample 0 from ray 0
    reach = rays.count + max(0.0, -float(offset.min()), float(offset.max()) + 2 * half + 1 - rays.count)
    length = scipy.fft.next_fast_len(2 * math.ceil(reach), real=True)
    spectrum = scipy.fft.rfft(np.asarray(lines, np.float32), length, axis=1)
    spectrum *= _ramp(length, rays.pitch, kernel, sides)
    turn = np.exp(2j * np.pi / length * np.outer(offset, [1.0, 32.0]))
    spectrum *= _powers(turn, spectrum.shape[1])
    filtered = scipy.fft.irfft(spectrum, length, axis=1)[:, : 2 * half + 1]
    quarter = rays.views // 4
    four = (
        filtered[:quarter],
        filtered[2 * quarter : 3 * quarter],
        filtered[quarter : 2 * quarter][::-1],
        filtered[3 * quarter :][::-1],
    )
    # columns run against right and rows against anterior, so the rays run backwards
    turned = np.empty((quarter, 2 * half + 1, LANES), np.float32)
    for lane, part in enumerate(four):
        turned[:, :, lane] = part[:, ::-1]
        turned[:, :, lane + 4] = part
    return turned


def _powers(turn: NDArray[np.complex128], count: int) -> NDArray[np.complex64]:
    """(n, count) the powers 0, 1 … of unit numbers; `turn` holds each and its 32nd power."""
    short = turn[:, :1] ** np.arange(32)
    long = turn[:, 1:] ** np.arange(-(-count // 32))
    return (long[:, :, None] * short[:, None, :]).reshape(len(turn), -1)[:, :count].astype(np.complex64)


def _assembled(out: Image) -> Image:
    """(pixels, pixels) sum of the mirrored views from `back_project`."""
    pixels = out.shape[1]
    whole = np.empty((4, pixels, pixels), np.float32)
    lanes = np.ascontiguousarray(out.transpose(2, 0, 1))
    whole[:, : len(out)] = lanes[:4]
    whole[:, pixels - len(out) :] = lanes[4:, ::-1, ::-1]
    return np.asarray(whole[0] + whole[1][::-1].T + whole[2].T + whole[3][:, ::-1], np.float32)
