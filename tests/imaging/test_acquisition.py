"""Loops: as many pulses as the rate says, each with its time, pose and dose."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging import (
    Acquisition,
    CArm,
    DoseLedger,
    Fluoroscope,
    Gantry,
    Position,
    Shot,
    Stream,
    TissueLayer,
    pulse_times,
    record,
    record_biplane,
)
from vertebro.imaging.fluoro_view import FluoroView
from vertebro.units import deg

ARM = CArm.ap(rows=32, cols=32, pitch=4e-3)
SIDE = CArm.lateral(rows=32, cols=32, pitch=4e-3)


@pytest.fixture(scope="module")
def view(patient: tuple[TissueLayer, ...]) -> FluoroView:
    return Fluoroscope(kvp=80.0).prepare(ARM, patient)


@pytest.fixture(scope="module")
def side(patient: tuple[TissueLayer, ...]) -> FluoroView:
    return Fluoroscope(kvp=80.0).prepare(SIDE, patient)


@pytest.mark.parametrize(("rate", "count"), [(3.0, 6), (7.5, 15), (15.0, 30), (30.0, 60)])
def test_two_seconds_hold_twice_the_rate(view: FluoroView, rate: float, count: int) -> None:
    ledger = DoseLedger()
    loop = record(
        lambda n, _: view.frame(number=n), ARM, phase="needle", duration=2.0, rate=rate, start=5.0, ledger=ledger
    )
    assert len(loop) == count
    assert np.allclose(np.diff(loop.times), 1 / rate)
    assert loop.times[0] == 5.0
    assert loop.dose.fluoro_time == pytest.approx(2.0)
    assert ledger.phases["needle"].reference_air_kerma == pytest.approx(count * view.dose.reference_air_kerma)
    assert loop.dose.dose_area_product == pytest.approx(ledger.total.dose_area_product)


def test_continuous_is_30_and_a_tap_on_the_pedal_is_one_pulse(view: FluoroView) -> None:
    steady = record(lambda n, _: view.frame(number=n), ARM, phase="cement", duration=1.0, mode="continuous")
    assert (len(steady), steady.rate) == (30, 30.0)
    assert len(record(lambda n, _: view.frame(number=n), ARM, phase="cement", duration=0.01)) == 1


def test_a_single_shot_costs_dose_but_no_fluoroscopy_time(view: FluoroView) -> None:
    shot = record(lambda n, _: view.frame(number=n), ARM, phase="check", mode="single", start=3.0)
    assert (len(shot), shot.rate, shot.times.tolist()) == (1, 0.0, [3.0])
    assert shot.dose.fluoro_time == 0
    assert shot.dose.reference_air_kerma == pytest.approx(view.dose.reference_air_kerma)


def test_the_last_image_is_held(view: FluoroView) -> None:
    """Of a running stream, filter and all: the picture that was on the monitor last."""
    stream = Stream(view)
    loop = record(lambda _, time: stream.frame(time=time), ARM, phase="needle", duration=1.0)
    assert loop.held is loop.shots[-1]
    assert np.array_equal(loop.held.display16, loop.pictures[-1])
    assert loop.held.display.dtype == np.uint8
    assert not np.array_equal(loop.pictures[0], loop.pictures[-1])


def test_two_planes_expose_in_turn_with_their_own_geometry_and_dose(view: FluoroView, side: FluoroView) -> None:
    ledger = DoseLedger()
    loops = record_biplane(
        {"A": lambda n, _: view.frame(number=n), "B": lambda n, _: side.frame(number=n)},
        {"A": ARM, "B": SIDE},
        phase="cement",
        duration=2.0,
        ledger=ledger,
    )
    assert np.allclose(loops["B"].times - loops["A"].times, 0.5 / 7.5)
    assert ledger.planes["A"].reference_air_kerma == pytest.approx(15 * view.dose.reference_air_kerma)
    assert ledger.planes["B"].reference_air_kerma == pytest.approx(15 * side.dose.reference_air_kerma)
    assert ledger.planes["B"].reference_air_kerma > ledger.planes["A"].reference_air_kerma  # 16 cm deep, not 12
    assert loops["B"].shots[0].pose.orbital == pytest.approx(math.pi / 2)


def test_every_frame_of_a_moving_arm_has_its_own_pose(view: FluoroView) -> None:
    room, goal = Gantry.angiography(), Position(orbital=30 * deg)
    loop = record(
        lambda n, _: view.frame(number=n),
        lambda time: room.carm(room.on_the_way(Position(), goal, time)),
        phase="position",
        duration=room.move_time(Position(), goal) + 0.2,
    )
    angles = [shot.pose.orbital for shot in loop.shots]
    assert loop.moved()
    assert np.all(np.diff(angles) >= 0)
    assert angles[-1] == pytest.approx(30 * deg)
    facts = loop.to_dict()["frames"]
    assert facts[-1]["orbital_rad"] == pytest.approx(30 * deg)
    assert {"kvp", "mas", "reference_air_kerma", "dose_area_product", "source_detector_m"} <= set(facts[0])


def test_unknown_rates_modes_and_times_are_refused(view: FluoroView) -> None:
    with pytest.raises(CaseError, match="unknown pulse rate"):
        pulse_times(1.0, rate=10.0)
    with pytest.raises(CaseError, match="impossible pedal time"):
        pulse_times(-1.0, rate=7.5)
    with pytest.raises(CaseError, match="unknown mode"):
        record(lambda n, _: view.frame(number=n), ARM, phase="needle", mode="cine")  # type: ignore[arg-type]
    with pytest.raises(CaseError, match="two planes"):
        record_biplane({"A": lambda n, _: view.frame(number=n)}, {"A": ARM}, phase="needle", duration=1.0)


def test_loops_without_frames_of_several_sizes_or_out_of_order_are_refused(view: FluoroView) -> None:
    frame = view.frame()

    def shot(time: float, rows: int = 32) -> Shot:
        return Shot(time=time, display16=frame.display16[:rows], pose=ARM, dose=frame.dose, geometry=frame.geometry)

    def loop(*shots: Shot) -> Acquisition:
        return Acquisition(mode="pulsed", rate=7.5, phase="needle", plane="A", shots=shots)

    with pytest.raises(CaseError, match="without a frame"):
        loop()
    with pytest.raises(GeometryError, match="one size"):
        loop(shot(0.0), shot(1.0, rows=16))
    with pytest.raises(CaseError, match="out of order"):
        loop(shot(1.0), shot(0.0))
