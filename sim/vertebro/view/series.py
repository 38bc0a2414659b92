"""The five pictures that patients' leaflets show of a vertebroplasty, taken of any run.

Needle in the arch, needle in the body, CT before, CT after, and the needle in 3-D with the cement leaving its lower
end. The needle is drawn back along its own axis; where it does not pass through a pedicle the first picture shows it
half-way through the bone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.imaging.ct_field import Plane
from vertebro.observe import Camera, steel_path
from vertebro.scans import MARROW, cement_centre, ct_planes
from vertebro.tissue import Compartment
from vertebro.view import theme

if TYPE_CHECKING:
    from vertebro.procedure import Needle
    from vertebro.record import Run

VIEWS = ("ap", "lateral")
PLANES: tuple[Plane, ...] = ("axial", "sagittal")
SIDE = 480  # px of a square panel
FRAME = 0.115  # m of a frame at the isocentre that a panel shows
SCAN, PIXELS = 0.16, 400  # m, of the CT
EARLY = 0.25  # share of the cement that is out in the last picture
BONE = (Compartment.BODY, Compartment.ARCH)
STEP = 0.2e-3  # m, along a needle
Panel = tuple[NDArray[np.uint8], tuple[str, str], float]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesPicture:
    """One picture of the series.

    Attributes
    ----------
    name : str
        ``"needle-arch"``, ``"needle-body"``, ``"before"``, ``"after"``, ``"cement-3d"``.
    image : (height, width, 3) uint8 array
    alt : str
        What is to be seen, for those who cannot see it.
    caption : str
    """

    name: str
    image: NDArray[np.uint8]
    alt: str
    caption: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """How far the needles are drawn back [m] in the first picture, and whether the first tip is in the arch."""

    back: tuple[float, ...]
    in_arch: bool


def leaflet_series(run: Run) -> list[SeriesPicture]:
    """The five pictures of a run.

    Parameters
    ----------
    run : Run

    Returns
    -------
    list of SeriesPicture
        Those about needles are left out of a run without one.
    """
    return list(series_steps(run))


def series_steps(run: Run) -> Iterator[SeriesPicture]:
    """The same pictures one after the other, each drawn when it is asked for; see `leaflet_series`."""
    if run.scene.needles:
        yield from _needles(run)
    yield from _ct(run)
    if run.scene.needles:
        yield _leaving(run)


def station(run: Run) -> Station:
    """Where the needles stand when the first picture is taken: mid-pedicle, or half-way through the bone."""
    depths = [_drawn_back(run, needle) for needle in run.scene.needles]
    return Station(back=tuple(back for back, _ in depths), in_arch=bool(depths) and depths[0][1])


def _drawn_back(run: Run, needle: Needle) -> tuple[float, bool]:
    """Way back [m] from the tip to where the needle passes a pedicle's middle; of all bone where it passes none."""
    grid, compartment = run.anatomy.grid, run.anatomy.compartment
    away = np.arange(0.0, needle.length, STEP)
    points = needle.tip + away[:, None] * (needle.entry - needle.tip) / needle.length
    where = np.rint(grid.index(points)).astype(int)
    known = np.all((where >= 0) & (where < grid.shape), axis=1)
    met = np.full(len(away), int(Compartment.PARAVERTEBRAL))
    met[known] = compartment[tuple(where[known].T)]
    for pedicle in run.anatomy.landmarks.pedicles:
        apart = np.linalg.norm(points - pedicle.centre, axis=1)
        nearest = int(np.argmin(apart))
        reach = max(pedicle.half_width, pedicle.half_height)
        if apart[nearest] < reach and met[nearest] in BONE and 0 < nearest < len(away) - 1:
            return float(away[nearest]), True
    bone = np.flatnonzero(np.isin(met, BONE))
    return (float(away[bone].mean()) if bone.size else 0.5 * needle.length), False


def _needles(run: Run) -> list[SeriesPicture]:
    camera, place = Camera(run.scene), station(run)
    arch = "in the arch (pedicle)" if place.in_arch else "half-way through the bone"
    many = "needles" if len(run.scene.needles) > 1 else "needle"
    tips = "Their tips stand" if len(run.scene.needles) > 1 else "Its tip stands"
    goal = "in the body" if place.in_arch else "at the goal"
    sides = "Left: from behind, the patient's left on the right; right: from the side, anterior on the left."
    return [
        SeriesPicture(
            name="needle-arch",
            image=_frames(run, camera, place.back, 0),
            alt=f"Two X-ray frames, AP and lateral: the {many} {arch}.",
            caption=f"The {many} on the way. {tips} {arch}. {sides}",
        ),
        SeriesPicture(
            name="needle-body",
            image=_frames(run, camera, (0.0,) * len(place.back), 1),
            alt=f"Two X-ray frames, AP and lateral: the {many} {goal}, no cement yet.",
            caption=f"The {many} {goal}, before the cement.",
        ),
    ]


def _frames(run: Run, camera: Camera, back: tuple[float, ...], number: int) -> NDArray[np.uint8]:
    """AP and lateral frame side by side, needles drawn back, no cement."""
    panels = []
    for view in VIEWS:
        prepared = camera.view(view)
        frame = prepared.frame(
            cement_line=None,
            needle_line=steel_path(prepared, run.scene.needles, back),
            cement=camera.cement,
            replaced=MARROW,
            seed=run.case.seed,
            number=number,
        )
        panels.append(middle_of(frame.display, run, view))
    return beside(panels)


