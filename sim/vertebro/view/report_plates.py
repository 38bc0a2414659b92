"""Pictures of the report as data URLs, each with the words for those who cannot see it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.view import theme
from vertebro.view.gl import gl_available

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vertebro.record import Run

JPEG_QUALITY = 86
SERIES = "vertebro.view.series"
SCENES = (
    (
        "posterior-oblique",
        False,
        "Seen from behind and above, from the needle's side; colour: when the cement left the needle.",
    ),
    (
        "lateral",
        True,
        "From the needle's side, the cement cut open at the needle tip: the first cement lies outermost.",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plate:
    """One picture: data URL, alternative text, caption, width and height [pixels]."""

    url: str
    alt: str
    caption: str
    size: tuple[int, int]


def last_plate(run: Run) -> Plate | None:
    """The last frame of every view, or None without frames."""
    if not run.pictures:
        return None
    from vertebro.view.figures_strip import draw_last_frames

    return _figure_plate(
        draw_last_frames,
        run,
        "The last simulated fluoroscopy frame of each view, large; cement is dark.",
        "The last frame of each view. Cement and bone are dark. AP: the patient's right is on the left; lateral: "
        "anterior is on the left. The scale bar holds at the isocentre.",
    )


def strip_plate(run: Run) -> Plate | None:
    """Frames over time, one row per view, or None without frames."""
    if not run.pictures:
        return None
    from vertebro.view.figures_strip import draw_strip

    return _figure_plate(
        draw_strip,
        run,
        "Simulated fluoroscopy frames over time, one row per view; cement appears dark and grows.",
        "Simulated fluoroscopy over time.",
    )


def ct_plate(run: Run) -> Plate:
    """CT before and after in three planes."""
    from vertebro.view.figures_ct import draw_ct

    width, level = theme.BONE_WINDOW
    return _figure_plate(
        draw_ct,
        run,
        "Simulated CT slices before and after the injection in three planes; cement is white.",
        f"Simulated CT before (top) and after (bottom) in three planes through the middle of the cement. Bone "
        f"window, width {width:.0f} HU, level {level:.0f} HU; cement is white. The axial slices are reconstructed from "
        "simulated rays, with the streaks and the blooming that cement causes; the others are quick ones without.",
    )


def scene_plates(run: Run, *, first_only: bool = False) -> list[Plate]:
    """Three-dimensional pictures; one set of flat projections without OpenGL."""
    from vertebro.view.scene import draw_scene

    alt = "Three-dimensional picture of the vertebra with the needle, the cement coloured by injection time"
    if not gl_available():
        return [picture_plate(draw_scene(run), alt, "Projections of bone, cement and leaks.")]
    from vertebro.view.scene_meshes import build_surfaces

    surfaces = build_surfaces(run)
    return [
        picture_plate(draw_scene(run, view=view, cut=cut, surfaces=surfaces), f"{alt}, {view}.", caption)
        for view, cut, caption in (SCENES[:1] if first_only else SCENES)
    ]


def series_plates(run: Run) -> list[Plate]:
    """The five pictures of the patient leaflet; none in a build that has no such series."""
    if find_spec(SERIES) is None:
        return []
    pictures = import_module(SERIES).leaflet_series(run)
    return [picture_plate(picture.image, picture.alt, picture.caption) for picture in pictures]


def picture_plate(picture: NDArray[np.uint8], alt: str, caption: str) -> Plate:
    """A picture array as a JPEG plate."""
    from PIL import Image

    out = io.BytesIO()
    image = Image.fromarray(picture)
    image.save(out, "JPEG", quality=JPEG_QUALITY + 2, optimize=True, subsampling=0)
    return Plate(url=data_url(out.getvalue(), "image/jpeg"), alt=alt, caption=caption, size=image.size)


def data_url(data: bytes, kind: str) -> str:
    """``data:`` URL of a file in memory."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _figure_plate(draw: Callable[[Run], Figure], run: Run, alt: str, caption: str) -> Plate:
    from vertebro.view.panels import figure_bytes

    figure = draw(run)
    options: dict[str, Any] = {"quality": JPEG_QUALITY, "optimize": True}
    url = data_url(figure_bytes(figure, "jpg", pil_kwargs=options), "image/jpeg")
    width, height = (int(side) for side in figure.get_size_inches() * figure.dpi)
    return Plate(url=url, alt=alt, caption=caption, size=(width, height))
