"""The leak in its best view: the turn with the widest margin, a picture with its outline, words that fit both."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from training.conftest import fresh
from vertebro.training.memory import Memory
from vertebro.training.operators import Operator
from vertebro.training.past import run_of
from vertebro.view.best_views import MOST, SMALLEST, TURNS, best_views


@pytest.fixture(scope="module")
def leaky(anatomies):
    """A novice's finished session on case 1."""
    session = fresh(anatomies)
    session.memory = Memory()
    Operator("novice").run(session)
    return session


@pytest.fixture(scope="module")
def views(leaky):
    return list(best_views(leaky, "L3", run_of(leaky, "L3")))


def test_largest_leaks_come_first_and_each_once(leaky, views) -> None:
    worth = sorted((leak for leak in leaky.site.leaks if leak.volume >= SMALLEST), key=lambda leak: -leak.volume)
    assert worth
    assert [view.key for view in views] == [leak.key for leak in worth[:MOST]]


def test_leak_that_a_picture_showed_is_visible_in_its_best_view_too(leaky, views) -> None:
    shown = [view for view in views if view.key in leaky.site.visible]
    assert shown
    for view in shown:
        assert view.visible
        assert "a picture of yours showed it" in view.words


def test_picture_carries_the_outline(views) -> None:
    for view in views:
        picture = np.asarray(Image.open(io.BytesIO(view.jpeg)).convert("RGB"), int)
        assert (picture[..., 0] - picture[..., 2] > 80).any()
        assert (view.orbital, view.cranial) in TURNS


def test_session_without_an_injection_has_none(anatomies) -> None:
    session = fresh(anatomies)
    session.memory = Memory()
    assert list(best_views(session, "L3", run_of(session, "L3"))) == []
