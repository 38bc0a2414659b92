"""What the patient receives: air kerma at the reference point, dose-area product, and a ledger of a whole procedure.

>>> ledger = DoseLedger()
>>> shot = Dose(kvp=80, mas=1, reference_air_kerma=0.1e-3, dose_area_product=1e-6, detector_air_kerma=2e-7)
>>> for pulse in range(15):  # two seconds at 7.5 pulses per second
...     ledger.add(shot, phase="needle", seconds=1 / 7.5)
>>> round(ledger.total.reference_air_kerma * 1e3, 3), round(ledger.phases["needle"].fluoro_time, 3)  # mGy, s
(1.5, 2.0)
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from vertebro.errors import CaseError
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.spectrum import Spectrum
from vertebro.sources import Constant

REFERENCE_OFFSET = Constant(
    0.15, "m", 0.15, 0.15, "iec60601_2_43", "recalled", "from the isocentre towards the tube: patient entrance point"
)
RATE_LIMIT = Constant(
    88e-3 / 60,
    "Gy/s",
    88e-3 / 60,
    88e-3 / 60,
    "cfr1020",
    "seen",
    "88 mGy/min; the rule measures 30 cm before the panel",
)
SCATTER_SHARE = Constant(
    1e-3, "1", 0.3e-3, 3e-3, "ncrp133", "recalled", "kerma of scatter 1 m aside over the entrance kerma, 400 cm2 field"
)
SCATTER_FIELD = Constant(0.04, "m^2", 0.04, 0.04, "ncrp133", "recalled", "the field of that rule")
OPERATOR_LABEL = "order of magnitude only: unshielded scatter kerma beside the patient, no badge reading"
RATE_SPAN = 1.0  # s; a rate is that of the exposures of the last second


@dataclass(frozen=True, kw_only=True, slots=True)
class Dose:
    """Dose of one exposure.

    Attributes
    ----------
    kvp : float [kV]
    mas : float [mAs]
        Tube charge of the exposure.
    reference_air_kerma : float [Gy]
        At the reference point, 15 cm from the isocentre towards the tube.
    dose_area_product : float [Gy m²]
        Air kerma times field area; the same at every distance.
    detector_air_kerma : float [Gy]
        Behind the patient, mean of the measuring field, per exposure.
    """

    kvp: float
    mas: float
    reference_air_kerma: float
    dose_area_product: float
    detector_air_kerma: float

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return asdict(self)


def exposure_dose(
    spectrum: Spectrum, mas: float, geometry: ProjectionGeometry, *, open_share: float, detector_air_kerma: float
) -> Dose:
    """Dose of an exposure from tube output, geometry and collimation.

    Parameters
    ----------
    spectrum : Spectrum
    mas : float [mAs]
    geometry : ProjectionGeometry
    open_share : float
        Share of the detector's area that the collimator leaves open.
    detector_air_kerma : float [Gy]
    """
    at_one_metre = spectrum.air_kerma() * mas
    return Dose(
        kvp=spectrum.kvp,
        mas=mas,
        reference_air_kerma=at_one_metre / reference_distance(geometry) ** 2,
        dose_area_product=at_one_metre * field_area(geometry, 1.0) * open_share,
        detector_air_kerma=detector_air_kerma,
    )


def reference_distance(geometry: ProjectionGeometry) -> float:
    """Distance [m] from the focus to the interventional reference point."""
    to_isocentre = float((geometry.source - geometry.isocentre) @ geometry.normal)
    return max(to_isocentre - REFERENCE_OFFSET, 0.1)


def field_area(geometry: ProjectionGeometry, distance: float) -> float:
    """Area [m²] of the full field at a distance from the focus [m]."""
    height, width = geometry.pitch[0] * geometry.rows, geometry.pitch[1] * geometry.cols
    return height * width * (distance / geometry.distance) ** 2


def operator_kerma(dose_area_product: float, *, distance: float = 1.0, shield: float = 1.0) -> float:
    """Scatter air kerma [Gy] where the operator stands: an order of magnitude, no more.

    A thousandth of the patient's entrance kerma at 1 m for a field of 400 cm², in proportion to the irradiated area
    (so in proportion to the dose-area product), inverse square of the distance. The tube's side receives several
    times more than the detector's.

    Parameters
    ----------
    dose_area_product : float [Gy m²]
    distance : float [m]
        From the middle of the irradiated field.
    shield : float
        What an apron or a screen lets through, 0 to 1.

    Raises
    ------
    CaseError
        If a value is out of range.
    """
    if not (distance >= 0.2 and 0 <= shield <= 1 and dose_area_product >= 0):
        raise CaseError(
            "impossible place of the operator",
            value=(dose_area_product, distance, shield),
            allowed="dose >= 0, distance >= 0.2 m, shield 0 to 1",
        )
    return float(SCATTER_SHARE * dose_area_product / SCATTER_FIELD * shield / distance**2)


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseSum:
    """Dose of many exposures.

    Attributes
    ----------
    exposures : int
    fluoro_time : float [s]
        Beam-on time as the pedal counts it: exposures over their rate; single shots do not add.
    reference_air_kerma : float [Gy]
    dose_area_product : float [Gy m²]
    peak_rate : float [Gy/s]
        Highest reference air kerma rate over a second.
    """

    exposures: int = 0
    fluoro_time: float = 0.0
    reference_air_kerma: float = 0.0
    dose_area_product: float = 0.0
    peak_rate: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(kw_only=True, slots=True)
class DoseLedger:
    """Adds up a procedure, per phase and per plane; warns at the legal rate.

    Attributes
    ----------
    phases, planes : dict of str to DoseSum
        By the names that the caller gave, in order of first use.
    total : DoseSum
    warnings : list of dict
        One for each time the rate rose above the limit: time [s], phase, plane, rate [Gy/s].
    rate_limit : float [Gy/s]
        88 mGy/min of reference air kerma; twice that where high-level control is switched on.
    """

    phases: dict[str, DoseSum] = field(default_factory=dict)
    planes: dict[str, DoseSum] = field(default_factory=dict)
    total: DoseSum = field(default_factory=DoseSum)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    rate_limit: float = RATE_LIMIT
    _recent: dict[str, deque[tuple[float, float, float]]] = field(default_factory=dict)
    _above: set[str] = field(default_factory=set)
    _clock: dict[str, float] = field(default_factory=dict)

    def add(self, dose: Dose, *, phase: str, plane: str = "A", seconds: float = 0.0, time: float | None = None) -> None:
        """Write one exposure down.

        Parameters
        ----------
        dose : Dose
        phase : str
            ``"position"``, ``"needle"``, ``"cement"`` … as the caller likes.
        plane : str
            ``"A"``, or ``"B"`` of a biplane system.
        seconds : float [s]
            Fluoroscopy time that it stands for: 1 / pulse rate; 0 for a single shot.
        time : float [s], optional
            When; default: directly after the plane's last exposure.

        Raises
        ------
        CaseError
            If the phase has no name, or the time is negative or runs backwards.
        """
        last = self._clock.get(plane, -math.inf)
        now = max(last, 0.0) + seconds if time is None else float(time)
        if not (phase and seconds >= 0 and math.isfinite(seconds) and now >= last):
            raise CaseError(
                "an exposure that cannot be booked",
                where="phase, seconds, time",
                value=(phase, seconds, now),
                allowed=f"a name, seconds >= 0, time >= {last:.3f} s",
            )
        self._clock[plane] = now
        rate = self._rate(plane, now, seconds, dose.reference_air_kerma)
        for book, key in ((self.phases, phase), (self.planes, plane)):
            book[key] = _plus(book.get(key, DoseSum()), dose, seconds, rate)
        self.total = _plus(self.total, dose, seconds, rate)
        above = rate > self.rate_limit
        if above and plane not in self._above:
            self.warnings.append({"time_s": now, "phase": phase, "plane": plane, "rate_gy_s": rate})
        (self._above.add if above else self._above.discard)(plane)

    def rate(self, plane: str = "A") -> float:
        """Reference air kerma rate [Gy/s] over a plane's last second of fluoroscopy; 0 before the first pulse."""
        recent = self._recent.get(plane, ())
        span = sum(seconds for _, _, seconds in recent)
        return sum(kerma for _, kerma, _ in recent) / span if span > 0 else 0.0

    def _rate(self, plane: str, now: float, seconds: float, kerma: float) -> float:
        """The rate with one more exposure; a single shot has none."""
        if seconds == 0:
            return 0.0
        recent = self._recent.setdefault(plane, deque())
        recent.append((now, kerma, seconds))
        while recent[0][0] <= now - RATE_SPAN + 1e-9 and len(recent) > 1:
            recent.popleft()
        return self.rate(plane)

    def to_dict(self, *, operator_distance: float = 1.0, shield: float = 1.0) -> dict[str, Any]:
        """Plain JSON values, the operator's order of magnitude among them."""
        return {
            "total": self.total.to_dict(),
            "phases": {name: total.to_dict() for name, total in self.phases.items()},
            "planes": {name: total.to_dict() for name, total in self.planes.items()},
            "warnings": list(self.warnings),
            "rate_limit_gy_s": float(self.rate_limit),
            "operator": {
                "air_kerma_gy": operator_kerma(self.total.dose_area_product, distance=operator_distance, shield=shield),
                "distance_m": operator_distance,
                "shield": shield,
                "label": OPERATOR_LABEL,
            },
        }


def _plus(total: DoseSum, dose: Dose, seconds: float, rate: float) -> DoseSum:
    return replace(
        total,
        exposures=total.exposures + 1,
        fluoro_time=total.fluoro_time + seconds,
        reference_air_kerma=total.reference_air_kerma + dose.reference_air_kerma,
        dose_area_product=total.dose_area_product + dose.dose_area_product,
        peak_rate=max(total.peak_rate, rate),
    )
