"""Could the operator have seen it? Detectability of a small amount of cement in one shown frame.

Rose (1948): a disc of contrast C over n pixels with N quanta each has the signal-to-noise ratio C sqrt(N n), and an
observer finds it reliably above about 5. Summed over a shadow of any shape, SNR² = sum of (drop in quanta)² / variance.
A recursive filter lowers the variance (`filter_share`), so the same leak is seen earlier in a running fluoroscopy.

Anatomy hides more than noise does. The same shadow, laid as a template on the neighbourhood, answers to edges of bone
as well; the spread of these answers is the clutter that the leak's own answer must stand out from.

A `Spotter` keeps what does not change in a view and works on a crop around the shadow, so that every picture an
operator looks at can be judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, DataError
from vertebro.imaging.detector import blurred
from vertebro.imaging.fluoro_view import FluoroView, Frame
from vertebro.imaging.shadows import soft_shadow
from vertebro.materials.attenuation import Material
from vertebro.sources import Constant

Image = NDArray[np.float32]
Box = tuple[slice, slice]
ROSE_SNR = Constant(5.0, "1", 3.0, 8.0, "rose1948", "recalled", "signal-to-noise ratio above which a disc is found")
CLUTTER_RATIO = Constant(
    4.0,
    "1",
    2.0,
    8.0,
    "vertebro",
    "ours",
    "answer of a shadow over the anatomy's nearby; 0.05 ml epidural on L3 is at it",
)
CONTRAST = Constant(0.02, "1", 0.01, 0.12, "vertebro", "ours", "drop in signal that an eye tells on a monitor at all")
COVER = Constant(
    0.2,
    "1",
    0.05,
    0.5,
    "vertebro",
    "ours",
    "share of the signal that other cement or steel takes where it hides a leak",
)
GRAIN = Constant(
    1e-3, "m", 0.5e-3, 2e-3, "vertebro", "ours", "edge of the patch whose own visibility makes up the area"
)
NEIGHBOURHOOD = 5e-3  # m at the isocentre around a shadow, at least
STEPS = 16  # directions in which the template is laid on the neighbourhood


@dataclass(frozen=True, kw_only=True, slots=True)
class Visibility:
    """How well a shadow can be seen in one frame.

    Attributes
    ----------
    snr : float
        Signal-to-noise ratio of an observer who knows the shape.
    contrast : float
        Largest relative drop in signal, after the detector's blur.
    clutter_ratio : float
        Answer of the shadow's template to the leak over the spread of its answers to the anatomy around.
    cnr : float or None
        Contrast-to-noise ratio in the shown picture: mean grey of the surroundings minus that of the shadow, over
        the surroundings' spread (noise and anatomy). None without a frame.
    area : float [m²]
        Area at the isocentre whose drop exceeds half the largest.
    visible_area : float [m²]
        Area at the isocentre whose drop is visible patch by patch (Rose's criterion for a patch of 1 mm).
    visible : bool
        Noise, clutter and the eye's own threshold are all passed.
    """

    snr: float
    contrast: float
    clutter_ratio: float
    cnr: float | None
    area: float
    visible_area: float
    visible: bool


NOTHING = Visibility(snr=0.0, contrast=0.0, clutter_ratio=0.0, cnr=None, area=0.0, visible_area=0.0, visible=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """What has to be passed to count as visible."""

    snr: float = ROSE_SNR
    clutter_ratio: float = CLUTTER_RATIO
    contrast: float = CONTRAST


def filter_share(newest: float | None, frames: int | None = None) -> float:
    """Variance of a recursively filtered picture over that of one pulse: a / (2 - a), reached within a few frames.

    Parameters
    ----------
    newest : float or None
        Share a of the newest picture; None without a filter.
    frames : int, optional
        Pictures since the stream began (or the filter was reset); default: many.

    Raises
    ------
    CaseError
        If the share is not within 0 to 1 or there is no frame.
    """
    if newest is None:
        return 1.0
    if not 0 < newest <= 1 or (frames is not None and frames < 1):
        raise CaseError("impossible filter", where="newest, frames", value=(newest, frames), allowed="0 < a <= 1, >= 1")
    steady = newest / (2 - newest)
    return steady if frames is None else steady + (1 - steady) * (1 - newest) ** (2 * (frames - 1))


class Spotter:
    """Judges leaks in the frames of one view.

    Parameters
    ----------
    view : FluoroView
    thresholds : Thresholds, optional
    """

    def __init__(self, view: FluoroView, *, thresholds: Thresholds | None = None) -> None:
        self.view = view
        self.thresholds = thresholds or Thresholds()
        scatter, glare = view.fluoroscope.scatter, view.fluoroscope.glare
        self._passed = scatter.primary_share() if scatter is not None else 1.0
        self._passed *= 1 - glare.share if glare is not None else 1.0
        self._spread = view.fluoroscope.detector.spread(view.geometry.pitch[0])
        self._pixel = math.sqrt(view.geometry.pitch[0] * view.geometry.pitch[1])
        self._pixel /= view.geometry.magnification(view.geometry.isocentre)
        self._smooth = view.expected() - np.float32(self._passed) * view.primary

    def look(
        self,
        leak_line: Image,
        *,
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        cement: Material | None = None,
        frame: Frame | None = None,
        noise_share: float = 1.0,
    ) -> Visibility:
        """Compare the picture with and without a leak, all else (bone, other cement, needle) as it is.

        Where other cement or steel lies in the way, a leak cannot be told from it and does not count; beside them it
        does: everybody knows needle and filling when he sees them, so only the anatomy is clutter.

        Scatter and stray light are those of the view without cement: a leak is too small to change them.

        Parameters
        ----------
        leak_line : (rows, cols) float32 array [m]
            Path through the cement in question.
        cement_line, needle_line : (rows, cols) float32 array [m], optional
            Paths through the other cement and the steel.
        cement : Material, optional
        frame : Frame, optional
            The picture as shown; gives `Visibility.cnr`.
        noise_share : float
            Variance over that of one exposure of the view. A running `Stream` spends `charge` of an exposure per pulse
            and filters: `filter_share(a, frames) / stream.charge`, which is 1 when it runs as it comes.

        Raises
        ------
        DataError
            If a path is not finite or has another shape.
        CaseError
            If the share of noise is not positive.
        """
        if not noise_share > 0:
            raise CaseError("impossible noise", where="noise_share", value=noise_share, allowed="> 0")
        self._check(leak_line, cement_line, needle_line)
        box = self._box(leak_line)
        if box is None:
            return NOTHING
        rest = np.zeros_like(leak_line[box]) if cement_line is None else cement_line[box]
        steel = None if needle_line is None else needle_line[box]
        bare, filled = (self._quanta(box, line, steel, cement) for line in (rest, rest + leak_line[box]))
        anatomy = self._quanta(box, np.zeros_like(rest), None, cement)
        free = self.view.opening[box] & (bare > (1 - COVER) * anatomy)
        drop = np.asarray(np.where(free, bare - filled, 0.0), np.float32)
        return self._judge(box, drop, bare, anatomy, frame, noise_share)

    def _judge(
        self, box: Box, drop: Image, bare: Image, anatomy: Image, frame: Frame | None, noise_share: float
    ) -> Visibility:
        electronic = self.view.fluoroscope.detector.electronic**2
        snr = math.sqrt(float(np.sum(drop.astype(float) ** 2 / (np.maximum(bare, 1e-6) + electronic))) / noise_share)
        blurred_bare = np.maximum(blurred(bare, self._spread), np.float32(1e-6))
        seen = np.asarray(blurred(drop, self._spread) / blurred_bare, np.float32)
        contrast = float(seen.max())
        if not contrast > 0:
            return NOTHING
        per_grain = (blurred_bare + electronic) * (GRAIN / self._pixel) ** 2
        local = seen * np.sqrt(per_grain / noise_share) >= self.thresholds.snr
        clutter = clutter_ratio(seen, np.log(np.maximum(blurred(anatomy, self._spread), np.float32(1e-6))))
        need = self.thresholds
        return Visibility(
            snr=snr,
            contrast=contrast,
            clutter_ratio=clutter,
            cnr=None if frame is None else _shown_contrast(frame.display16[box], seen, self.view.opening[box]),
            area=float(np.count_nonzero(seen > 0.5 * contrast)) * self._pixel**2,
            visible_area=float(np.count_nonzero(local & (seen >= need.contrast))) * self._pixel**2,
            visible=snr >= need.snr and clutter >= need.clutter_ratio and contrast >= need.contrast,
        )

    def _check(self, *lines: Image | None) -> None:
        shape = self.view.primary.shape
        for line in lines:
            # a sum is finite only if all of its terms are
            if line is not None and (line.shape != shape or not math.isfinite(float(line.sum()))):
                raise DataError("a path does not fit the picture", value=line.shape, allowed=f"{shape}, finite [m]")

    def _box(self, line: Image) -> Box | None:
        """The shadow with its neighbourhood."""
        touched = line != 0
        rows, cols = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
        if rows.size == 0:
            return None
        rim = math.ceil(NEIGHBOURHOOD / self._pixel) + 2 * len(self._spread)
        return (
            slice(max(int(rows[0]) - rim, 0), int(rows[-1]) + rim + 1),
            slice(max(int(cols[0]) - rim, 0), int(cols[-1]) + rim + 1),
        )

    def _quanta(self, box: Box, cement_line: Image, needle_line: Image | None, cement: Material | None) -> Image:
        """Expected quanta in the box behind tissue, cement and steel."""
        crop = replace(
            self.view,
            tissue=np.ascontiguousarray(self.view.tissue[:, *box]),
            primary=np.ascontiguousarray(self.view.primary[box]),
        )
        lines = [soft_shadow(crop, line, None) for line in (cement_line, needle_line)]
        seen = np.float32(self._passed) * crop.behind([*lines, None], cement)
        return np.asarray(seen + self._smooth[box], np.float32)


def measure_visibility(
    view: FluoroView,
    leak_line: Image,
    *,
    cement_line: Image | None = None,
    needle_line: Image | None = None,
    cement: Material | None = None,
    frame: Frame | None = None,
    noise_share: float = 1.0,
    thresholds: Thresholds | None = None,
) -> Visibility:
    """One look; see `Spotter.look`, which is cheaper for many."""
    return Spotter(view, thresholds=thresholds).look(
        leak_line,
        cement_line=cement_line,
        needle_line=needle_line,
        cement=cement,
        frame=frame,
        noise_share=noise_share,
    )


def clutter_ratio(seen: Image, level: Image) -> float:
    """Answer of a shadow's template to the shadow, over the spread of its answers to what lies around.

    The template is the shadow minus its mean over the shadow and a rim, so that it does not answer to even brightness.
    It is laid in `STEPS` directions, half its own size and its whole size away.

    Parameters
    ----------
    seen : (rows, cols) float32 array
        Relative drop.
    level : (rows, cols) float32 array
        Logarithm of the picture of the anatomy.
    """
    core = seen > np.float32(0.1) * seen.max()
    rows, cols = np.flatnonzero(core.any(axis=1)), np.flatnonzero(core.any(axis=0))
    grow = max(2, round(0.25 * min(len(rows), len(cols))))
    height, width = len(rows) + 2 * grow, len(cols) + 2 * grow
    thin = max(1, math.isqrt(height * width // 1600))  # a large shadow's template may be coarse
    rim = (height + grow, width + grow)
    shadow, around = (np.pad(image, [(n, n) for n in rim], mode="edge") for image in (seen, level))

    def window(image: Image, down: float, right: float) -> Image:
        top, left = int(rows[0]) + height + round(down), int(cols[0]) + width + round(right)
        return image[top : top + height : thin, left : left + width : thin]

    own = window(shadow, 0, 0)
    template = own - own.mean()
    angle = np.arange(STEPS) * 2 * math.pi / STEPS
    places = [(far * height * np.sin(angle), far * width * np.cos(angle)) for far in (0.5, 1.0)]
    answers = [
        float(np.vdot(template, window(around, row, col)))
        for down, right in places
        for row, col in zip(down.tolist(), right.tolist(), strict=True)
    ]
    return float(np.vdot(template, own)) / max(float(np.std(answers)), 1e-12)


def _shown_contrast(grey: NDArray[np.uint16], seen: Image, opening: NDArray[np.bool_]) -> float:
    shadow = (seen > 0.5 * seen.max()) & opening
    around = (seen < 0.02 * seen.max()) & opening
    if not shadow.any() or np.count_nonzero(around) < 20:
        return 0.0
    spread = float(grey[around].std())
    return float((grey[around].mean() - grey[shadow].mean()) / max(spread, 1.0))
