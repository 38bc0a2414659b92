"""Each leak in the view that shows it best: what another turn of the C-arm would have told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vertebro.imaging.visibility import Thresholds, Visibility
from vertebro.observe import Camera
from vertebro.sources import Constant
from vertebro.units import ml
from vertebro.view import theme
from vertebro.view.moments import DEEP, as_jpeg, outlined

if TYPE_CHECKING:
    from vertebro.leakage import LeakEvent
    from vertebro.record import Run
    from vertebro.training.session import Session

TURNS = ((0, 0), (30, 0), (60, 0), (90, 0), (-30, 0), (-60, 0), (0, 25), (0, -25))  # deg, orbital and cranial
SMALLEST = Constant(0.02 * ml, "m^3", 0.005 * ml, 0.1 * ml, "yeom2003", "ours", "leak that is worth another look")
MOST = 3  # leaks


@dataclass(frozen=True, kw_only=True, slots=True)
class BestView:
    """One leak at the end of a session, seen from where it shows best.

    Attributes
    ----------
    key : int
    kind : str
    orbital, cranial : float [deg]
    visible : bool
        Whether a reader could tell it from bone and noise there.
    jpeg : bytes
        With the leak outlined.
    words : str
    """

    key: int
    kind: str
    orbital: float
    cranial: float
    visible: bool
    jpeg: bytes
    words: str


def best_views(session: Session, level: str, run: Run) -> Iterator[BestView]:
    """The largest leaks of a level, each from the turn of the C-arm that shows it best.

    Parameters
    ----------
    session : Session
        Finished.
    level : str
    run : Run
        Of that level, from `vertebro.training.past.run_of`.
    """
    site = session.sites[level]
    if site.engine is None:
        return
    camera = Camera(run.scene)
    leaks = sorted((leak for leak in site.leaks if leak.volume >= SMALLEST), key=lambda leak: -leak.volume)
    for leak in leaks[:MOST]:
        yield _best(session, level, camera, leak)


def _best(session: Session, level: str, camera: Camera, leak: LeakEvent) -> BestView:
    site = session.sites[level]
    fraction, veins = site.subject.fraction, site.subject.veins
    leaked, leaked_veins = site.leaked(leak), site.leaked_veins(leak)
    cement = np.zeros_like(leaked) if fraction is None else fraction
    found = {turn: camera.look(_name(turn), leaked, cement, veins=veins, leaked_veins=leaked_veins) for turn in TURNS}
    turn = max(TURNS, key=lambda one: _margin(found[one]))
    picture = camera.shoot(_name(turn), session.time, cement, veins=veins, number=leak.key)
    mask = camera.cement_line(camera.view(_name(turn)), leaked, leaked_veins) > DEEP
    visible, words = found[turn].visible, theme.LEAK_WORDS.get(leak.kind.value, leak.words)
    shadow: dict[str, Any] = {"mask": mask, "kind": leak.kind.value, "words": words, "visible": visible}
    jpeg = as_jpeg(picture.display8)
    return BestView(
        key=leak.key,
        kind=leak.kind.value,
        orbital=float(turn[0]),
        cranial=float(turn[1]),
        visible=visible,
        jpeg=outlined(jpeg, [shadow]) if mask.any() else jpeg,
        words=_words(words, level, turn, visible=visible, known=leak.key in site.visible),
    )


def _name(turn: tuple[int, int]) -> str:
    return f"{turn[0]},{turn[1]}"


def _margin(seen: Visibility) -> tuple[bool, float]:
    """Visible first; then by how much the hardest of the thresholds is passed."""
    limits = Thresholds()
    shares = (seen.snr / limits.snr, seen.clutter_ratio / limits.clutter_ratio, seen.contrast / limits.contrast)
    return seen.visible, float(min(shares))


def _words(what: str, level: str, turn: tuple[int, int], *, visible: bool, known: bool) -> str:
    yours = "a picture of yours showed it" if known else "none of your pictures showed it"
    there = "it can be told there" if visible else "even there noise and bone hide it"
    return f"{level}, {what}: {yours}. Best of {len(TURNS)} turns: orbital {turn[0]}°, cranial {turn[1]}°; {there}."
