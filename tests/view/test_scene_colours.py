"""What the cement's colour says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertebro.errors import DataError
from vertebro.record import Run
from vertebro.view import draw_scene
from vertebro.view.scene_colours import colouring
from vertebro.warmth import HeatResult


@pytest.fixture(scope="module")
def warm_run(run: Run) -> Run:
    """The run with heat: 60 °C in the cement, half cured."""
    wet = run.saturation[-1] > 0.02
    nothing = np.zeros(wet.shape, np.float32)
    heat = HeatResult(
        peak=np.where(wet, 60.0, 37.0).astype(np.float32),
        dose=nothing,
        damage=nothing,
        conversion=np.where(wet, 0.5, 0.0).astype(np.float32),
        curves={},
    )
    return replace(run, heat=heat)


def test_age_and_time_of_injection_add_up_to_the_moment(run: Run) -> None:
    came, age = colouring(run, "time", 48.0).values, colouring(run, "age", 48.0).values
    assert came is not None
    assert age is not None
    np.testing.assert_allclose(came + age, 48.0, atol=1e-4)
    assert came.max() <= 48.0


def test_scale_is_that_of_the_whole_run(run: Run) -> None:
    assert colouring(run, "time", 16.0).limits == colouring(run, "time").limits == (0.0, 80.0)


def test_temperature_and_cure_come_from_the_heat(warm_run: Run) -> None:
    assert warm_run.heat is not None
    hot, cured = colouring(warm_run, "temperature"), colouring(warm_run, "cure")
    assert hot.values is warm_run.heat.peak
    assert hot.limits == (37.0, 60.0)
    assert cured.values is warm_run.heat.conversion


@pytest.mark.parametrize("name", ["temperature", "cure"])
def test_a_cold_run_says_how_to_get_heat(run: Run, name: str) -> None:
    with pytest.raises(DataError, match="without heat") as caught:
        colouring(run, name)
    assert "heat.enabled=true" in str(caught.value)


def test_unknown_colouring_names_the_known_ones(run: Run) -> None:
    with pytest.raises(DataError, match="temperature"):
        colouring(run, "mood")


@pytest.mark.usefixtures("with_gl")
def test_each_colouring_gives_another_picture(warm_run: Run) -> None:
    pictures = [draw_scene(warm_run, colour=name, size=(320, 256)) for name in ("time", "age", "temperature", "plain")]
    assert len({picture.tobytes() for picture in pictures}) == 4