def middle_of(frame: NDArray[np.uint8], run: Run, view: str) -> Panel:
    """The middle of a frame as a panel for `beside`: picture, letters, width [m]."""
    return _middle(frame, run), ("R", "L") if view == "ap" else ("A", "P"), FRAME


def _middle(frame: NDArray[np.uint8], run: Run) -> NDArray[np.uint8]:
    """The part of a frame that shows the vertebra and its neighbours."""
    share = min(FRAME / float(run.case.imaging.field), 1.0)
    half = round(share * frame.shape[0] / 2)
    row, col = frame.shape[0] // 2, frame.shape[1] // 2
    return frame[row - half : row + half, col - half : col + half]


def _ct(run: Run) -> tuple[SeriesPicture, SeriesPicture]:
    cement = run.cement_fraction()
    r, a, z = cement_centre(run.anatomy, cement)
    if cement.any():  # of two needles' cement the middle is empty
        r = float(run.anatomy.grid.axes()[0][int(np.argmax(cement.sum(axis=(1, 2))))])
    centre = (r, a, z)
    width, level = theme.BONE_WINDOW
    window = f"Bone window, width {width:.0f} HU, level {level:.0f} HU."
    return (
        SeriesPicture(
            name="before",
            image=_planes(run, None, centre, 0),
            alt="Two CT slices before the injection, axial and sagittal.",
            caption=f"CT before: axial (left) and sagittal (right). {window}",
        ),
        SeriesPicture(
            name="after",
            image=_planes(run, cement, centre, 1),
            alt="The same two CT slices after the injection; the cement is white.",
            caption="CT after, same slices, needle out: the cement is white.",
        ),
    )


def _planes(
    run: Run, cement: NDArray[np.float32] | None, centre: tuple[float, float, float], number: int
) -> NDArray[np.uint8]:
    from vertebro.view.panels import PLANES as LAYOUT

    veins = None if cement is None else run.vein_cement()
    slices = ct_planes(
        run.scene, cement, veins=veins, width=SCAN, pixels=PIXELS, centre=centre, number=number, planes=PLANES
    )
    width, level = theme.BONE_WINDOW
    panels = []
    for plane in PLANES:
        scan = slices[plane]
        grey = np.clip((scan.hu - level + width / 2) / width, 0, 1)
        low, high = _around_the_vertebra(run, scan)
        letters = LAYOUT[plane][3][:2]
        cropped = np.round(255 * grey).astype(np.uint8)[low[0] : high[0], low[1] : high[1]]
        panels.append((cropped, letters, (high[1] - low[1]) * SCAN / PIXELS))
    return beside(panels)


def _around_the_vertebra(run: Run, scan: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column of the square of a slice that holds the bone, with some room."""
    from vertebro.view.cement_fields import bony_box

    box = bony_box(run)
    middle = box.mean(axis=0) - scan.origin
    step = SCAN / PIXELS
    half = min(round((0.5 * float(np.ptp(box, axis=0).max()) + 0.012) / step), PIXELS // 2)
    place = [float(middle @ axis) / step**2 for axis in (scan.row_step, scan.col_step)]
    row, col = (int(np.clip(round(x), half, PIXELS - half)) for x in place)
    return (row - half, col - half), (row + half, col + half)


def _leaving(run: Run) -> SeriesPicture:
    from vertebro.view.scene import draw_scene

    time = early_moment(run)
    return SeriesPicture(
        name="cement-3d",
        image=draw_scene(run, view="prone", time=time, size=(2 * SIDE, round(1.6 * SIDE)), hidden=("discs",)),
        alt="Three-dimensional picture of the translucent vertebra, back up: the needle from above, cement at its "
        "lower end.",
        caption=f"In 3-D, patient prone: cement leaves the lower end of the needle, {time:.0f} s into the injection.",
    )


def early_moment(run: Run) -> float:
    """The recorded time [s] at which about a quarter of the cement is out."""
    volume = run.saturation.sum(axis=(1, 2, 3), dtype=float)
    wet = np.flatnonzero(volume > 0)
    if not wet.size:
        return float(run.times[-1])
    return float(run.times[wet[np.argmin(np.abs(volume[wet] - EARLY * volume.max()))]])


def beside(panels: list[Panel]) -> NDArray[np.uint8]:
    """Grey panels in a row with letters and a scale bar each; `panels` holds picture, letters and width [m]."""
    from PIL import Image

    gap = 6
    sheet = Image.new("RGB", (len(panels) * SIDE + (len(panels) - 1) * gap, SIDE), theme.PAPER)
    for number, (grey, letters, width) in enumerate(panels):
        tile = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.LANCZOS).convert("RGB")
        _write(tile, letters, width)
        sheet.paste(tile, (number * (SIDE + gap), 0))
    return np.asarray(sheet)


def _write(tile: Any, letters: tuple[str, str], width: float) -> None:
    from PIL import ImageDraw, ImageFont

    draw, font, small = ImageDraw.Draw(tile), ImageFont.load_default(20), ImageFont.load_default(15)
    edge: dict[str, Any] = {"fill": "white", "stroke_width": 2, "stroke_fill": "black"}
    draw.text((10, SIDE // 2), letters[0], font=font, anchor="lm", **edge)
    draw.text((SIDE - 10, SIDE // 2), letters[1], font=font, anchor="rm", **edge)
    length = round(theme.SCALE_BAR * 1e-3 / width * SIDE)
    low = SIDE - 18
    draw.rectangle([14, low - 3, 14 + length, low + 2], fill="white", outline="black")
    draw.text((14 + length / 2, low - 7), f"{theme.SCALE_BAR:g} mm", font=small, anchor="mb", **edge)
