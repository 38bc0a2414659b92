"""A running fluoroscopy at a fixed pose: what one picture leaves for the next.

A single exposure is `FluoroView.frame`. A stream remembers the recursive filter's last picture, the charge that lags
in the detector and what the brightness control has made of the tube. A pulse gets the share of the single exposure's
charge with which the *filtered* picture is as noisy as the single exposure.

>>> import numpy as np
>>> from vertebro.grid import VoxelGrid
>>> from vertebro.imaging import CArm, Fluoroscope, tissue_layers
>>> grid = VoxelGrid.around([-0.05] * 3, [0.05] * 3, 5e-3)
>>> view = Fluoroscope().prepare(CArm.ap(rows=64, cols=64, pitch=1e-3), tissue_layers(np.zeros(grid.shape), grid))
>>> stream = Stream(view)
>>> [stream.frame().number for _ in range(3)]
[0, 1, 2]
>>> round(stream.charge, 2)  # 0.4 / (2 - 0.4)
0.25
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vertebro._jit import SHORT_BIAS
from vertebro.errors import CaseError
from vertebro.imaging.brightness import Brightness, Monitor
from vertebro.imaging.detector import NoiseBank, blurred
from vertebro.imaging.display import CURVE_RANGE, CURVE_SIZE, curve16, sharpening_taps
from vertebro.imaging.dose import Dose
from vertebro.imaging.fluoro_view import FluoroView, Frame, add_scatter, smooth_part
from vertebro.imaging.kernels_frame import develop
from vertebro.imaging.scatter import COARSE
from vertebro.imaging.shadows import Motions, Places, Shadow, soft_shadow
from vertebro.imaging.visibility import filter_share
from vertebro.materials.attenuation import Material

Image = NDArray[np.float32]
PULSE_PERIOD = 1 / 15  # s, between pictures without a time


class Stream:
    """Pictures of one pose in a row.

    Parameters
    ----------
    view : FluoroView
        Its `fluoroscope` says which effects are on.
    seed : int
        Of the run; the same seed, frame numbers, times and paths give the same pictures.
    charge : float, optional
        Share of the view's tube charge per pulse, above 0; default: a / (2 - a) with the filter's share a, 1 without.
    tube : Dose, optional
        Tube settings to start from, as the last picture of another pose left them; default: settled.

    Attributes
    ----------
    number : int
        Of the next picture.
    time : float [s]
        Of the last picture.

    Raises
    ------
    CaseError
        If the charge is not positive.
    """

    def __init__(
        self, view: FluoroView, *, seed: int = 0, charge: float | None = None, tube: Dose | None = None
    ) -> None:
        self.charge = filter_share(view.fluoroscope.temporal) if charge is None else charge
        if not (math.isfinite(self.charge) and self.charge > 0):
            raise CaseError("impossible charge of a pulse", where="charge", value=charge, allowed="> 0")
        self.view, self.seed, self.number, self.time = view, seed, 0, 0.0
        self._brightness = Brightness(view, tube)
        rows, cols = view.primary.shape
        light = view.fluoroscope.detector.spread(view.geometry.pitch[0])
        self._bank, self._taps = NoiseBank((rows, cols), light, seed), in_threes(light)
        lag = view.fluoroscope.lag
        self._traps = np.zeros((0 if lag is None else len(lag.shares), rows, cols), np.uint16)
        self._shown: Image | None = None
        self._primary = np.empty((rows, cols), np.float32)
        self._behind: FluoroView | None = None  # whose primary that is, but for the windows where layers lie
        self._windows: list[tuple[slice, slice]] = []
        display = view.fluoroscope.display
        screen = in_threes(sharpening_taps(display))
        first, last = CURVE_RANGE
        scale = (CURVE_SIZE - 1) / (last - first) / view.window.width
        low = np.float32(view.window.low + first * view.window.width)
        self._screen = (
            screen, np.float32(display.sharpen), low, np.float32(scale), curve16(display),
            view.opening,
        )  # fmt: skip
        self._monitor = Monitor(view, self._brightness.sample, float(low), float(scale), self._screen[4])
        self._scratch = _scratch(cols, len(self._taps) - 1, len(screen) - 1)
        self._exposure = 0.0

    def frame(
        self,
        *,
        cement_line: Image | Shadow | None = None,
        needle_line: Image | Shadow | None = None,
        contrast_line: Image | Shadow | None = None,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        places: Places | None = None,
        motions: Motions | None = None,
        time: float | None = None,
        noise: bool = True,
    ) -> Frame:
        """Shoot the next picture.

        Parameters
        ----------
        cement_line, needle_line, contrast_line : (rows, cols) float32 array [m] or Shadow, optional
            Paths through cement, steel and contrast agent.
        cement : Material, optional
        replaced : str
            Material that made room for the cement.
        places : Places, optional
            Where the layers lie along the beam, for the blur by the focus.
        motions : Motions, optional
            How the layers move, for their blur within the pulse.
        time : float [s], optional
            Of this picture; default: 1/15 s after the one before.
        noise : bool

        Returns
        -------
        Frame
            `signal` is in the view's own quanta, whatever the tube did; `dose` is that of this pulse.

        Raises
        ------
        CaseError
            If `time` lies before the last picture's.
        DataError
            If a path is not finite or has another shape.
        """
        wait = self._clock(time)
        view, relative = self._brightness.tune(wait)
        at, way = places or Places(), motions or Motions()
        layers = (
            (cement_line, at.cement, way.cement),
            (needle_line, at.needle, way.needle),
            (contrast_line, at.contrast, way.contrast),
        )
        shadows = [soft_shadow(view, *layer) for layer in layers]
        primary = view.primary
        if any(shadow is not None for shadow in shadows):
            primary = view.behind(shadows, cement, replaced, self._bare(view, shadows))
        signal, grey, mean = self._developed(view, primary, relative * self.charge, wait, noise)
        dose = self._brightness.measure(mean, self.charge)
        frame = Frame(signal=signal, display16=grey, dose=dose, geometry=self.view.geometry, number=self.number)
        self.time, self.number = self.time + wait, self.number + 1
        return frame

    def _bare(self, view: FluoroView, shadows: list[Shadow | None]) -> Image:
        """The primary in memory that is kept: only what the last picture's layers changed is written anew."""
        if self._behind is not view:
            np.copyto(self._primary, view.primary)
        else:
            for window in self._windows:
                self._primary[window] = view.primary[window]
        self._behind, self._windows = view, [shadow.window for shadow in shadows if shadow is not None]
        return self._primary

    def _clock(self, time: float | None) -> float:
        """Time [s] since the last picture."""
        if time is None:
            return PULSE_PERIOD if self.number else 0.0
        if self.number == 0:
            self.time = float(time)
        if not time >= self.time:
            raise CaseError("a picture before the last one", where="time [s]", value=time, allowed=f">= {self.time}")
        return float(time) - self.time

    def _developed(
        self, view: FluoroView, primary: Image, exposure: float, wait: float, noise: bool
    ) -> tuple[Image, NDArray[np.uint16], float]:
        """Scatter, noise, spread of light, lag, filter and display: signal, greys, mean expected quanta measured."""
        fluoroscope, unit = self.view.fluoroscope, self._brightness.unit
        quanta = exposure * unit  # detected per shown one
        grain, readout = (1 / quanta, fluoroscope.detector.electronic / quanta) if noise else (0.0, 0.0)
        tube = [1 / unit, grain, readout, self._bank.UNIT]
        share, low = smooth_part(view.fluoroscope, view.coarse, primary)
        smooth = np.zeros_like(view.coarse.bare) if low is None else low
        before = self._shown
        if before is None:
            total = primary if low is None else add_scatter(view.fluoroscope, view.coarse, primary)
            self._fill_traps(total, unit)
            before = primary
        shown, grey = np.empty_like(primary), np.empty(primary.shape, np.uint16)
        scene = primary, np.float32(share), smooth, view.coarse.factor, self._brightness.sample
        bank = self._bank.numbers, self._bank.place(self.number)
        taps, sharpen, base, *rest = self._screen
        screen = (taps, sharpen, np.float32(base - self._monitor.answer(wait)), *rest)
        mean = develop(
            scene, self._taps, bank, np.array(tube, np.float32), self._memory(quanta, wait, noise), self._traps, before,
            (self.view.window.slow, COARSE), screen, self._scratch, shown, grey,
        )  # fmt: skip
        self._monitor.measure(shown, grey)
        self._shown, self._exposure = shown, quanta
        return shown, grey, float(mean)

    def _memory(self, quanta: float, wait: float, noise: bool) -> NDArray[np.float32]:
        """What the kernel needs to know of filter and traps."""
        fluoroscope, first = self.view.fluoroscope, self._shown is None
        share = 1.0 if first or fluoroscope.temporal is None else float(fluoroscope.temporal)
        memory = [share, 0.0 if first or fluoroscope.motion is None or not noise else float(fluoroscope.motion) ** 2]
        if fluoroscope.lag is not None:
            for taken, emptied in zip(fluoroscope.lag.shares, fluoroscope.lag.times, strict=True):
                stay = math.exp(-(wait or PULSE_PERIOD) / emptied)
                memory += [taken, stay, 1.0 if first else self._exposure / quanta]
        return np.array(memory, np.float32)

    def _fill_traps(self, total: Image, unit: float) -> None:
        """As if the beam had been on for long."""
        lag = self.view.fluoroscope.lag
        if lag is not None:
            still = blurred(total, self._taps) / np.float32(unit)
            self._traps[:] = short(np.array(lag.shares, np.float32)[:, None, None] * still)


def short(numbers: Image) -> NDArray[np.uint16]:
    """What `_jit.shortened` makes of numbers: half as many bytes for the charge in the traps, to a part in 4000."""
    raw = np.ascontiguousarray(numbers, np.float32).view(np.int32)
    return np.clip((raw - np.int32(SHORT_BIAS - 0x800)) >> 12, 0, 0xFFFF).astype(np.uint16)


def in_threes(taps: NDArray[np.floating]) -> Image:
    """Taps for `blur_across`: a radius that is a multiple of three."""
    wide = np.zeros(1 + -(-(len(taps) - 1) // 3) * 3, np.float32)
    wide[: len(taps)] = taps
    return wide


def _scratch(cols: int, reach: int, wide: int) -> tuple[Image, ...]:
    """Memory for `develop`. Rows a power of two apart would push each other out of the cache."""
    shapes = (2 * reach + 1, cols + 16), (2 * wide + 1, cols + 16), (cols + 2 * max(reach, wide),), (cols,), (4, cols)
    return tuple(np.empty(shape, np.float32) for shape in shapes)
