"""The C-arm in a session: motors on the session's clock, pedal, pulses, the picture that is held in each plane.

Pictures come on the pulses of the pedal; a pose is projected once and kept. Everything is counted on the session's
ticks, so the same commands at the same ticks give the same pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.aim import lying
from vertebro.anatomy.anatomy import Anatomy
from vertebro.errors import SessionError
from vertebro.imaging import CArm, DoseLedger, Fluoroscope, FluoroView, Gantry, Position, Spotter, Stream, collimation
from vertebro.imaging.display import Window
from vertebro.imaging.gantry_parts import AXES
from vertebro.observe import Camera, steel_path
from vertebro.procedure import Needle
from vertebro.training.log import TICKS
from vertebro.training.subtracting import MASK_FRAMES, Subtracting, Treatment
from vertebro.units import deg, mm

Image = NDArray[np.float32]
KEPT = 6  # poses ready
NEVER = 1 << 60  # tick
NEAR_ANGLE, NEAR_PLACE = 6.0 * deg, 20.0 * mm  # a pose that is reached has been shown from so near in the turn
WASTED_AFTER = 2.0  # s of beam without anything new to see
ROUND_ANGLE, ROUND_PLACE = 0.1 * deg, 0.2 * mm  # poses nearer than this share a projection


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture of a pane.

    Attributes
    ----------
    pane : str
        ``"ap"``, ``"lateral"`` or ``"ct"``.
    seq : int
        Rises with every new picture of the session.
    time : float [s]
    display16 : (rows, cols) uint16 array
        0 black to 65535 white.
    live : bool
        The beam is on in this pane now; else the last image is held.
    orbital_deg, cranial_deg : float
    mm_per_pixel : float
        At the isocentre.
    treatment : str
        ``"off"``, ``"dsa"`` (subtracted from a mask) or ``"roadmap"`` (vessels of an earlier run laid over).
    geometry : ProjectionGeometry or None
        None for a CT slice.
    """

    pane: str
    seq: int
    time: float
    display16: NDArray[np.uint16]
    live: bool
    orbital_deg: float
    cranial_deg: float
    mm_per_pixel: float
    treatment: Treatment = "off"
    geometry: Any = None

    @property
    def display(self) -> NDArray[np.uint8]:
        """The picture in 8 bits."""
        return (self.display16 >> 8).astype(np.uint8)


@dataclass(slots=True)
class _Ready:
    """A pose that has been projected, with what runs on it."""

    view: FluoroView
    stream: Stream
    spotter: Spotter | None = None
    cement: tuple[int, Image] | None = None
    steel: tuple[int, Image] | None = None
    contrast: tuple[int, Image] | None = None
    shots: int = 0


@dataclass(slots=True)
class Subject:
    """What is in the beam now.

    `number` changes with the cement, `steel` with the needles, `dye` with the place of the contrast agent, of which
    the share `left` has not been washed out.
    """

    anatomy: Anatomy
    camera: Camera
    level: str
    number: int = 0
    steel: int = 0
    fraction: NDArray[np.float32] | None = None
    veins: NDArray[np.floating] | None = None
    contrast: NDArray[np.float32] | None = None
    dye: int = 0
    left: float = 1.0
    needles: tuple[Needle, ...] = ()
    outside: tuple[float, ...] = ()


