"""The vertebra on a turntable: a ring of 3-D pictures to drag through, for pages that may not have WebGL.

The camera goes round the patient's long axis, a little from above; size and middle stay, so nothing jumps while it
turns. One picture comes at a time: whoever asks can do something else in between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.units import deg
from vertebro.view import theme
from vertebro.view.gl import gl_available
from vertebro.view.scene import Camera, aim_camera, needle_side, new_plotter
from vertebro.view.scene_colours import colouring
from vertebro.view.scene_layers import add_layers, add_moment

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.scene_meshes import Surfaces

COUNT, FEWER = 24, 12  # pictures of the last moment's ring, and of the others'
SIZE = (560, 460)
ABOVE = 22 * deg  # of the camera over the horizon
START = 255 * deg  # of the first picture: from the needle's side, a little behind
SHARPER = 1.25  # drawn larger, then reduced
ROOM = 1.06  # of the picture over what it must hold
LETTERS = (("R", (1.0, 0.0, 0.0)), ("L", (-1.0, 0.0, 0.0)), ("A", (0.0, 1.0, 0.0)), ("P", (0.0, -1.0, 0.0)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """One picture of a ring.

    Attributes
    ----------
    moment, step : int
        Which of the moments, which step round.
    time : float [s]
        On the run's clock.
    image : (height, width, 3) uint8 array
    """

    moment: int
    step: int
    time: float
    image: NDArray[np.uint8]


def turntable(
    run: Run, times: Sequence[float], *, count: int = COUNT, fewer: int = FEWER, size: tuple[int, int] = SIZE
) -> Iterator[Turn]:
    """Pictures all round at each of some moments, the last moment first; none without OpenGL.

    Parameters
    ----------
    run : Run
    times : sequence of float [s]
        Moments on the run's clock.
    count, fewer : int
        Pictures of the ring of the last moment, and of those of the others.
    size : (width, height) [pixels]
    """
    if not gl_available() or not len(times):
        return
    from vertebro.view.scene_meshes import build_surfaces, still_surfaces

    still = still_surfaces(run)
    shades = colouring(run, "time" if np.isfinite(run.injection_time).any() else "plain", None)
    last = build_surfaces(run, float(times[-1]), still=still)
    points, side = last.points(), needle_side(run)
    plotter = new_plotter([round(SHARPER * n) for n in size], off_screen=True)
    try:
        actors = add_layers(plotter, last, shades)
        for moment in reversed(range(len(times))):
            if moment != len(times) - 1:
                actors |= _changed(plotter, actors, build_surfaces(run, float(times[moment]), still=still), shades)
            steps = count if moment == len(times) - 1 else fewer
            for step, camera in enumerate(ring(points, steps, size, side)):
                image = _picture(plotter, camera, size)
                yield Turn(moment=moment, step=step, time=float(times[moment]), image=image)
    finally:
        plotter.close()


def ring(points: NDArray[np.float64], count: int, size: tuple[int, int], side: float) -> list[Camera]:
    """Cameras all round the points (n, 3) [mm], the first one behind on the side of the first needle.

    Examples
    --------
    >>> cameras = ring(np.eye(3), 4, (200, 100), 1.0)
    >>> len({camera.height for camera in cameras})
    1
    """
    focus = 0.5 * (points.min(axis=0) + points.max(axis=0))
    reach = float(np.linalg.norm((points - focus)[:, :2], axis=1).max())
    tall = float(np.ptp(points[:, 2])) * math.cos(ABOVE) + 2 * reach * math.sin(ABOVE)
    height = ROOM * max(tall, 2 * reach * size[1] / size[0])
    cameras = []
    for step in range(count):
        turn = START + 2 * math.pi * step / count
        level = math.cos(ABOVE)
        towards = np.array([-side * math.sin(turn) * level, math.cos(turn) * level, math.sin(ABOVE)])
        right = np.cross([0.0, 0.0, 1.0], towards)
        right /= np.linalg.norm(right)
        cameras.append(Camera(right, np.cross(towards, right), towards, focus, height))
    return cameras


def _changed(plotter: Any, actors: dict[str, list[Any]], surfaces: Surfaces, shades: Any) -> dict[str, list[Any]]:
    """Take cement and leaks of another moment in."""
    for name in ("cement", "leaks"):
        for actor in actors[name]:
            plotter.remove_actor(actor, reset_camera=False, render=False)
    return add_moment(plotter, surfaces, shades)


def _picture(plotter: Any, camera: Camera, size: tuple[int, int]) -> NDArray[np.uint8]:
    from PIL import Image

    aim_camera(plotter, camera)
    plotter.render()
    shot = np.asarray(plotter.screenshot(return_img=True))[:, :, :3]
    small = Image.fromarray(np.ascontiguousarray(shot)).resize(size, Image.Resampling.HAMMING)
    _letters(small, camera)
    return np.asarray(small)


def _letters(picture: Any, camera: Camera) -> None:
    """A small compass in the corner: where the patient's right, left, front and back are."""
    from PIL import ImageDraw, ImageFont

    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    middle, radius = np.array([picture.width - 44.0, 44.0]), 24.0
    for letter, way in LETTERS:
        step = np.array([float(np.dot(way, camera.right)), -float(np.dot(way, camera.up))])
        end = middle + radius * step
        draw.line([*middle, *end], fill=theme.MUTED, width=1)
        place = middle + (radius + 9.0) * step
        draw.text(tuple(place), letter, font=font, fill=theme.INK, anchor="mm")
