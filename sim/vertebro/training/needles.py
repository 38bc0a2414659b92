"""A needle in the trainee's hand: entry, angles, depth; what its tip meets on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Pedicle
from vertebro.anatomy.no_go import NoGo, no_go_volumes
from vertebro.grid import VoxelGrid
from vertebro.procedure import Needle
from vertebro.procedure.breach import labels_at
from vertebro.sources import Constant
from vertebro.tissue import Compartment
from vertebro.units import deg, mm

Float3 = NDArray[np.float64]
Fact = tuple[str, dict[str, Any]]
BONE = (Compartment.BODY, Compartment.ARCH, Compartment.TRACK)
STEP = 0.25 * mm  # between looks at the tip
SOFT_SPEED = Constant(0.005, "m/s", 0.002, 0.02, "vertebro", "ours", "advancing through muscle")
BONE_SPEED = Constant(0.002, "m/s", 0.0005, 0.005, "vertebro", "ours", "screwing through bone")
SOFT_FORCE = Constant(5.0, "N", 1.0, 15.0, "vertebro", "ours", "push through skin, fascia and muscle")
BONE_STRENGTH = Constant(1.3e8, "Pa", 1e8, 2e8, "vertebro", "ours", "of bone tissue without pores, crushed by the tip")
DENSER = 1.5  # power of the bone fraction in the strength of spongy bone
SCREWED = Constant(0.2, "1", 0.05, 1.0, "vertebro", "ours", "share of that force which a tip that is screwed in needs")
STIFFNESS = Constant(5e4, "N/m", 1e4, 2e5, "vertebro", "ours", "steel pressed sideways into the pedicle's bone")
ARCH_MOMENT = Constant(3.0, "N.m", 1.0, 10.0, "vertebro", "ours", "levering from which an osteoporotic arch may break")
NUMB_RADIUS = Constant(10 * mm, "m", 5 * mm, 20 * mm, "vertebro", "ours", "reach of the anaesthetic at the periosteum")


@dataclass(kw_only=True, slots=True)
class Track:
    """One needle of the trainee; changes as it is moved.

    Attributes
    ----------
    name, side : str
    gauge : int
    entry : (3,) float [m]
        On the skin.
    direction : (3,) float
    depth : float [m]
        Skin to tip.
    contact : (3,) float [m] or None
        Where the tip first met bone.
    deepest : float [m]
        Of `depth`, since the last change of direction.
    no_go : dict of float [m]
        Way of the tip through what it must not meet.
    moment : float [N·m]
        Largest levering so far.
    resistance : float [N]
        What the last step forward took.
    blind : dict of float [m]
        Way in bone or near the canal since the last picture of each plane.
    """

    name: str
    side: str
    gauge: int
    entry: Float3
    direction: Float3
    depth: float = 0.0
    contact: Float3 | None = None
    medial_passed: float | None = None
    wall_passed: bool = False
    front_passed: bool = False
    fresh_cortex: bool = True
    deepest: float = 0.0
    pulled: float = 0.0
    no_go: dict[str, float] = field(default_factory=dict)
    moment: float = 0.0
    resistance: float = 0.0
    blind: dict[str, float] = field(default_factory=lambda: {"ap": 0.0, "lateral": 0.0})

    @property
    def tip(self) -> Float3:
        """(3,) [m]."""
        return np.asarray(self.entry + self.depth * self.direction)

    def needle(self) -> Needle | None:
        """The needle as the simulator knows it; None while it only touches the skin."""
        if self.depth < 1.5 * mm:
            return None
        return Needle(name=self.name, gauge=self.gauge, entry=self.entry, tip=self.tip)

    def angles(self) -> tuple[float, float]:
        """Convergence towards the midline and downward angle [rad]."""
        sign = -1.0 if self.side == "left" else 1.0
        return math.atan2(-sign * self.direction[0], self.direction[1]), -math.asin(float(self.direction[2]))


def direction(side: str, convergence: float, caudal: float) -> Float3:
    """(3,) unit vector of a needle from behind.

    Parameters
    ----------
    side : str
    convergence, caudal : float [rad]
        Towards the midline; downwards.
    """
    sign = -1.0 if side == "left" else 1.0
    level = math.cos(caudal)
    return np.array([-sign * math.sin(convergence) * level, math.cos(convergence) * level, -math.sin(caudal)])


def track_of(needle: Needle, side: str) -> Track:
    """A trainee's needle that lies as a given one."""
    return Track(
        name=needle.name,
        side="right" if "right" in side else "left",
        gauge=needle.gauge,
        entry=needle.entry,
        direction=needle.direction,
        depth=needle.length,
    )


