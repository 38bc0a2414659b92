"""Veins at the waist of a body: segmental veins, the lumbar (intercostal) vein they join, the ascending vein behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy import network_settings as usual
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.network_places import Dice, Scene, smooth, wall_radius
from vertebro.anatomy.network_sketch import Sketch
from vertebro.sources import Constant
from vertebro.tissue import Compartment

SEGMENTAL_LIMITS = Constant(0.5e-3, "m", 0.25e-3, 1.0e-3, "vertebro", "recalled", "diameter 0.5-2 mm in the foramen")
WIDENING = Constant(1.8, "1", 1.0, 3.0, "vertebro", "recalled", "a segmental vein outside over its foramen")
CLEARANCE = Constant(1.5e-3, "m", 0.5e-3, 3e-3, "vertebro", "ours", "from the wall to a vein beside it")
FORWARD = 8e-3  # m, the lumbar vein's first stretch in front of the body
FIRST, LAST = np.radians(15.0), np.radians(112.0)  # course of the lumbar vein around the body, from anterior


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What the veins outside a vertebra are called in one region of the spine, left and right, and where they end."""

    wall: str
    front: tuple[str, str]
    ascending: str | None
    above: tuple[str, str]
    below: tuple[str, str]


_AZYGOS = ("hemiazygos vein", "azygos vein")
_BOTH = {name: (f"{name}, left", f"{name}, right") for name in ("common iliac vein", "internal iliac vein")}
_NECK = ("brachiocephalic vein, left", "brachiocephalic vein, right")
COURSES = {
    "C": Course(
        wall="anterior vertebral vein",
        front=_NECK,
        ascending="vertebral vein",
        above=("internal jugular vein, left", "internal jugular vein, right"),
        below=_NECK,
    ),
    "T": Course(wall="intercostal vein", front=_AZYGOS, ascending=None, above=_AZYGOS, below=_AZYGOS),
    "L": Course(
        wall="lumbar vein",
        front=("inferior vena cava",) * 2,
        ascending="ascending lumbar vein",
        above=_AZYGOS,
        below=_BOTH["common iliac vein"],
    ),
    "S": Course(
        wall="lateral sacral vein",
        front=_BOTH["internal iliac vein"],
        ascending=None,
        above=_BOTH["internal iliac vein"],
        below=_BOTH["internal iliac vein"],
    ),
}


def course(level: str) -> Course:
    """Names and ends for a level; a bone outside the spine is taken for sacral."""
    return COURSES.get(level[:1].upper(), COURSES["S"])


@dataclass(frozen=True, slots=True)
class Waist:
    """One side: nodes of the lumbar vein from front to back, and of the vein that takes the foramina's blood."""

    lumbar: list[int]
    behind: list[int]


class Outlets:
    """Outlet nodes by name, each made once."""

    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self._nodes: dict[str, int] = {}

    def node(self, name: str, point: NDArray[np.float64]) -> int:
        """The node of that name; placed at the point [m] if it is new."""
        if name not in self._nodes:
            self._nodes[name] = self.sketch.node(point)
            self.sketch.outlet(self._nodes[name], name)
        return self._nodes[name]


def pitch(scene: Scene) -> float:
    """Distance [m] to the next level: the body and its disc."""
    return 1.33 * scene.height


def draw_sides(
    sketch: Sketch, outlets: Outlets, scene: Scene, settings: InteriorSettings, level: str, dice: Dice
) -> dict[str, Waist]:
    """The large veins beside the body, before anything joins them; by side."""
    plan, sides = course(level), {}
    for sign, side in scene.sides:
        number = scene.place(sign)
        points = _lumbar_course(scene, sign)
        radius = dice.radius(settings.network.lumbar_radius, usual.LUMBAR_RADIUS)
        lumbar = sketch.vein(f"{plan.wall}, {side}", "segmental", points, radius)
        start = sketch.place(lumbar[0])
        front = start + np.array([0.0, FORWARD, 0.0])
        ahead = sketch.vein(f"{plan.wall}, {side}, in front", "segmental", [start, front], radius, start=lumbar[0])
        cava = outlets.node(plan.front[number], np.array([sign * 4e-3, front[1] + 8e-3, front[2]]))
        length = usual.CAVA_LENGTH + (usual.LEFT_DETOUR if number == 0 else 0.0)
        sketch.vein(
            f"{plan.wall}, {side}, to the {plan.front[number]}", "outlet", np.zeros((2, 3)), radius,
            start=ahead[-1], end=cava, lumped=float(length),
        )  # fmt: skip
        behind = (
            [lumbar[-1]] if plan.ascending is None else _ascending(sketch, outlets, scene, sign, side, plan, lumbar)
        )
        sides[side] = Waist(lumbar, behind)
    return sides


