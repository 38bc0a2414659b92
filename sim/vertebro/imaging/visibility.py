"""Could the operator have seen it? Detectability of a small amount of cement in one shown frame.

Rose (1948): a disc of contrast C over n pixels with N quanta each has the signal-to-noise ratio C sqrt(N n), and an
observer finds it reliably above about 5. Summed over a shadow of any shape, SNR² = sum of (drop in quanta)² / quanta.
Anatomy hides more than noise does, so the drop must also stand out from the edges of overlying bone somewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.imaging.detector import blurred
from vertebro.imaging.fluoro_view import FluoroView
from vertebro.materials.attenuation import Material
from vertebro.sources import Constant

Image = NDArray[np.float32]
ROSE_SNR = Constant(5.0, "1", 3.0, 8.0, "rose1948", "recalled", "signal-to-noise ratio above which a disc is found")
CLUTTER = Constant(0.12, "1", 0.02, 0.3, "vertebro", "ours", "drop in signal that stands out from overlying anatomy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Visibility:
    """How well a shadow can be seen in one frame.

    Attributes
    ----------
    snr : float
        Signal-to-noise ratio of an observer who knows the shape.
    contrast : float
        Largest relative drop in signal, after the detector's blur.
    area : float [m²]
        Area at the isocentre whose drop exceeds half the largest.
    visible : bool
    """

    snr: float
    contrast: float
    area: float
    visible: bool


def measure_visibility(
    view: FluoroView,
    leak_line: Image,
    *,
    cement_line: Image | None = None,
    needle_line: Image | None = None,
    cement: Material | None = None,
    snr_needed: float = ROSE_SNR,
    contrast_needed: float = CLUTTER,
) -> Visibility:
    """Compare the frames with and without some cement, all else (bone, other cement, needle) as it is.

    Parameters
    ----------
    view : FluoroView
    leak_line : (rows, cols) float32 array [m]
        Path through the cement in question.
    cement_line, needle_line : (rows, cols) float32 array [m], optional
        Paths through the other cement and the steel.
    cement : Material, optional
    snr_needed, contrast_needed : float
        Thresholds of "visible"; both must be passed.

    Raises
    ------
    DataError
        If a path is not finite or has another shape.
    """
    rest = np.zeros_like(leak_line) if cement_line is None else cement_line
    without, shown = (
        view.expected(line, needle_line, cement=cement).astype(float) for line in (rest, rest + leak_line)
    )
    drop = np.where(view.opening, without - shown, 0.0)
    snr = float(np.sqrt(np.sum(drop**2 / np.maximum(without, 1e-6))))
    taps = view.fluoroscope.detector.spread(view.geometry.pitch[0])
    seen = blurred(drop.astype(np.float32), taps) / np.maximum(blurred(without.astype(np.float32), taps), 1e-6)
    contrast = float(seen.max())
    shadow = np.count_nonzero(seen > 0.5 * contrast) if contrast > 0 else 0
    magnification = view.geometry.magnification(view.geometry.isocentre)
    area = shadow * view.geometry.pitch[0] * view.geometry.pitch[1] / magnification**2
    return Visibility(snr=snr, contrast=contrast, area=area, visible=snr >= snr_needed and contrast >= contrast_needed)
