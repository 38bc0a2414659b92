"""Cement in the cannula: plug flow, warming, ageing, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from vertebro.errors import CaseError
from vertebro.materials import cement
from vertebro.procedure.column import PARCELS, WARMING_DEPTH, Column
from vertebro.procedure.tube import cannula_pressure_drop
from vertebro.units import ZERO_CELSIUS, minute, ml, mm

ROOM, BODY = ZERO_CELSIUS + 20.0, ZERO_CELSIUS + 37.0
RATE = 3 * ml / minute
CARD = cement("generic-medium")


def column(**changes) -> Column:
    usual = {"length": 0.125, "inner_diameter": 2.388 * mm, "inserted": 0.08, "age": 240.0, "room": ROOM, "body": BODY}
    return Column(cement=CARD, **(usual | changes))


def test_what_goes_in_comes_out() -> None:
    tube = column()
    assert sum(tube.advance(0.7, 0.11 * ml) for _ in range(9)) == pytest.approx(0.99 * ml, rel=1e-12)
    assert tube.filled == tube.dead_volume
    assert tube.lengths().sum() == pytest.approx(tube.length, rel=1e-12)


def test_dead_volume_comes_first_out_of_an_empty_cannula() -> None:
    """π/4 (2.388 mm)² 125 mm = 0.560 mL stay in the cannula; the rest of 1 mL comes out."""
    tube = column(primed=False)
    assert tube.missing == pytest.approx(0.5598 * ml, rel=1e-3)
    assert tube.advance(6.0, 0.3 * ml) == 0.0
    assert tube.missing == pytest.approx(0.2598 * ml, rel=1e-3)
    assert tube.drop(RATE) < column().drop(RATE)
    assert tube.advance(14.0, 0.7 * ml) == pytest.approx(0.4402 * ml, rel=1e-3)


def test_a_portion_takes_the_dead_volume_to_reach_the_tip() -> None:
    """Plug flow: a fresh batch is at the tip after V_dead and not before; the front is sharp within a parcel."""
    tube = column(inserted=0.0, body=ROOM)
    tube.refill(60.0)
    old = tube.tip_clock
    tube.advance(1e-6, tube.dead_volume * (1 - 1.6 / PARCELS))
    assert tube.tip_clock == pytest.approx(old, abs=1e-3)
    tube.advance(1e-6, tube.dead_volume * 2.2 / PARCELS)
    assert tube.tip_clock == pytest.approx(60.0 * float(CARD.clock(ROOM)), abs=1e-3)


def test_without_warmth_all_cement_has_the_batch_age() -> None:
    tube = column(body=ROOM)
    tube.advance(100.0, 100.0 * RATE)
    tube.advance(50.0)
    expected = 390.0 * float(CARD.clock(ROOM))
    assert tube.clock == pytest.approx(np.full(PARCELS + 1, expected), rel=1e-9)
    assert tube.tip_clock == pytest.approx(tube.syringe_clock, rel=1e-9)


def test_a_dwelling_column_takes_the_body_temperature_and_ages_there() -> None:
    """Deep in the body T = T_b - (T_b - T_r) e^(-t/τ) and χ = χ0 + ∫ r(T) dt.

    τ = ρcA [1/(5.78 π k) + ln 4/(2π k_t)]: 8.40 J/(m·K) · (0.306 + 0.552) m·K/W = 7.2 s.
    """
    tube = column(inserted=0.125)
    tau = tube.heat_time
    heat = 1250 * 1500 * math.pi * (1.194e-3) ** 2
    assert tau == pytest.approx(heat * (1 / (5.783 * math.pi * 0.18) + math.log(4) / (2 * math.pi * 0.4)), rel=1e-3)
    start = tube.clock[-2]
    tube.advance(60.0)
    depth = (PARCELS - 1.5) * tube.length / PARCELS
    wall = float(tube.wall(depth))
    assert wall == pytest.approx(BODY, abs=17.0 * math.exp(-depth / WARMING_DEPTH) + 1e-9)
    aged = quad(lambda t: float(CARD.clock(wall + (ROOM - wall) * math.exp(-t / tau))), 0.0, 60.0)[0]
    assert tube.temperature[-2] == pytest.approx(wall, abs=17 * math.exp(-60 / tau) + 1e-6)
    assert tube.clock[-2] - start == pytest.approx(aged, rel=2e-3)


def test_steady_injection_ages_the_cement_by_its_transit() -> None:
    """At the tip χ = χ_syringe(t - t_transit) + (A/Q) ∫ r(T(z)) dz with dT/dz = (T_wall - T) A/(Q τ)."""
    tube = column()
    tube.advance(40.0, 40.0 * RATE)
    speed = RATE / tube.area
    z = np.linspace(0.0, tube.length, 4001)
    wall = tube.wall(z - (tube.length - tube.inserted))
    kernel = np.exp(z / (speed * tube.heat_time))
    inner = np.concatenate([[0.0], np.cumsum(0.5 * (kernel[1:] * wall[1:] + kernel[:-1] * wall[:-1]) * np.diff(z))])
    temperature = (ROOM + inner / (speed * tube.heat_time)) / kernel
    transit = np.trapezoid(CARD.clock(temperature), z) / speed
    left = (240.0 + 40.0 - tube.length / speed) * float(CARD.clock(ROOM))
    assert tube.tip_clock - left == pytest.approx(transit, rel=0.03)
    assert transit > 1.2 * tube.length / speed * float(CARD.clock(ROOM))


def test_drop_of_uniform_cement_is_that_of_the_tube() -> None:
    tube = column(body=ROOM)
    law = CARD.at(tube.clock[:1])
    exact = cannula_pressure_drop(RATE, length=tube.length, inner_diameter=tube.inner_diameter, viscosity=law)
    assert tube.drop(RATE) == pytest.approx(exact, rel=1e-5)
    assert tube.flow_rate(exact) == pytest.approx(RATE, rel=1e-5)
    assert tube.drop(0.0) == tube.flow_rate(0.0) == 0.0


def test_waiting_in_the_cannula_costs_more_pressure_than_waiting_in_the_syringe() -> None:
    """Three minutes of dwell: the warm part is 3·r(37 °C) min older, so the hand needs several times the pressure."""
    warm, cold = column(), column(inserted=0.0)
    for tube in (warm, cold):
        tube.advance(180.0)
    assert warm.drop(RATE) > 3 * cold.drop(RATE)
    warm.advance(12.0, 1.2 * warm.dead_volume)  # the old plug is out, cement from the syringe follows
    assert warm.drop(RATE) < 1.6 * cold.drop(RATE)


def test_cement_sets_in_the_warm_cannula_while_the_syringe_is_still_soft() -> None:
    tube = column()
    while tube.set_at() is None:
        tube.advance(10.0)
    assert tube.set_at() < tube.inserted
    assert tube.syringe_clock < 0.75 * CARD.set_time
    assert tube.drop(RATE) > 50e6


def test_a_stylet_pushes_the_dead_volume_out_and_nothing_follows() -> None:
    """What is ahead of it shrinks, the drop with it (linearly, for uniform cement); then the cannula is empty."""
    tube = column(body=ROOM)
    full = tube.drop(RATE)
    assert tube.advance_stylet(1e-6, 0.25 * tube.dead_volume) == pytest.approx(0.25 * tube.dead_volume)
    assert tube.content == pytest.approx(0.75 * tube.dead_volume)
    assert tube.drop(RATE) == pytest.approx(0.75 * full, rel=1e-4)
    assert tube.advance_stylet(1e-6, tube.dead_volume) == pytest.approx(0.75 * tube.dead_volume)
    assert tube.content == tube.filled == tube.drop(RATE) == 0.0
    assert tube.missing == tube.dead_volume


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"age": -1.0}, "age"),
        ({"age": math.nan}, "age"),
        ({"room": ZERO_CELSIUS - 0.1}, "room"),
        ({"body": ZERO_CELSIUS + 60.1}, "body"),
        ({"room": 20.0}, "room"),
        ({"inner_diameter": 0.0}, "inner_diameter"),
    ],
)
def test_impossible_columns_are_refused(changes: dict[str, float], place: str) -> None:
    with pytest.raises(CaseError) as caught:
        column(**changes)
    assert caught.value.where == place
    assert caught.value.allowed


def test_a_batch_from_the_future_is_refused() -> None:
    with pytest.raises(CaseError, match="future"):
        column().refill(-5.0)