def _ascending(
    sketch: Sketch, outlets: Outlets, scene: Scene, sign: float, side: str, plan: Course, lumbar: list[int]
) -> list[int]:
    """The long vein in front of the transverse processes, and its ways up and down."""
    end, step, radius = sketch.place(lumbar[-1]), pitch(scene), float(usual.ASCENDING_RADIUS)
    r, a = end[0] + sign * 2e-3, end[1] - 3e-3
    s = scene.middle + step * np.linspace(-0.6, 0.75, 12)
    points = np.stack([np.full(12, r), np.full(12, a), s], axis=1)
    nodes = sketch.vein(f"{plan.ascending}, {side}", "ascending", points, radius)
    sketch.vein(
        f"{plan.wall}, {side}, to the {plan.ascending}", "segmental", np.zeros((2, 3)), float(usual.LUMBAR_RADIUS),
        start=lumbar[-1], end=sketch.split(nodes, end),
    )  # fmt: skip
    for node, names, up in ((nodes[-1], plan.above, 1.0), (nodes[0], plan.below, -1.0)):
        name = names[scene.place(sign)]
        far = outlets.node(name, sketch.place(node) + np.array([-sign * 10e-3, 10e-3, up * 0.4 * step]))
        sketch.vein(
            f"{plan.ascending}, {side}, to the {name}", "outlet", np.zeros((2, 3)), radius,
            start=node, end=far, lumped=float(usual.AZYGOS_LENGTH),
        )  # fmt: skip
    return nodes


def _lumbar_course(scene: Scene, sign: float) -> NDArray[np.float64]:
    """Polyline (n, 3) [m] around one side of the body at mid height, from the front to the pedicle."""
    angles = np.linspace(FIRST, LAST, 60)
    wall = wall_radius(scene, sign, angles, scene.middle)
    known = np.isfinite(wall)
    if known.sum() < 10:  # no body there: an ellipse of the landmarks' size
        half = scene.landmarks.body_half_axes
        wall = 1.0 / np.hypot(np.sin(angles) / half[0], np.cos(angles) / half[1])
        known = np.ones(60, bool)
    ring = smooth(np.interp(angles, angles[known], wall[known]), 7) + CLEARANCE + usual.LUMBAR_RADIUS
    points = np.stack([sign * ring * np.sin(angles), ring * np.cos(angles), np.full(60, scene.middle)], axis=1)
    own = np.isin(scene.label(points)[0], (Compartment.BODY, Compartment.ARCH)) & scene.label(points)[1]
    stop = int(np.argmax(own)) if own.any() else 60
    return points[: max(stop, 10)]


def draw_segmental(
    sketch: Sketch, scene: Scene, settings: InteriorSettings, sides: dict[str, Waist], dice: Dice
) -> list[int]:
    """Veins from the marrow through the waist into the lumbar vein; returns their ends in the marrow."""
    tips = []
    numbers = _counts(settings, dice)
    for (sign, side), number in zip(scene.sides, numbers, strict=True):
        for n in range(number):
            angle = float(np.radians(dice.random.uniform(28.0, 72.0)))
            rung = (n + 0.5) / number - 0.5  # own height: veins stay apart
            s = scene.middle + scene.height * (0.36 * rung + dice.random.uniform(-0.02, 0.02))
            radius = dice.radius(settings.segmental_radius, SEGMENTAL_LIMITS)
            name = f"segmental vein, {side} {n + 1}"
            tips += _segmental(sketch, scene, name, sign, angle, float(s), radius, sides[side])
    return tips


def _counts(settings: InteriorSettings, dice: Dice) -> tuple[int, int]:
    """Number of segmental veins of the two sides: about half each, one more or less by the seed."""
    first = (settings.segmental_veins + 1) // 2
    numbers = np.array([first, settings.segmental_veins - first])
    if settings.network.vary_counts and settings.segmental_veins > 0:
        low, high = usual.SEGMENTAL_RANGE
        numbers = np.clip(numbers + dice.random.integers(-1, 2, 2), np.minimum(low, numbers), high)
    return int(numbers[0]), int(numbers[1])


def _segmental(
    sketch: Sketch, scene: Scene, name: str, sign: float, angle: float, s: float, radius: float, waist: Waist
) -> list[int]:
    wall = wall_radius(scene, sign, np.array([angle]), s)[0]
    if not np.isfinite(wall):
        return []
    ray, level = np.array([sign * np.sin(angle), np.cos(angle), 0.0]), np.array([0.0, 0.0, s])
    mouth = level + wall * ray
    inner = np.stack([mouth - usual.SEGMENTAL_DEPTH * ray, mouth])
    within = sketch.vein(f"{name}, in bone", "segmental", inner, radius, inside=True)
    join = sketch.split(waist.lumbar, level + (wall + CLEARANCE + usual.LUMBAR_RADIUS) * ray)
    out = mouth + CLEARANCE * ray
    sketch.vein(
        name, "segmental", np.stack([mouth, out, out]), np.array([1.0, WIDENING, WIDENING]) * radius,
        start=within[-1], end=join,
    )  # fmt: skip
    return [within[0]]
