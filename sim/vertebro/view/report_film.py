"""The injection loop for a report: inside the page when small, else a file beside it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vertebro.view.loops import LoopMaker
from vertebro.view.movie import write_movie
from vertebro.view.report import write_page
from vertebro.view.report_plates import data_url

if TYPE_CHECKING:
    from vertebro.record import Run

LARGEST_INSIDE = 2_500_000  # bytes of the file; a page holds a third more
MOST_FRAMES = {".mp4": 60, ".gif": 12}  # noise does not compress in a GIF: few pictures
ROWS = 256  # of a frame at most: a page is no workstation
KINDS = {".mp4": "video/mp4", ".gif": "image/gif"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Film:
    """A loop in a page.

    Attributes
    ----------
    url : str
        ``data:`` URL, or the name of the file beside the page.
    kind : str
        ``video/mp4`` or ``image/gif``.
    inside : bool
        Whether the page holds it.
    size : int [bytes]
    """

    url: str
    kind: str
    inside: bool
    size: int


def make_film(run: Run, page: Path) -> Film:
    """The injection as MP4 (with the ``movie`` extra) or as a GIF of few pictures.

    Parameters
    ----------
    run : Run
    page : path
        The report; a film too large for it is written beside it as ``<name>-injection.mp4`` or ``.gif``, anew.

    Raises
    ------
    DataError
        If a large film's file cannot be written.
    """
    suffix = ".mp4" if find_spec("imageio_ffmpeg") is not None else ".gif"
    beside = page.with_name(f"{page.stem}-injection{suffix}")
    with tempfile.TemporaryDirectory() as place:
        maker = LoopMaker(run=_coarse(run), most=MOST_FRAMES[suffix])
        file = write_movie(run, Path(place) / f"loop{suffix}", maker=maker)
        data = file.read_bytes()
    inside = len(data) <= LARGEST_INSIDE
    if not inside:
        write_page(data, beside)
    url = data_url(data, KINDS[suffix]) if inside else beside.name
    return Film(url=url, kind=KINDS[suffix], inside=inside, size=len(data))


def _coarse(run: Run) -> Run:
    """The run as a detector of at most `ROWS` rows sees it."""
    case = run.case.with_settings({"imaging.rows": min(run.case.imaging.rows, ROWS)})
    return replace(run, scene=replace(run.scene, case=case))