class Field:
    """What needles meet in one anatomy: bone, walls, things to keep away from."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.marks = anatomy.landmarks
        self.forbidden: dict[str, NoGo] = no_go_volumes(anatomy)
        self.numb: list[Float3] = []

    def pedicle(self, side: str) -> Pedicle | None:
        """The pedicle of a side."""
        return self.marks.pedicle_left if side == "left" else self.marks.pedicle_right

    def medial_line(self, side: str) -> float | None:
        """r [m] of the pedicle's medial wall, as it is seen on a true AP; None without a pedicle."""
        found = self.pedicle(side)
        if found is None:
            return None
        sign = -1.0 if side == "left" else 1.0
        return float(found.centre[0] - sign * found.half_width)

    def label(self, point: Float3) -> int:
        """Compartment at a point; -1 outside the grid."""
        return int(labels_at(point, self.anatomy.grid, self.anatomy.compartment))

    def first_bone(self, entry: Float3, way: Float3) -> Float3 | None:
        """(3,) [m] where a straight line first meets bone."""
        points = entry + np.arange(0.0, 0.2, 0.5 * mm)[:, None] * way
        hits = np.flatnonzero(np.isin(labels_at(points, self.anatomy.grid, self.anatomy.compartment), BONE))
        return np.asarray(points[hits[0]]) if hits.size else None

    def skin(self, right: float, superior: float) -> Float3:
        """(3,) [m] point of the back's skin."""
        return np.array([right, self.marks.posterior_skin, superior])

    def resistance(self, point: Float3, gauge: int) -> float:
        """Force [N] to push a needle's tip on at a point: little in muscle, much in the cortex."""
        index = np.rint(self.anatomy.grid.index(point)).astype(int)
        if np.any(index < 0) or np.any(index >= self.anatomy.grid.shape):
            return float(SOFT_FORCE)
        share = float(np.clip(self.anatomy.bone_fraction[tuple(index)], 0.0, 1.0))
        area = math.pi / 4 * Needle(name="tip", gauge=gauge, entry=point - 0.1, tip=point).outer_diameter ** 2
        return float(SOFT_FORCE) + float(SCREWED) * float(BONE_STRENGTH) * share**DENSER * area

    def met(self, point: Float3) -> list[str]:
        """Names of what must not be met, at a point."""
        return [name for name, volume in self.forbidden.items() if self._in(volume, point)]

    def _in(self, volume: NoGo, point: Float3) -> bool:
        index = _voxel(self.anatomy.grid, point)
        if index is not None:
            return bool(volume.near[index])
        index = _voxel(self.anatomy.surround.grid, point)
        return index is not None and volume.is_at(index)

    def is_numb(self, point: Float3) -> bool:
        """Whether anaesthetic has reached a point."""
        return any(float(np.linalg.norm(point - place)) <= NUMB_RADIUS for place in self.numb)


def _voxel(grid: VoxelGrid, point: Float3) -> tuple[int, int, int] | None:
    """Index of the voxel that a point lies in; None outside."""
    r, a, s = (int(i) for i in np.rint(grid.index(point)))
    inside = all(0 <= i < n for i, n in zip((r, a, s), grid.shape, strict=True))
    return (r, a, s) if inside else None


