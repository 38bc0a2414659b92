"""Automatic brightness: what tube and monitor make of that which comes into the measuring field.

The tube keeps the dose behind the patient, and the monitor the mean of the measuring field: when steel or cement darken
it, what lies beside them gets brighter, as on a C-arm.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from vertebro.imaging.display import LOWEST_SIGNAL
from vertebro.imaging.dose import Dose
from vertebro.imaging.exposure import (
    THICKEST,
    ExposureControl,
    automatic_kvp,
    body_thickness,
    kerma_behind,
    measuring_field,
)
from vertebro.imaging.fluoro_view import FluoroView, add_scatter
from vertebro.imaging.fluoroscope import retuning
from vertebro.imaging.spectrum import whole_kev
from vertebro.materials.attenuation import MATERIALS

Image = NDArray[np.float32]
TUNED = 8  # voltages kept ready
PIECES, PATIENCE = 11, 0.25  # a new voltage is prepared in pieces within this time [s], so that no picture is late


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
        self.sample = np.array([rows[0], rows[-1] + 1, cols[0], cols[-1] + 1], np.int64)
        self._ready: dict[float, tuple[FluoroView, NDArray[np.float64], float]] = {}
        self._coming: tuple[float, Iterator[FluoroView | None]] | None = None
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
        self.extra = min(max(self.extra, -self.body), THICKEST)
        if fluoroscope.kvp is None:
            self._change_voltage(control, self._error / loss, wait)
        kerma = self.view.dose.detector_air_kerma / self.view.dose.mas * _left(self._beam, self.extra)
        self.mas = min(fluoroscope.detector_dose / kerma, fluoroscope.pulse_limit)
        return self.view, self.mas / self.view.dose.mas

    def _change_voltage(self, control: ExposureControl, missing: float, wait: float) -> None:
        """Towards the voltage for the patient as thick as he will seem; a new one takes effect when it is ready."""
        now, start = self.view.spectrum.kvp, self.start.spectrum.kvp
        if self._coming is None:
            settled = self.extra + missing * (1 - control.answer(wait))
            wanted = automatic_kvp(min(max(self.body + settled, 0.0), THICKEST))
            kvp = control.voltage(wanted, now, start)
            if kvp not in self._ready:
                self._coming = kvp, retuning(self.start, kvp)
            else:
                self.view = self._ready[kvp][0]
        if self._coming is not None:
            kvp, pieces = self._coming
            for _ in range(max(1, math.ceil(PIECES * wait / PATIENCE))):
                view = next(pieces)
                if view is not None:
                    self._keep(kvp, view)
                    self.view, self._coming = view, None
                    break

    def measure(self, signal: float, charge: float) -> Dose:
        """Dose of this pulse from the mean expected quanta of the sample; remembers how far they are from the aim."""
        view, fluoroscope = self.view, self.start.fluoroscope
        bare = self._ready[view.spectrum.kvp][2]
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
        """The view at a voltage [kV], at once."""
        if kvp not in self._ready:
            view: FluoroView | None = self.start
            if kvp != self.start.spectrum.kvp:
                *_, view = retuning(self.start, kvp, bands=1)
            self._keep(kvp, cast("FluoroView", view))  # the last piece
        return self._ready[kvp][0]

    def _keep(self, kvp: float, view: FluoroView) -> None:
        """A view with its beam behind the patient and its bare signal."""
        while len(self._ready) > TUNED:
            self._ready.pop(next(key for key in self._ready if key != self.start.spectrum.kvp))
        soft, bone = (line[self.measuring][::97] for line in (view.soft_line, view.bone_line))
        beam = kerma_behind(view.spectrum, soft, bone).mean(axis=0)
        bare = add_scatter(view.fluoroscope, view.coarse, view.primary)
        top, bottom, left, right = self.sample
        signal = float(bare[top:bottom:4, left:right:4].mean())
        self._ready[kvp] = view, beam / beam.sum(), signal

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


@functools.cache
def _water(count: int) -> NDArray[np.float64]:
    return whole_kev(MATERIALS["water"], 10 + np.arange(count, dtype=np.float64))


class Monitor:
    """Keeps the mean grey of the measuring field on the monitor, by a gain that follows as fast as the tube does.

    The gain never exceeds that of the mean signal: beside black steel that hides half the field the rest gets at most
    twice as bright, and not white.

    Parameters
    ----------
    view : FluoroView
    sample : (4,) int64 array
        First and last + 1 row and column of the measuring field.
    low, scale : float
        A grey's place in `curve` is (log signal - base - low) * scale.
    curve : (n,) uint16 array

    Attributes
    ----------
    gain : float
        Logarithm added to every pixel's.
    """

    STEP = 8  # every so many pixels count, both ways
    LIMIT = 2.5  # of the gain's logarithm: a factor of 12
    NEAR = 0.01  # share of the mean grey that may be missing: pictures without change do not flicker
    HALVINGS = 8

    def __init__(
        self, view: FluoroView, sample: NDArray[np.int64], low: float, scale: float, curve: NDArray[np.uint16]
    ) -> None:
        top, bottom, left, right = sample
        self._place = np.s_[top : bottom : self.STEP, left : right : self.STEP]
        self._control = view.fluoroscope.control
        self._base = view.window.base[self._place]
        self._low, self._scale, self._curve = low, scale, curve
        self.gain, self._missing = 0.0, 0.0
        bare = add_scatter(view.fluoroscope, view.coarse, view.primary)[self._place]
        self._signal = max(float(bare.mean()), LOWEST_SIGNAL)
        self._grey = self._mean(self._levels(bare), 0.0)

    def answer(self, wait: float) -> float:
        """The gain's logarithm after a time [s]."""
        if self._control is not None and self._control.monitor:
            self.gain += self._control.answer(wait) * self._missing
        return self.gain

    def measure(self, shown: Image, grey: NDArray[np.uint16]) -> None:
        """Remember how far the gain is from the one that gives the picture its mean grey."""
        if self._control is None or not self._control.monitor:
            return
        self._missing = 0.0
        if abs(float(grey[self._place].mean()) - self._grey) > self.NEAR * self._grey:
            field = shown[self._place]
            levels = self._levels(field)
            limit = math.log(self._signal / max(float(field.mean()), LOWEST_SIGNAL))
            self._missing = self._wanted(levels, min(max(limit, -self.LIMIT), self.LIMIT)) - self.gain

    def _levels(self, field: Image) -> Image:
        """Places in the curve at no gain."""
        level = np.log(np.maximum(field, np.float32(LOWEST_SIGNAL)))
        level -= self._base
        level -= np.float32(self._low)
        level *= np.float32(self._scale)
        return np.asarray(level, np.float32)

    def _mean(self, levels: Image, gain: float) -> float:
        index = (levels + np.float32(gain * self._scale)).astype(np.int32)
        return float(self._curve.take(index, mode="clip").mean())

    def _wanted(self, levels: Image, limit: float) -> float:
        """The gain between 0 and a limit with the right mean grey, by halving; inverted greys fall with the gain."""
        rising = bool(self._curve[-1] > self._curve[0])
        low, high = min(0.0, limit), max(0.0, limit)
        for _ in range(self.HALVINGS):
            middle = (low + high) / 2
            if (self._mean(levels, middle) < self._grey) == rising:
                low = middle
            else:
                high = middle
        return (low + high) / 2
