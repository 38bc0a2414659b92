"""The table of kinds and the words for places."""

from __future__ import annotations

import numpy as np
import pytest

from leakage.scene import FRAME
from vertebro.errors import GeometryError
from vertebro.leakage import EXIT_ROUTES, BodyFrame, Place, Route, kind_of, place_in_words
from vertebro.tissue import LeakKind
from vertebro.units import mm


def test_yeoms_types_follow_from_place_and_route() -> None:
    assert kind_of(Place.EPIDURAL, Route.BASIVERTEBRAL) is LeakKind.B
    assert kind_of(Place.EPIDURAL, Route.SEGMENTAL) is LeakKind.S
    assert kind_of(Place.EPIDURAL, Route.WALL) is LeakKind.CANAL
    assert kind_of(Place.PARAVERTEBRAL, Route.SEGMENTAL) is LeakKind.S
    assert kind_of(Place.PARAVERTEBRAL, Route.WALL) is LeakKind.C
    assert kind_of(Place.PARAVERTEBRAL, Route.ENDPLATE) is LeakKind.D
    assert kind_of(Place.FORAMEN_LEFT, Route.WALL) is LeakKind.FORAMEN
    assert kind_of(Place.BEYOND, Route.SEGMENTAL) is LeakKind.EMBOLUS


@pytest.mark.parametrize("place", [place for place in Place if place is not Place.BONE])
@pytest.mark.parametrize("route", [Route.BASIVERTEBRAL, Route.SEGMENTAL, Route.WALL, Route.ENDPLATE, Route.TRACK])
def test_every_pair_has_a_kind(place: Place, route: Route) -> None:
    assert kind_of(place, route) in LeakKind


def test_every_exit_route_is_outside_the_bone() -> None:
    assert all(place is not Place.BONE and route > Route.BONE for place, route in EXIT_ROUTES.values())


@pytest.mark.parametrize(
    ("point", "place", "words"),
    [
        ((-3.2, -11, 0), "epidural", "anterior epidural, 3 mm left of midline, mid-body height"),
        ((0, -19, 4), "epidural", "posterior epidural, in the midline, upper third"),
        ((7, -15, -5), "epidural", "right lateral epidural, 7 mm right of midline, lower third"),
        ((10, -12, 8), "foramen_right", "right foramen, 10 mm right of midline, above the upper endplate"),
        ((0.5, 8, 7), "disc_superior", "upper disc, anterior third, in the midline"),
        ((-4, -8, -8), "disc_inferior", "lower disc, posterior third, 4 mm left of midline"),
        ((2, 13, 0), "paravertebral", "prevertebral, 2 mm right of midline, mid-body height"),
        ((14, 0, 0), "paravertebral", "lateral paravertebral, 14 mm right of midline, mid-body height"),
        (
            (-14, -8, -9),
            "paravertebral",
            "posterolateral paravertebral, 14 mm left of midline, below the lower endplate",
        ),
        ((-14, 6, 0), "paravertebral", "anterolateral paravertebral, 14 mm left of midline, mid-body height"),
        ((2, -19, 0), "paravertebral", "behind the arch, 2 mm right of midline, mid-body height"),
        ((14, -19, 0), "track", "needle track, 14 mm right of midline, mid-body height"),
    ],
)
def test_places_in_words(point: tuple[float, float, float], place: str, words: str) -> None:
    assert place_in_words(np.array(point) * mm, place, FRAME) == words


def test_words_do_without_canal_landmarks() -> None:
    frame = BodyFrame(
        half_axes=(0.02, 0.016, 0.012),
        anterior_wall=0.016,
        posterior_wall=-0.016,
        superior_endplate=0.012,
        inferior_endplate=-0.012,
    )
    assert place_in_words((0.0, -0.02, 0.0), "epidural", frame).startswith("anterior epidural")


@pytest.mark.parametrize(
    "changes",
    [
        {"anterior_wall": -0.02},
        {"superior_endplate": np.nan},
        {"half_axes": (1.0, 2.0)},
        {"canal_centre": (np.nan, 0.0, 0.0)},
        {"canal_half_axes": (1.0, 2.0, 3.0)},
    ],
)
def test_impossible_landmarks_are_refused(changes: dict[str, object]) -> None:
    good = {
        "half_axes": (0.02, 0.016, 0.012),
        "anterior_wall": 0.016,
        "posterior_wall": -0.016,
        "superior_endplate": 0.012,
        "inferior_endplate": -0.012,
    }
    with pytest.raises(GeometryError) as caught:
        BodyFrame(**(good | changes))  # type: ignore[arg-type]
    assert caught.value.where