class Arm:
    """The C-arm of a session; changes with commands and ticks.

    Parameters
    ----------
    rows : int
        Rows and columns of the pictures.
    seed : int
        Of the noise.
    """

    def __init__(self, *, rows: int, seed: int) -> None:
        self.gantry = Gantry.angiography()
        self.rows, self.seed = rows, seed
        self.position = self.target = self._origin = Position(field=1)
        self._set_out, self.bumps = 0, NEVER  # ticks; at the second a bumper stops the motors
        self.rate = 7.5
        self.pedal = False
        self._down = 0
        self.opening: tuple[float, float] | None = None
        self.ledger = DoseLedger()
        self.held: dict[str, Frame] = {}
        self.last: dict[str, int] = {}  # tick of the last picture by plane
        self.seq = 0
        self.beam = 0.0
        self.wasted = 0.0
        self.open_area = 0.0  # opened share times beam time
        self.changed = 0  # tick of the last thing worth looking at
        self.subtracting = Subtracting()
        self._ready: dict[tuple[Any, ...], _Ready] = {}
        self._pose: tuple[tuple[int, Position, bool], CArm] | None = None
        self._preview: tuple[str, CArm, Any, Window] | None = None  # of the last picture while the arm turned

    @property
    def plane(self) -> str:
        """The pane that the arm's pictures go to."""
        return "ap" if abs(math.sin(self.position.orbital)) < math.sin(45 * deg) else "lateral"

    @property
    def moving(self) -> bool:
        """Whether a motor runs."""
        return self.position != self.target

    def send(self, changes: dict[str, float], tick: int) -> float:
        """Set out for a place; returns the seconds it takes.

        Raises
        ------
        GeometryError
            If it cannot be reached.
        """
        goal = replace(self.position, **changes)  # type: ignore[arg-type]
        seconds = self.gantry.move_time(self.position, goal)
        self._origin = replace(self.position, field=goal.field)
        self.position, self.target, self._set_out = self._origin, goal, tick
        free = self.gantry.free_for(self._origin, goal)
        self.bumps = NEVER if math.isinf(free) else tick + max(1, math.ceil(free * TICKS))
        return seconds

    def halt(self) -> None:
        """Stop all motors."""
        self.target, self.bumps = self.position, NEVER

    def nudge(self, lateral: float, longitudinal: float) -> None:
        """Let the patient move on the table [m] under an arm that stands still."""
        if not self.moving:
            place = self.position
            moved = replace(place, lateral=place.lateral + lateral, longitudinal=place.longitudinal + longitudinal)
            self.position = self.target = moved

    def roll(self, tick: int) -> bool:
        """Let the motors run until a tick; False if a bumper has stopped them."""
        if not self.moving:
            return True
        elapsed = (min(tick, self.bumps) - self._set_out) / TICKS
        place = self.gantry.on_the_way(self._origin, self.target, elapsed)
        near = all(abs(getattr(place, axis) - getattr(self.target, axis)) < 1e-9 for axis in AXES)
        self.position = self.target if near else place
        self.changed = tick
        if bumped := tick >= self.bumps:
            self.halt()
        return not bumped

    def press(self, down: bool, tick: int) -> None:
        """Pedal down or up."""
        if down and not self.pedal:
            self._down = tick
        self.pedal = down

    def next_pulse(self, tick: int) -> int:
        """Tick of the next pulse after a tick; far away while the pedal is up."""
        if not self.pedal:
            return NEVER
        period = self._period()
        return self._down + ((tick - self._down) // period + 1) * period

    def pulse_due(self, tick: int) -> bool:
        """Whether a pulse falls on this tick."""
        return self.pedal and (tick - self._down) % self._period() == 0

    def _period(self) -> int:
        return round(TICKS / self.rate)

    def pose(self, anatomy: Anatomy) -> CArm:
        """Where source and detector stand in the vertebra's world."""
        asked = (id(anatomy), self.position, self.moving)
        if self._pose is None or self._pose[0] != asked:
            self._pose = asked, self._posed(anatomy)
        return self._pose[1]

    def _posed(self, anatomy: Anatomy) -> CArm:
        place = self.position
        if self.moving:  # while it turns, poses on a coarse raster share their projection
            place = replace(
                place,
                **{
                    axis: round(getattr(place, axis) / step) * step
                    for axis in AXES
                    for step in [10 * ROUND_ANGLE if axis in ("orbital", "cranial") else 10 * ROUND_PLACE]
                    if axis != "source_detector"
                },
            )
        arm = self.gantry.standing(place, lying=lying(anatomy))
        size = self.gantry.field(place.field).size
        return replace(arm, rows=self.rows, cols=self.rows, pitch=size / self.rows)

    def ready(self, subject: Subject) -> _Ready:
        """The projected pose of now."""
        pose = self.pose(subject.anatomy)
        key = (subject.level, pose, self.opening)
        if key not in self._ready:
            while len(self._ready) >= KEPT:
                self._ready.pop(next(iter(self._ready)))
            camera = subject.camera
            camera.fluoroscope = self._scope()
            shutters = None if self.opening is None else collimation(pose.geometry, *self.opening)
            view = camera.prepare(
                pose,
                opening=shutters,
                quality="preview" if self.moving else "exact",
                window=None if self.moving else self._kept_window(pose, subject),
            )
            self._ready[key] = _Ready(view=view, stream=Stream(view, seed=self.seed))
        if self.moving:
            self._preview = subject.level, pose, self.opening, self._ready[key].view.window
        return self._ready[key]

    def _kept_window(self, pose: CArm, subject: Subject) -> Window | None:
        """The display window of the last picture on the way here: the picture sharpens and does not flicker."""
        if self._preview is None:
            return None
        level, before, opening, window = self._preview
        return window if (level, opening) == (subject.level, self.opening) and _near(before, pose) else None

    def _scope(self) -> Fluoroscope:
        base = Fluoroscope()
        return replace(base, detector_dose=base.detector_dose * self.gantry.dose_factor(self.position.field))

    def shoot(self, subject: Subject, tick: int, *, phase: str, single: bool = False) -> Frame:
        """Take the picture of this tick and hold it."""
        ready, time, plane = self.ready(subject), tick / TICKS, self.plane
        picture = (
            self._single(ready, subject) if single else ready.stream.frame(**self._layers(ready, subject), time=time)
        )
        self._book(ready, picture, tick, phase=phase, seconds=0.0 if single else 1.0 / self.rate)
        self.seq += 1
        geometry = picture.geometry
        shown, treatment = self.subtracting.treat(plane, picture, ready.view.opening)
        frame = Frame(
            pane=plane,
            seq=self.seq,
            time=time,
            display16=shown,
            live=self.pedal,
            orbital_deg=self.position.orbital / deg,
            cranial_deg=self.position.cranial / deg,
            mm_per_pixel=geometry.pitch[0] / geometry.magnification(geometry.isocentre) / mm,
            treatment=treatment,
            geometry=geometry,
        )
        self.held[plane], self.last[plane] = frame, tick
        return frame

    def take_mask(self, subject: Subject, tick: int, *, phase: str) -> None:
        """Expose the mask of this plane: several pictures, averaged, for what comes in later to stand alone.

        Raises
        ------
        SessionError
            While the C-arm moves.
        """
        if self.moving:
            raise SessionError("the C-arm moves", where="mask", value=self.plane, hint="wait until it has stopped")
        ready, frames = self.ready(subject), []
        for _ in range(MASK_FRAMES):
            frames.append(self._single(ready, subject))
            self._book(ready, frames[-1], tick, phase=phase, seconds=0.0)
        self.subtracting.keep(self.plane, frames)

    def _layers(self, ready: _Ready, subject: Subject) -> dict[str, Any]:
        """What is not tissue, as the tube sees it."""
        return {
            "cement_line": self.cement_line(ready, subject),
            "needle_line": self.needle_line(ready, subject),
            "contrast_line": self.contrast_line(ready, subject),
            "cement": subject.camera.cement,
        }

    def _single(self, ready: _Ready, subject: Subject) -> Any:
        """A picture of its own, with the whole charge."""
        ready.shots += 1
        return ready.view.frame(**self._layers(ready, subject), seed=self.seed + 1, number=ready.shots)

    def _book(self, ready: _Ready, picture: Any, tick: int, *, phase: str, seconds: float) -> None:
        """Count the dose of a picture and whether there was anything to see."""
        self.ledger.add(picture.dose, phase=phase, seconds=seconds, time=tick / TICKS)
        self._count(ready.view, seconds, tick)

    def _count(self, view: FluoroView, seconds: float, tick: int) -> None:
        self.beam += seconds
        self.open_area += seconds * float(view.opening.mean())
        if (tick - self.changed) / TICKS > WASTED_AFTER:
            self.wasted += seconds

    def cement_line(self, ready: _Ready, subject: Subject) -> Image | None:
        """Path through cement in a pose, made once for each state of the cement."""
        if subject.fraction is None:
            return None
        if ready.cement is None or ready.cement[0] != subject.number:
            line = subject.camera.cement_line(ready.view, subject.fraction, subject.veins)
            ready.cement = (subject.number, line)
        return ready.cement[1]

    def needle_line(self, ready: _Ready, subject: Subject) -> Image | None:
        """Path through steel in a pose, made once for each state of the needles."""
        if not subject.needles:
            return None
        if ready.steel is None or ready.steel[0] != subject.steel:
            ready.steel = (subject.steel, steel_path(ready.view, subject.needles))
        return ready.steel[1]

    def contrast_line(self, ready: _Ready, subject: Subject) -> Image | None:
        """Path through contrast agent in a pose, made once for each place of it; it fades by a factor."""
        if subject.contrast is None:
            return None
        if ready.contrast is None or ready.contrast[0] != subject.dye:
            ready.contrast = (subject.dye, ready.view.cement_line(subject.contrast, subject.anatomy.grid))
        return np.asarray(ready.contrast[1] * np.float32(subject.left))

    def spotter(self, ready: _Ready) -> Spotter:
        """The eye for one pose."""
        if ready.spotter is None:
            ready.spotter = Spotter(ready.view)
        return ready.spotter

    def age(self, plane: str, tick: int) -> float:
        """Age [s] of the picture of a plane; infinite without one."""
        return math.inf if plane not in self.last else (tick - self.last[plane]) / TICKS

    def frames(self, keep: Callable[[Frame], bool] = lambda frame: True) -> list[Frame]:
        """What the monitors show."""
        now = self.plane
        return [replace(frame, live=self.pedal and pane == now) for pane, frame in self.held.items() if keep(frame)]


def _near(one: CArm, other: CArm) -> bool:
    """Whether a picture of one pose is nearly one of the other."""
    turn = max(abs(one.orbital - other.orbital), abs(one.cranial - other.cranial))
    way = math.dist(one.isocentre, other.isocentre)
    return turn <= NEAR_ANGLE and way <= NEAR_PLACE and (one.rows, one.pitch) == (other.rows, other.pitch)
