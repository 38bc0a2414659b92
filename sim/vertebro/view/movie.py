"""A loop as a film: both planes side by side with sides, clock, volume and scale, as GIF or MP4."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vertebro.errors import CaseError, MissingExtra
from vertebro.view import theme
from vertebro.view.dicom_study import Study, study_of
from vertebro.view.dicom_xa import XAPlane, patient_orientation
from vertebro.view.files import check_new, whole_file
from vertebro.view.loops import LoopMaker

if TYPE_CHECKING:
    from vertebro.record import Run

KINDS = (".gif", ".mp4")
GAP = 4  # pixels between the planes
GIF_FRAMES, GIF_WIDTH = 60, 800  # more pictures are thinned out, wider ones halved
STRIP = 0.06  # height of the strip of words under them, over the pictures' own
NOTE = "simulated, for education and research"


def write_movie(
    run: Run,
    path: str | Path,
    *,
    loop: str = "injection",
    maker: LoopMaker | None = None,
    seconds: float = 8.0,
) -> Path:
    """Write a loop of a run as a film.

    Parameters
    ----------
    run : Run
    path : path
        ``.gif`` or ``.mp4``.
    loop : {"injection", "needle"}
    maker : LoopMaker, optional
        Views, pulse rate and number of frames; default: AP and lateral.
    seconds : float [s]
        How long the film runs; the last picture stays for another second.

    Raises
    ------
    CaseError
        If the suffix or the loop is unknown or `seconds` is not positive.
    DataError
        If the file exists or cannot be written.
    MissingExtra
        If MP4 is wanted and ``imageio-ffmpeg`` is not installed.
    """
    path = Path(path)
    if path.suffix not in KINDS:
        raise CaseError("unknown kind of film", where="--out", value=str(path), allowed=", ".join(KINDS))
    if not 0.1 <= seconds <= 600:
        raise CaseError("impossible length of a film", where="seconds", value=seconds, allowed="0.1 to 600 s")
    check_new(path)
    encoder = _encoder() if path.suffix == ".mp4" else None
    planes = (maker or LoopMaker(run=run)).loop(loop)
    frames = list(movie_frames(run, planes))
    rate = len(frames) / seconds
    with whole_file(path) as partial:
        if encoder is None:
            _write_gif(frames, partial, rate)
        else:
            _write_mp4(encoder, frames, partial, rate)
    return path


def movie_frames(run: Run, planes: Sequence[XAPlane]) -> Iterator[NDArray[np.uint8]]:
    """(rows, cols) uint8 pictures of a loop: the planes side by side, written on.

    Parameters
    ----------
    run : Run
    planes : sequence of XAPlane
        Of one loop, with equally many frames.
    """
    study = study_of(run)
    labels = [_labels(plane, study) for plane in planes]
    for shots in zip(*(plane.acquisition.shots for plane in planes), strict=True):
        tiles = [_tile(shot.display, label, plane) for shot, label, plane in zip(shots, labels, planes, strict=True)]
        strip = max(16, round(STRIP * tiles[0].size[1]))
        height, width = tiles[0].size[1] + strip, sum(tile.size[0] for tile in tiles) + GAP * (len(tiles) - 1)
        # codecs want even sides
        sheet = Image.new("L", (width + width % 2, height + height % 2), 0)
        at = 0
        for tile in tiles:
            sheet.paste(tile, (at, 0))
            at += tile.size[0] + GAP
        middle = 1 - 0.5 * strip / sheet.size[1]
        _write(sheet, (0.01, middle), _clock(run, planes[0].name, shots[0].time), "lm", 0.035)
        _write(sheet, (0.99, middle), NOTE, "rm", 0.03)
        yield np.asarray(sheet)


def _labels(plane: XAPlane, study: Study) -> tuple[str, str]:
    """Letters for the left and right edge of the picture: the patient's nearest direction."""
    right, _ = patient_orientation(plane.acquisition.shots[0].geometry, study.patient_from_world)
    letter = right[0]
    return {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}[letter], letter


def _tile(display: NDArray[np.uint8], label: tuple[str, str], plane: XAPlane) -> Image.Image:
    tile = Image.fromarray(display)
    _write(tile, (0.02, 0.5), label[0], "lm", 0.045)
    _write(tile, (0.98, 0.5), label[1], "rm", 0.045)
    _write(tile, (0.02, 0.02), plane.view.upper() if len(plane.view) < 3 else plane.view, "la", 0.035)
    _scale(tile, plane)
    return tile


def _scale(tile: Image.Image, plane: XAPlane) -> None:
    geometry = plane.acquisition.shots[0].geometry
    pixel = geometry.pitch[1] / geometry.magnification(geometry.isocentre) * 1e3
    width, height = tile.size
    x, y, length = 0.03 * width, 0.95 * height, theme.SCALE_BAR / pixel
    draw = ImageDraw.Draw(tile)
    thick = max(2, round(0.006 * height))
    draw.line([(x - 1, y), (x + length + 1, y)], fill=0, width=thick + 2)
    draw.line([(x, y), (x + length, y)], fill=255, width=thick)
    _write(tile, (x / width, (y - thick) / height), f"{theme.SCALE_BAR:g} mm", "ls", 0.026)


def _write(sheet: Image.Image, place: tuple[float, float], text: str, anchor: str, size: float) -> None:
    draw, (width, height) = ImageDraw.Draw(sheet), sheet.size
    font = ImageFont.load_default(max(9.0, size * height))
    at = (place[0] * width, place[1] * height)
    draw.text(at, text, fill=255, font=font, anchor=anchor, stroke_width=1, stroke_fill=0)


def _clock(run: Run, name: str, time: float) -> str:
    if name == "needle":
        return f"needle, {time:.0f} s"
    curve = run.history
    volume = float(np.interp(time, [0.0, *curve["time_s"]], [0.0, *curve["volume_injected_m3"]])) * 1e6
    return f"{int(time) // 60}:{int(time) % 60:02d} min, {volume:.1f} mL injected"


def _write_gif(frames: list[NDArray[np.uint8]], path: Path, rate: float) -> None:
    step = max(20, round(1000 / rate))  # viewers slow down what is faster than 50 pictures per second
    every = max(1, round(step * rate / 1000))
    every = max(every, -(-len(frames) // GIF_FRAMES))
    step *= max(1, round(every * 1000 / rate / step))
    half = frames[0].shape[1] > GIF_WIDTH  # noise does not compress: a large film would take minutes to load
    kept = [Image.fromarray(frame) for frame in [*frames[:-1:every], frames[-1]]]
    kept = [image.reduce(2) for image in kept] if half else kept
    durations = [step] * (len(kept) - 1) + [1000]
    kept[0].save(path, format="GIF", save_all=True, append_images=kept[1:], duration=durations, loop=0)


def _encoder() -> Any:
    try:
        return import_module("imageio_ffmpeg")
    except ImportError:
        raise MissingExtra("imageio-ffmpeg", "movie", "writing MP4") from None


def _write_mp4(encoder: Any, frames: list[NDArray[np.uint8]], path: Path, rate: float) -> None:
    height, width = frames[0].shape
    writer = encoder.write_frames(
        str(path), (width, height), pix_fmt_in="gray", fps=rate, codec="libx264", quality=None, macro_block_size=2,
        output_params=["-crf", "18", "-preset", "medium", "-bitexact"], ffmpeg_log_level="error",
    )  # fmt: skip
    writer.send(None)
    for frame in [*frames, *[frames[-1]] * max(1, round(rate))]:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