def advance(track: Track, distance: float, scene: Field) -> Iterator[tuple[float, list[Fact]]]:
    """Move a needle in small steps; yields the seconds of each step and what the tip met. Changes the track.

    Parameters
    ----------
    track : Track
    distance : float [m]
        Forward, or negative to pull back.
    scene : Field
    """
    count = max(1, math.ceil(abs(distance) / STEP))
    step = distance / count
    for _ in range(count):
        if track.depth + step < 0.0:
            track.depth = 0.0
            return
        before = track.tip
        track.depth += step
        in_bone = scene.label(track.tip) in BONE
        facts = list(_crossings(track, before, scene)) if step > 0 else list(_pulled(track, -step))
        track.deepest = max(track.deepest, track.depth)
        track.resistance = scene.resistance(track.tip, track.gauge) if step > 0 else 0.0
        met = scene.met(track.tip)
        for name in met:
            if name not in track.no_go:
                facts.append(("no-go entered", {"needle": track.name, "volume": name}))
            track.no_go[name] = track.no_go.get(name, 0.0) + abs(step)
        if step > 0 and (in_bone or met):
            for plane in track.blind:
                track.blind[plane] += step
        yield abs(step) / float(BONE_SPEED if in_bone else SOFT_SPEED), facts


def _pulled(track: Track, step: float) -> Iterator[Fact]:
    before, track.pulled = track.pulled, track.pulled + step
    if before < 5 * mm <= track.pulled:
        yield "needle pulled back", {"needle": track.name, "depth_mm": track.depth / mm}


def _crossings(track: Track, before: Float3, scene: Field) -> Iterator[Fact]:
    tip, marks = track.tip, scene.marks
    name = {"needle": track.name, "depth_mm": track.depth / mm}
    was, now = scene.label(before) in BONE, scene.label(tip) in BONE
    if now and not was and track.fresh_cortex:
        track.fresh_cortex = False
        if track.contact is None:
            track.contact = tip
        yield "bone contact", name | {"numb": scene.is_numb(tip), "position_mm": tip / mm}
    line = scene.medial_line(track.side)
    sign = -1.0 if track.side == "left" else 1.0
    if line is not None and now and track.medial_passed is None and sign * (tip[0] - line) < 0.0:
        track.medial_passed = float(tip[1] - marks.posterior_wall)
        yield "medial line crossed", name | {"past_wall_mm": track.medial_passed / mm}
    if not track.wall_passed and now and tip[1] >= marks.posterior_wall:
        track.wall_passed = True
        yield "posterior wall crossed", name
    if not track.front_passed and track.wall_passed and not now and tip[1] > 0.0:
        track.front_passed = True
        yield "anterior wall perforated", name


def rotate(track: Track, convergence: float, caudal: float, scene: Field) -> list[Fact]:
    """Turn a needle by angles [rad]: in bone about where it entered bone, else about the skin. Changes the track."""
    old, (c, d) = track.direction, track.angles()
    new = direction(track.side, c + convergence, d + caudal)
    turned = math.acos(float(np.clip(old @ new, -1.0, 1.0)))
    facts: list[Fact] = []
    held = 0.0 if track.contact is None else float((track.tip - track.contact) @ old)
    if held > 0.0 and track.contact is not None:
        moment = float(STIFFNESS) * math.tan(turned) * held * held
        track.moment = max(track.moment, moment)
        track.entry = track.contact - new * float((track.contact - track.entry) @ old)
        if moment > ARCH_MOMENT:
            facts.append(("arch cracked by levering", {"needle": track.name, "moment_n_m": moment}))
    else:
        track.fresh_cortex = True
        track.contact = None
    if track.pulled >= 5 * mm and turned > 2 * deg:
        facts.append(("needle redirected", {"needle": track.name, "turned_deg": turned / deg}))
    track.pulled, track.direction = 0.0, new
    return facts
