"""The plexus in front of the dura: two long veins, a cross vein behind the body, and the veins of the foramina."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vertebro.anatomy import network_settings as usual
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.network_places import Dice, Scene, canal_front, find_mouth
from vertebro.anatomy.network_sketch import Sketch
from vertebro.anatomy.network_waist import Outlets, Waist, course, pitch
from vertebro.sources import Constant
from vertebro.units import mm

PLEXUS_OFFSET = Constant(0.55, "1", 0.4, 0.8, "vertebro", "ours", "long veins from the midline, of the canal's half")
ROOM = 1.1  # distance of a vein's axis from the canal's border, in radii


@dataclass(frozen=True, slots=True)
class Plexus:
    """Nodes of the cross vein behind the body, and its radius [m]."""

    cross: list[int]
    radius: float


def draw_plexus(
    sketch: Sketch,
    outlets: Outlets,
    scene: Scene,
    settings: InteriorSettings,
    level: str,
    sides: dict[str, Waist],
    dice: Dice,
) -> Plexus:
    """Draw the plexus; where there is no canal a single vein leads from the foramen to an outlet.

    Returns
    -------
    Plexus
        What the basivertebral veins join.
    """
    mouth, radius = find_mouth(scene), settings.network.epidural_radius
    if scene.landmarks.canal_half_axes is None:
        behind = mouth - 4 * mm * np.array([0.0, 1.0, 0.0])
        name = course(level).above[1]
        end = outlets.node(name, behind - np.array([0.0, 20 * mm, 0.0]))
        node = sketch.node(behind)
        sketch.vein(
            f"nutrient vein, to the {name}", "outlet", np.zeros((2, 3)), radius,
            start=node, end=end, lumped=float(usual.AZYGOS_LENGTH),
        )  # fmt: skip
        return Plexus([node], radius)
    long = {}
    for sign, side in scene.sides:
        own = dice.radius(radius, usual.EPIDURAL_RADIUS)
        long[side] = _long_vein(sketch, outlets, scene, sign, side, level, own, sides[side])
    one, other = (sketch.split(long[side], mouth) for _, side in scene.sides)
    r = np.linspace(sketch.place(one)[0], sketch.place(other)[0], 9)
    a = np.linspace(sketch.place(one)[1], sketch.place(other)[1], 9)
    a = np.minimum(a, mouth[1] - ROOM * radius)  # behind the wall, which bulges in some bodies
    points = np.stack([r, a, np.full(9, mouth[2])], axis=1)
    cross = sketch.vein("retrocorporeal vein", "epidural", points, radius, start=one, end=other)
    return Plexus(cross, radius)


def _long_vein(
    sketch: Sketch,
    outlets: Outlets,
    scene: Scene,
    sign: float,
    side: str,
    level: str,
    radius: float,
    waist: Waist,
) -> list[int]:
    """One longitudinal vein with its two foraminal veins, carried on to the next levels as ducts of their length."""
    half = scene.landmarks.canal_half_axes
    r = sign * PLEXUS_OFFSET * float(half[0] if half is not None else 10 * mm)
    step = pitch(scene)
    foramina = {"above": scene.middle + 0.6 * step, "below": scene.middle - 0.4 * step}
    s = np.arange(foramina["below"] - 3 * mm, foramina["above"] + 3 * mm, 0.8 * mm)
    points = np.stack([np.full(s.size, r), canal_front(scene, r, s) - ROOM * radius, s], axis=1)
    nodes = sketch.vein(f"epidural plexus, {side}", "epidural", points, radius)
    for where, height in foramina.items():
        _foraminal(sketch, scene, nodes, waist, sign, f"intervertebral vein, {side} {where}", height)
    plan = course(level)
    for node, names, up in ((nodes[-1], plan.above, 1.0), (nodes[0], plan.below, -1.0)):
        name = names[scene.place(sign)]
        far = outlets.node(name, sketch.place(node) + np.array([sign * 15 * mm, 25 * mm, up * 0.4 * step]))
        word = "above" if up > 0 else "below"
        sketch.vein(
            f"epidural plexus, {side}, level {word}", "epidural", np.zeros((2, 3)), radius,
            start=node, end=far, lumped=step + float(usual.AZYGOS_LENGTH),
        )  # fmt: skip
    return nodes


def _foraminal(
    sketch: Sketch, scene: Scene, nodes: list[int], waist: Waist, sign: float, name: str, height: float
) -> None:
    """A vein from the plexus through an intervertebral foramen to the veins beside the spine."""
    start = sketch.split(nodes, np.array([*sketch.place(nodes[0])[:2], height]))
    here = sketch.place(start)
    half = scene.landmarks.canal_half_axes
    reach = sign * (float(half[0] if half is not None else 10 * mm) + 4 * mm)
    gate = np.array([reach, here[1] - 2 * mm, here[2]])
    end = sketch.split(waist.behind, here)
    points = np.stack([here, gate, sketch.place(end)])
    sketch.vein(name, "intervertebral", points, float(usual.INTERVERTEBRAL_RADIUS), start=start, end=end)
