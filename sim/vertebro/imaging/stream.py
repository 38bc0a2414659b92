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
from scipy.optimize import brentq

from vertebro.errors import CaseError
from vertebro.imaging.detector import NoiseBank, blurred, gaussian_taps
from vertebro.imaging.display import CURVE_RANGE, CURVE_SIZE, curve16
from vertebro.imaging.dose import Dose
from vertebro.imaging.exposure import THICKEST, automatic_kvp, body_thickness, kerma_behind, measuring_field
from vertebro.imaging.fluoro_view import FluoroView, Frame, Places, add_scatter, soft_shadow
from vertebro.imaging.fluoroscope import retuned
from vertebro.imaging.kernels_detector import register, show
from vertebro.imaging.spectrum import whole_kev
from vertebro.materials.attenuation import MATERIALS, Material

Image = NDArray[np.float32]
PULSE_PERIOD = 1 / 15  # s, between pictures without a time
TUNED = 8  # voltages kept ready


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
        share = view.fluoroscope.temporal
        self.charge = (1.0 if share is None else share / (2 - share)) if charge is None else charge
        if not (math.isfinite(self.charge) and self.charge > 0):
            raise CaseError("impossible charge of a pulse", where="charge", value=charge, allowed="> 0")
        self.view, self.seed, self.number, self.time = view, seed, 0, 0.0
        self._brightness = Brightness(view, tube)
        rows, cols = view.primary.shape
        self._taps = view.fluoroscope.detector.spread(view.geometry.pitch[0])
        self._bank = NoiseBank((rows, cols), self._taps, seed)
        lag = view.fluoroscope.lag
        self._traps = np.zeros((0 if lag is None else len(lag.shares), rows, cols), np.float32)
        self._gain = np.exp(-view.window.base)
        self._shown: Image | None = None
        self._total, self._level, self._primary = (np.empty((rows, cols), np.float32) for _ in range(3))
        self._line = np.empty(cols + 2 * max(len(self._taps), 64), np.float32)
        self._bits, self._smooth = np.empty(cols, np.int32), np.empty(cols, np.float32)
        self._exposure = 0.0

    def frame(
        self,
        *,
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        contrast_line: Image | None = None,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        places: Places | None = None,
        time: float | None = None,
        noise: bool = True,
    ) -> Frame:
        """Shoot the next picture.

        Parameters
        ----------
        cement_line, needle_line, contrast_line : (rows, cols) float32 array [m], optional
            Paths through cement, steel and contrast agent.
        cement : Material, optional
        replaced : str
            Material that made room for the cement.
        places : Places, optional
            Where the layers lie along the beam, for the blur by the focus.
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
        at = places or Places()
        layers = ((cement_line, at.cement), (needle_line, at.needle), (contrast_line, at.contrast))
        lines = [soft_shadow(view, line, place) for line, place in layers]
        primary = (
            view.primary if all(line is None for line in lines) else view.behind(lines, cement, replaced, self._primary)
        )
        total = add_scatter(view.fluoroscope, view.coarse, primary, out=self._total)
        dose = self._brightness.measure(total, self.charge)
        signal = self._registered(total, relative * self.charge, wait, noise)
        frame = Frame(signal=signal, display16=self._grey(), dose=dose, geometry=self.view.geometry, number=self.number)
        self.time, self.number = self.time + wait, self.number + 1
        return frame

    def _clock(self, time: float | None) -> float:
        """Time [s] since the last picture."""
        if time is None:
            return PULSE_PERIOD if self.number else 0.0
        if self.number == 0:
            self.time = float(time)
        if not time >= self.time:
            raise CaseError("a picture before the last one", where="time [s]", value=time, allowed=f">= {self.time}")
        return float(time) - self.time

    def _registered(self, total: Image, exposure: float, wait: float, noise: bool) -> Image:
        """Noise, spread of light, lag and filter; also fills the logarithm for the display."""
        fluoroscope, unit = self.view.fluoroscope, self._brightness.unit
        quanta = exposure * unit  # detected per shown one
        tube = [1 / unit, 1 / quanta if noise else 0.0, fluoroscope.detector.electronic / quanta if noise else 0.0]
        first = self._shown is None
        share = 1.0 if first or fluoroscope.temporal is None else float(fluoroscope.temporal)
        memory = [share, 0.0 if first or fluoroscope.motion is None or not noise else float(fluoroscope.motion) ** 2]
        if fluoroscope.lag is not None:
            for taken, emptied in zip(fluoroscope.lag.shares, fluoroscope.lag.times, strict=True):
                stay = math.exp(-(wait or PULSE_PERIOD) / emptied)
                memory += [taken, stay, 1.0 if first else self._exposure / quanta]
            if first:  # the beam has been on for long: the traps are full
                still = blurred(total, self._taps) / np.float32(unit)
                self._traps[:] = np.array(fluoroscope.lag.shares, np.float32)[:, None, None] * still
        shown = np.empty_like(total)
        before = total if self._shown is None else self._shown
        register(
            total, self._taps, self._bank.numbers, self._bank.place(self.number), np.array(tube, np.float32),
            np.array(memory, np.float32), self._traps, before, self._gain, self._line, self._bits, shown, self._level,
        )  # fmt: skip
        self._shown, self._exposure = shown, quanta
        return shown

    def _grey(self) -> NDArray[np.uint16]:
        display, window = self.view.fluoroscope.display, self.view.window
        first, last = CURVE_RANGE
        scale = (CURVE_SIZE - 1) / (last - first) / window.width
        out = np.empty(self._level.shape, np.uint16)
        taps = np.asarray(gaussian_taps(display.sharpen_width), np.float32)
        line = (
            self._line
            if self._line.size >= out.shape[1] + 2 * len(taps)
            else np.empty(out.shape[1] + 2 * len(taps), np.float32)
        )
        show(
            self._level, taps, np.float32(display.sharpen), np.float32(window.low + first * window.width),
            np.float32(scale), curve16(display), self.view.opening, line, self._smooth, out,
        )  # fmt: skip
        return out


class Brightness:
    """The brightness control's memory: how much thicker than its own tissue the patient seems.

    Parameters
    ----------
    view : FluoroView
    tube : Dose, optional
        Settings to start from.
    """

    def __init__(self, view: FluoroView, tube: Dose | None = None) -> None:
        self.start = self.view = view
        self.measuring = measuring_field(view.opening)
        self.body = body_thickness(view.soft_line, view.bone_line, self.measuring)
        rows, cols = (np.flatnonzero(self.measuring.any(axis=1 - axis)) for axis in (0, 1))
        # every fourth pixel of the rectangle is a fair sample
        self._sample = np.s_[rows[0] : rows[-1] + 1 : 4, cols[0] : cols[-1] + 1 : 4]
        self._ready: dict[float, tuple[FluoroView, NDArray[np.float64], float]] = {}
        self.extra, self.mas, self._error = 0.0, view.dose.mas, 0.0
        self._tuned(view.spectrum.kvp)
        if tube is not None and view.fluoroscope.control is not None:
            self._begin(tube)

    @property
    def unit(self) -> float:
        """Mean signal of the bare view at this voltage over that at the first voltage."""
        return self._ready[self.view.spectrum.kvp][2] / self._ready[self.start.spectrum.kvp][2]

    def tune(self, wait: float) -> tuple[FluoroView, float]:
        """Answer to the last error [log] after a time [s]: the view at the voltage, and its charge over the view's."""
        control, fluoroscope = self.start.fluoroscope.control, self.start.fluoroscope
        if control is None:
            return self.view, 1.0
        beam = self._ready[self.view.spectrum.kvp][1]
        loss = -_slope(beam, self.extra)
        limited = self.mas >= fluoroscope.pulse_limit and self._error > 0
        if not (limited and self.body + self.extra > THICKEST / 2):
            self.extra += control.answer(wait) * self._error / loss
        self.extra = float(np.clip(self.extra, -self.body, THICKEST))
        if fluoroscope.kvp is None:
            wanted = automatic_kvp(self.body + self.extra)
            self.view = self._tuned(control.voltage(wanted, self.view.spectrum.kvp, self.start.spectrum.kvp))
        kerma = self.view.dose.detector_air_kerma / self.view.dose.mas * _left(self._beam, self.extra)
        self.mas = min(fluoroscope.detector_dose / kerma, fluoroscope.pulse_limit)
        return self.view, self.mas / self.view.dose.mas

    def measure(self, total: Image, charge: float) -> Dose:
        """Dose of this pulse; remembers how far its detector signal is from the aim."""
        view, fluoroscope = self.view, self.start.fluoroscope
        bare = self._ready[view.spectrum.kvp][2]
        signal = float(total[self._sample].mean())
        kerma = view.dose.detector_air_kerma / view.dose.mas * self.mas * signal / bare
        self._error = math.log(max(fluoroscope.detector_dose / kerma, 1e-6)) if kerma > 0 else 10.0
        if self.start.fluoroscope.control is None:
            self._error = 0.0
        share = self.mas * charge / view.dose.mas
        return Dose(
            kvp=view.spectrum.kvp,
            mas=self.mas * charge,
            reference_air_kerma=view.dose.reference_air_kerma * share,
            dose_area_product=view.dose.dose_area_product * share,
            detector_air_kerma=kerma * charge,
        )

    @property
    def _beam(self) -> NDArray[np.float64]:
        return self._ready[self.view.spectrum.kvp][1]

    def _tuned(self, kvp: float) -> FluoroView:
        """The view at a voltage [kV]; also keeps its beam behind the patient and its bare signal."""
        if kvp not in self._ready:
            while len(self._ready) > TUNED:
                self._ready.pop(next(key for key in self._ready if key != self.start.spectrum.kvp))
            view = self.start if kvp == self.start.spectrum.kvp else retuned(self.start, kvp)
            soft, bone = (line[self.measuring][::97] for line in (view.soft_line, view.bone_line))
            beam = kerma_behind(view.spectrum, soft, bone).mean(axis=0)
            bare = add_scatter(view.fluoroscope, view.coarse, view.primary)
            signal = float(bare[self._sample].mean())
            self._ready[kvp] = view, beam / beam.sum(), signal
        return self._ready[kvp][0]

    def _begin(self, tube: Dose) -> None:
        """Start from another pose's voltage and charge: the extra thickness they were right for."""
        fluoroscope = self.start.fluoroscope
        self.view = self._tuned(tube.kvp if fluoroscope.kvp is None else self.start.spectrum.kvp)
        wanted = self.view.dose.detector_air_kerma / self.view.dose.mas * tube.mas / fluoroscope.detector_dose

        def excess(extra: float) -> float:
            return math.log(_left(self._beam, extra) * wanted)

        low, high = -self.body - 0.2, THICKEST
        self.extra = brentq(excess, low, high) if excess(low) * excess(high) < 0 else (low if wanted < 1 else high)


def _left(beam: NDArray[np.float64], extra: float) -> float:
    """Share of a beam's kerma behind extra water [m]."""
    return float(beam @ np.exp(-_water(beam.size) * extra))


def _slope(beam: NDArray[np.float64], extra: float) -> float:
    """Derivative of the logarithm of `_left` [1/m]."""
    mu = _water(beam.size)
    left = beam * np.exp(-mu * extra)
    return -float(left @ mu / left.sum())


def _water(count: int) -> NDArray[np.float64]:
    return whole_kev(MATERIALS["water"], 10 + np.arange(count, dtype=np.float64))
