"""Drawing the vein network of a vertebra through its labels; left and right, counts, heights and radii by the seed."""

from __future__ import annotations

import numpy as np

from vertebro.anatomy import network_settings as usual
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.network import VeinNetwork
from vertebro.anatomy.network_places import Dice, Scene, find_mouth
from vertebro.anatomy.network_plexus import Plexus, draw_plexus
from vertebro.anatomy.network_sketch import Sketch
from vertebro.anatomy.network_waist import Outlets, draw_segmental, draw_sides

ANTERIOR = np.array([0.0, 1.0, 0.0])
TRUNK_OFFSET = 0.22  # of the foramen's width: two trunks lie this far beside the midline


def trace_network(scene: Scene, settings: InteriorSettings, seed: int, level: str) -> VeinNetwork:
    """Draw all veins.

    Parameters
    ----------
    scene : Scene
    settings : InteriorSettings
    seed : int
    level : str
        Decides what the veins outside are called and where they go.

    Returns
    -------
    VeinNetwork
    """
    dice = [Dice(np.random.default_rng([seed, n]), settings.network.radius_spread) for n in (7, 8, 9, 10)]
    sketch = Sketch()
    outlets = Outlets(sketch)
    sides = draw_sides(sketch, outlets, scene, settings, level, dice[1])
    plexus = draw_plexus(sketch, outlets, scene, settings, level, sides, dice[2])
    tips = draw_basivertebral(sketch, scene, settings, plexus, dice[3])
    tips += draw_segmental(sketch, scene, settings, sides, dice[0])
    for tip in tips:
        sketch.feed(tip, settings.network.blood_flow / len(tips))
    return sketch.finish(settings.venous_pressure)


def draw_basivertebral(
    sketch: Sketch, scene: Scene, settings: InteriorSettings, plexus: Plexus, dice: Dice
) -> list[int]:
    """Sinusoids, the trunks they join in the foramen, and the trunks' way through the wall; returns the outer ends."""
    offsets = trunk_offsets(settings, dice)
    tips: list[int] = []
    trunks = []
    for n, offset in enumerate(offsets):
        mouth = find_mouth(scene, scene.flip * offset)
        tip = mouth + 0.9 * settings.basivertebral_size[1] * ANTERIOR
        radius = dice.radius(settings.network.basivertebral_radius, usual.BASIVERTEBRAL_RADIUS)
        name = "basivertebral vein" if len(offsets) == 1 else f"basivertebral vein {n + 1}"
        within = sketch.vein(
            f"{name}, in bone", "basivertebral", np.stack([tip, mouth]), radius * np.array([0.75, 1.0]), inside=True
        )
        join = sketch.split(plexus.cross, mouth)
        sketch.vein(name, "basivertebral", np.stack([mouth, mouth]), radius, start=within[-1], end=join)
        trunks.append(within[0])
    for n, across in enumerate(_spread(settings, dice)):
        end = _sinusoid_end(scene, across, dice)
        start = min(trunks, key=lambda node: abs(sketch.place(node)[0] - end[0]))
        radius = dice.radius(settings.network.sinusoid_radius, usual.SINUSOID_RADIUS)
        points = np.stack([end, sketch.place(start)])
        tips.append(sketch.vein(f"sinusoid {n + 1}", "basivertebral", points, radius, end=start, inside=True)[0])
    return tips


def trunk_offsets(settings: InteriorSettings, dice: Dice) -> tuple[float, ...]:
    """r-coordinates [m] of the basivertebral trunks: one in the midline, or two beside it."""
    number = settings.network.trunks
    drawn = 2 if dice.random.random() < usual.TWO_TRUNKS else 1
    beside = TRUNK_OFFSET * settings.basivertebral_size[0]
    return (0.0,) if (drawn if number is None else number) == 1 else (-beside, beside)


def _spread(settings: InteriorSettings, dice: Dice) -> np.ndarray:
    """Where the sinusoids go, −1 (one side) to 1 (the other), evenly but for some chance."""
    low, high = usual.SINUSOIDS
    drawn = int(dice.random.integers(low, high + 1))
    number = drawn if settings.network.sinusoids is None else settings.network.sinusoids
    even = np.linspace(-1.0, 1.0, number) if number > 1 else np.zeros(1)
    return np.clip(even + dice.random.uniform(-0.15, 0.15, number), -1.0, 1.0)


def _sinusoid_end(scene: Scene, across: float, dice: Dice) -> np.ndarray:
    """Where a sinusoid begins in the marrow: mid body beside, a little farther in front."""
    half = scene.landmarks.body_half_axes
    up = scene.height * dice.random.uniform(-0.12, 0.12)
    forward = half[1] * (0.45 - 0.25 * abs(across) + dice.random.uniform(-0.05, 0.05))
    return np.array([scene.flip * across * 0.55 * half[0], forward, find_mouth(scene)[2] + up])
