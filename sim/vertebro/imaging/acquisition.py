"""Taking pictures over time: pulses, single shots, loops, the held last image, two planes in turn.

An `Acquisition` is what a loop leaves behind: every frame's picture, time, pose and dose, ready to be looked at again
or written as a multi-frame. Who makes the frames (a `FluoroView`, a running stream with its filters) is the caller's:
`record` asks for one frame per pulse.

>>> times = pulse_times(2.0, rate=7.5)
>>> len(times), round(float(times[1]), 4)
(15, 0.1333)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging.carm import CArm, ProjectionGeometry
from vertebro.imaging.dose import Dose, DoseLedger, DoseSum

PULSE_RATES = (3.0, 7.5, 15.0, 30.0)  # 1/s; 30 is what a monitor shows as continuous
Mode = Literal["single", "pulsed", "continuous"]
RATES = {"continuous": 30.0}


class FrameLike(Protocol):
    """What a maker of frames hands over; `Frame` is one."""

    @property
    def display16(self) -> NDArray[np.uint16]: ...

    @property
    def dose(self) -> Dose: ...

    @property
    def geometry(self) -> ProjectionGeometry: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One frame of a loop.

    Attributes
    ----------
    time : float [s]
        Middle of the pulse, on the caller's clock.
    display16 : (rows, cols) uint16 array
    pose : CArm
        Angles, distances and isocentre at that moment.
    dose : Dose
    geometry : ProjectionGeometry
    """

    time: float
    display16: NDArray[np.uint16]
    pose: CArm
    dose: Dose
    geometry: ProjectionGeometry

    @property
    def display(self) -> NDArray[np.uint8]:
        """The picture in 8 bits."""
        return (self.display16 >> 8).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Acquisition:
    """A loop (or a single shot) of one plane.

    Attributes
    ----------
    mode : {"single", "pulsed", "continuous"}
    rate : float [1/s]
        Pulses per second; 0 for a single shot.
    phase : str
        What it was for; the dose ledger's name.
    plane : str
    shots : tuple of Shot
        In order of time, at least one.
    """

    mode: Mode
    rate: float
    phase: str
    plane: str
    shots: tuple[Shot, ...]

    def __post_init__(self) -> None:
        if not self.shots:
            raise CaseError("an acquisition without a frame", where="shots", hint="expose for at least one pulse")
        sizes = {shot.display16.shape for shot in self.shots}
        if len(sizes) > 1:
            raise GeometryError("frames of one loop have one size", where="shots", value=sizes, allowed="equal shapes")
        if np.any(np.diff(self.times) < 0):
            raise CaseError("frames out of order", where="shots", value=self.times.tolist(), allowed="rising times")

    def __len__(self) -> int:
        return len(self.shots)

    @property
    def held(self) -> Shot:
        """Last image hold: what stays on the monitor when the pedal is released."""
        return self.shots[-1]

    @property
    def times(self) -> NDArray[np.float64]:
        """(n,) times of the frames [s]."""
        return np.array([shot.time for shot in self.shots])

    @property
    def pictures(self) -> NDArray[np.uint16]:
        """(n, rows, cols) uint16 array."""
        return np.stack([shot.display16 for shot in self.shots])

    @property
    def dose(self) -> DoseSum:
        """Of the whole loop."""
        ledger = DoseLedger()
        for shot in self.shots:
            ledger.add(shot.dose, phase=self.phase, plane=self.plane, seconds=interval(self.rate), time=shot.time)
        return ledger.total

    def moved(self) -> bool:
        """Whether the arm or the table moved during the loop."""
        return any(shot.pose != self.shots[0].pose for shot in self.shots)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures, as plain JSON values."""
        return {
            "mode": self.mode,
            "rate": self.rate,
            "phase": self.phase,
            "plane": self.plane,
            "times_s": self.times.tolist(),
            "frames": [{**_pose_facts(shot.pose), **shot.dose.to_dict()} for shot in self.shots],
            "dose": self.dose.to_dict(),
        }


def interval(rate: float) -> float:
    """Fluoroscopy time [s] that one pulse stands for; 0 for a single shot."""
    return 1.0 / rate if rate > 0 else 0.0


def pulse_times(duration: float, *, rate: float, start: float = 0.0) -> NDArray[np.float64]:
    """(n,) times [s] of the pulses while the pedal is down; at least one.

    Parameters
    ----------
    duration : float [s]
    rate : float [1/s]
        One of `PULSE_RATES`.
    start : float [s]

    Raises
    ------
    CaseError
        If the rate is none of the machine's, or the duration is negative.
    """
    if rate not in PULSE_RATES:
        raise CaseError("unknown pulse rate", where="rate", value=rate, allowed=f"{PULSE_RATES} pulses per second")
    if not (math.isfinite(duration) and duration >= 0):
        raise CaseError("impossible pedal time", where="duration", value=duration, allowed=">= 0 s")
    return start + np.arange(max(1, math.floor(duration * rate + 1e-9))) / rate


def record(
    make: Callable[[int, float], FrameLike],
    pose: CArm | Callable[[float], CArm],
    *,
    phase: str,
    duration: float = 0.0,
    mode: Mode = "pulsed",
    rate: float = 7.5,
    plane: str = "A",
    start: float = 0.0,
    ledger: DoseLedger | None = None,
) -> Acquisition:
    """Expose and keep what comes.

    Parameters
    ----------
    make : callable (number, time [s]) -> frame
        Takes the picture of a pulse.
    pose : CArm, or callable (time [s]) -> CArm
        Where the arm stands, or is at a time.
    phase : str
    duration : float [s]
        How long the pedal is down; ignored for a single shot.
    mode : {"single", "pulsed", "continuous"}
    rate : float [1/s]
        Of pulsed fluoroscopy.
    plane : str
    start : float [s]
    ledger : DoseLedger, optional
        Every exposure is booked there.

    Raises
    ------
    CaseError
        If the mode or the rate is unknown.
    """
    loop = _Loop(mode=mode, rate=rate, phase=phase, plane=plane, pose=pose, make=make, ledger=ledger)
    for number, time in enumerate(_times(mode, rate, duration, start)):
        loop.expose(number, float(time))
    return loop.finish()


def record_biplane(
    makes: Mapping[str, Callable[[int, float], FrameLike]],
    poses: Mapping[str, CArm | Callable[[float], CArm]],
    *,
    phase: str,
    duration: float,
    mode: Mode = "pulsed",
    rate: float = 7.5,
    start: float = 0.0,
    ledger: DoseLedger | None = None,
) -> dict[str, Acquisition]:
    """Two planes that expose in turn, half a period apart, so that neither sees the other's scatter.

    Parameters
    ----------
    makes, poses : mapping of plane to callable, to pose
        As `record`, for ``"A"`` and ``"B"``.
    phase, duration, mode, rate, start, ledger
        As `record`.

    Raises
    ------
    CaseError
        If the planes of both do not agree, or as `record`.
    """
    if set(makes) != set(poses) or len(makes) != 2:
        raise CaseError(
            "two planes", where="makes, poses", value=(tuple(makes), tuple(poses)), allowed="A and B in both"
        )
    lag = 0.5 * interval(RATES.get(mode, rate)) if mode != "single" else 0.0
    loops = {
        plane: _Loop(mode=mode, rate=rate, phase=phase, plane=plane, pose=poses[plane], make=make, ledger=ledger)
        for plane, make in makes.items()
    }
    for number, time in enumerate(_times(mode, rate, duration, start)):
        for place, loop in enumerate(loops.values()):
            loop.expose(number, float(time) + place * lag)
    return {plane: loop.finish() for plane, loop in loops.items()}


@dataclass(kw_only=True, slots=True)
class _Loop:
    mode: Mode
    rate: float
    phase: str
    plane: str
    pose: CArm | Callable[[float], CArm]
    make: Callable[[int, float], FrameLike]
    ledger: DoseLedger | None
    shots: list[Shot] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.mode not in ("single", "pulsed", "continuous"):
            raise CaseError("unknown mode", where="mode", value=self.mode, allowed="single, pulsed, continuous")
        self.rate = 0.0 if self.mode == "single" else RATES.get(self.mode, self.rate)

    def expose(self, number: int, time: float) -> None:
        frame = self.make(number, time)
        pose = self.pose if isinstance(self.pose, CArm) else self.pose(time)
        shot = Shot(time=time, display16=frame.display16, pose=pose, dose=frame.dose, geometry=frame.geometry)
        self.shots.append(shot)
        if self.ledger is not None:
            self.ledger.add(shot.dose, phase=self.phase, plane=self.plane, seconds=interval(self.rate), time=time)

    def finish(self) -> Acquisition:
        return Acquisition(mode=self.mode, rate=self.rate, phase=self.phase, plane=self.plane, shots=tuple(self.shots))


def _times(mode: Mode, rate: float, duration: float, start: float) -> Iterator[float]:
    if mode == "single":
        yield start
        return
    yield from pulse_times(duration, rate=RATES.get(mode, rate), start=start)


def _pose_facts(pose: CArm) -> dict[str, Any]:
    return {
        "orbital_rad": pose.orbital,
        "cranial_rad": pose.cranial,
        "source_isocentre_m": pose.source_isocentre,
        "source_detector_m": pose.source_detector,
        "isocentre_m": list(pose.isocentre),
        "pitch_m": pose.pitch,
    }
