"""A running fluoroscopy: noise and ghosts, lag, brightness control, seeds, clocks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vertebro.errors import CaseError, DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, Motions, Stream, TissueLayer, tissue_layers
from vertebro.imaging.brightness import PIECES
from vertebro.imaging.detector import Detector, Lag, NoiseBank
from vertebro.imaging.exposure import ExposureControl
from vertebro.imaging.fluoro_view import FluoroView
from vertebro.imaging.fluoroscope import retuning
from vertebro.imaging.shadows import soft_shadow

Patient = tuple[TissueLayer, ...]
POSE = CArm.lateral(rows=128, cols=128, pitch=1e-3)
STILL: dict[str, Any] = {"scatter": None, "glare": None, "heel": None, "temporal": None, "lag": None, "control": None}


def slab(thickness: float) -> Patient:
    """Water across an AP beam, wider than the field."""
    grid = VoxelGrid.around([-0.2, -thickness / 2, -0.2], [0.2, thickness / 2, 0.2], 0.01)
    return tissue_layers(np.zeros(grid.shape), grid)


def without_noise(view: FluoroView) -> np.ndarray:
    return view.frame(noise=False).signal


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_recursive_filter_lowers_the_variance_to_a_over_2_minus_a(share: float, patient: Patient) -> None:
    """Equal pulses with and without the filter, against the same still picture."""
    plain = Fluoroscope(kvp=80.0, **STILL)
    pulses = Stream(plain.prepare(POSE, patient), seed=1)
    filtered = Stream(replace(plain, temporal=share).prepare(POSE, patient), seed=2, charge=1.0)
    still = without_noise(filtered.view)
    for _ in range(30):
        filtered.frame()
    variances = [np.mean([((s.frame().signal - still) ** 2).mean() for _ in range(60)]) for s in (pulses, filtered)]
    assert variances[1] / variances[0] == pytest.approx(share / (2 - share), rel=0.03)


def test_filtered_pulses_are_as_noisy_as_a_single_exposure(patient: Patient) -> None:
    """A pulse gets a / (2 - a) of the charge, so the shown picture has the single exposure's noise."""
    stream = Stream(Fluoroscope(kvp=80.0, lag=None, detector=Detector(electronic=0.0)).prepare(POSE, patient))
    still = without_noise(stream.view)
    for _ in range(20):
        stream.frame()
    shown = np.mean([(stream.frame().signal - still).var() for _ in range(40)])
    single = np.mean([(stream.view.frame(number=n).signal - still).var() for n in range(10)])
    assert shown == pytest.approx(single, rel=0.04)
    assert stream.frame().dose.mas == pytest.approx(0.25 * stream.view.dose.mas, rel=0.02)


def test_variance_of_pulses_is_their_mean_over_two_decades() -> None:
    """Slope of variance against mean 1 within 2 %, light that does not spread, read-out silent."""
    silent = Detector(sharp_sigma=0.0, wide_share=0.0, electronic=0.0)
    means, variances = [], []
    for dose in (5e-9, 2e-8, 1e-7, 5e-7):
        fluoroscope = Fluoroscope(kvp=80.0, detector=silent, detector_dose=dose, **STILL)
        view = fluoroscope.prepare(POSE, slab(0.1))
        stream, still = Stream(view, seed=7), without_noise(view)
        signals = [stream.frame().signal - still for _ in range(20)]
        means.append(float(still.mean()))
        variances.append(float(np.mean([signal.var() for signal in signals])))
    slope = np.dot(means, variances) / np.dot(means, means)
    assert slope == pytest.approx(1.0, abs=0.02)
    assert variances[0] / means[0] == pytest.approx(1.0, abs=0.02)


def test_noise_power_of_frames_follows_the_square_of_the_mtf() -> None:
    """NPS / (mean MTF²) flat within 5 % up to 0.6 of Nyquist's frequency; frames of a bank are related, so 10."""
    pitch = 2e-4
    fluoroscope = Fluoroscope(kvp=80.0, detector=Detector(electronic=0.0), **STILL)
    view = fluoroscope.prepare(CArm.ap(rows=256, cols=256, pitch=pitch), slab(0.1))
    still = without_noise(view)
    noise = [
        stream.frame().signal - still for stream in (Stream(view, seed=seed) for seed in range(10)) for _ in "12345"
    ]
    power = np.mean([np.abs(np.fft.rfft2(one)) ** 2 for one in noise], axis=0) / 256**2
    frequency = np.fft.rfftfreq(256, pitch)
    model = (view.fluoroscope.detector.mtf(frequency) * np.sinc(frequency * pitch)) ** 2
    rows = np.r_[1:13, 244:256]
    flat = [
        power[np.ix_(rows, band)].mean() / (model[band].mean() * still.mean())
        for band in np.array_split(np.arange(4, 76), 6)
    ]
    assert flat == pytest.approx([1.0] * 6, abs=0.05)


def test_slanted_edge_in_frames_gives_the_mtf_back() -> None:
    """Edge of cement, 3 degrees off the columns, finely sampled across: MTF x aperture within 3 % up to 2.5 / mm."""
    pitch, size = 1e-4, 240
    fluoroscope = Fluoroscope(kvp=80.0, focal_spot=0.0, **STILL)
    stream = Stream(fluoroscope.prepare(CArm.ap(rows=size, cols=size, pitch=pitch), slab(0.1)))
    row, col = np.mgrid[:size, :size]
    tilt = math.radians(3)
    distance = (col - size / 2) * math.cos(tilt) - math.sin(tilt) * (row - size / 2)
    edge = (1e-5 * (distance > 0)).astype(np.float32)
    bare, filled = stream.frame(noise=False).signal.astype(float), stream.frame(cement_line=edge, noise=False).signal
    drop = (1 - filled / bare) / 1e-5
    fine, inside = np.arange(-24, 24, 0.1), (row > 20) & (row < size - 20)
    profile = np.array([drop[inside & (abs(distance - x) < 0.1)].mean() for x in fine])
    frequency, place = np.arange(0.0, 2501.0, 50.0), (fine[1:] + fine[:-1]) / 2 * pitch
    measured = np.abs(np.exp(-2j * np.pi * np.outer(frequency, place)) @ np.diff(profile))
    # the edge spread was averaged over 0.2 pixels and differenced over 0.1
    measured /= measured[0] * np.sinc(frequency * 0.2 * pitch) * np.sinc(frequency * 0.1 * pitch)
    model = fluoroscope.detector.mtf(frequency) * np.sinc(frequency * pitch)
    assert np.abs(measured - model).max() < 0.03


def test_lag_leaves_its_shares_after_the_beam_is_covered() -> None:
    """Lead into a settled beam: after n pictures sum of a_k r_k^(n - 1) remains, r_k = exp(-t / tau_k)."""
    lag = Lag()
    fluoroscope = Fluoroscope(kvp=80.0, **STILL | {"lag": lag})
    stream = Stream(fluoroscope.prepare(POSE, slab(0.1)))
    lead = np.full((128, 128), 0.5, np.float32)
    bright = stream.frame(noise=False).signal[64, 64]
    for number in range(1, 31):
        left = stream.frame(needle_line=lead, noise=False).signal[64, 64] / bright
        if number in (1, 5, 30):
            stay = np.exp(-(1 / 15) / np.array(lag.times)) ** (number - 1)
            assert left == pytest.approx(float(np.array(lag.shares) @ stay), rel=1e-3, abs=1e-7)


def test_lag_of_one_picture_is_as_published() -> None:
    """A single bright picture: 2-10 % in the next one, then about 0.7, 0.4 and 0.3 % (Siewerdsen and Jaffray)."""
    stay = np.exp(-(1 / 15) / np.array(Lag().times))
    late = [float(np.array(Lag().shares) @ ((1 - stay) * stay**n)) for n in range(4)]
    assert 0.02 <= late[0] <= 0.10
    assert late[1:] == pytest.approx([0.007, 0.004, 0.003], abs=0.001)


def test_ghost_of_a_needle_decays_with_the_filter_and_movement_erases_it(patient: Patient) -> None:
    ghosts = []
    for motion in (None, 4.0):
        fluoroscope = Fluoroscope(kvp=80.0, **STILL | {"temporal": 0.4})
        stream = Stream(replace(fluoroscope, motion=motion).prepare(POSE, patient), seed=1, charge=1.0)
        needle = np.zeros((128, 128), np.float32)
        needle[60:68, 20:90] = 1.5e-3
        for _ in range(12):
            stream.frame(needle_line=needle)
        bare, inside = without_noise(stream.view), needle > 0
        start = 1 - stream.frame(needle_line=needle).signal[inside].mean() / bare[inside].mean()
        ghosts.append(float((1 - stream.frame().signal[inside].mean() / bare[inside].mean()) / start))
    assert ghosts[0] == pytest.approx(0.6, abs=0.03)
    assert ghosts[1] < 0.05


@pytest.mark.parametrize("thickness", [0.10, 0.15, 0.25, 0.30])
def test_brightness_control_settles_within_10_percent_in_half_a_second(thickness: float) -> None:
    """The tube comes from a patient of 20 cm; pictures at 15 per second."""
    fluoroscope = Fluoroscope(scatter=None, temporal=None, detector_dose=5e-8)
    pose = CArm.ap(rows=64, cols=64, pitch=2e-3)
    before = fluoroscope.prepare(pose, slab(0.20)).dose
    stream = Stream(fluoroscope.prepare(pose, slab(thickness)), tube=before)
    doses = [stream.frame(time=n / 15).dose.detector_air_kerma for n in range(9)]
    assert abs(math.log(doses[0] / 5e-8)) > 0.5
    assert doses[8] == pytest.approx(5e-8, rel=0.10)
    assert np.all(np.diff(np.abs(np.log(np.array(doses) / 5e-8))) < 0.02)


def test_voltage_rises_when_cement_fills_the_field(patient: Patient) -> None:
    stream = Stream(Fluoroscope().prepare(POSE, patient))
    start = stream.frame().dose
    full = np.full((128, 128), 0.01, np.float32)
    for _ in range(15):
        filled = stream.frame(cement_line=full).dose
    assert filled.kvp >= start.kvp + 4
    for _ in range(15):
        emptied = stream.frame().dose
    assert emptied.kvp == pytest.approx(start.kvp)
    assert emptied.mas == pytest.approx(start.mas, rel=0.02)


def test_without_the_monitors_gain_a_thing_darkens_only_its_own_pixels(patient: Patient) -> None:
    """More charge, same voltage: the picture is scaled back, so only its noise changes."""
    fluoroscope = Fluoroscope(kvp=80.0, scatter=None, glare=None, lag=None, control=ExposureControl(monitor=False))
    stream = Stream(fluoroscope.prepare(POSE, patient))
    line = np.zeros((128, 128), np.float32)
    line[40:88, 40:88] = 0.01
    first = stream.frame(noise=False)
    for _ in range(20):
        last = stream.frame(cement_line=line, noise=False)
    before, after = (frame.display16[10:30, 30:90].mean() for frame in (first, last))
    assert after == pytest.approx(before, rel=0.005)
    assert last.dose.mas > 1.2 * first.dose.mas


@pytest.mark.parametrize("cover", ["rod", "plate", "cement"])
def test_shown_mean_returns_within_10_percent_half_a_second_after_steel_or_cement_enters(
    cover: str, patient: Patient
) -> None:
    """Pictures at 15 per second; the middle half of the field is measured. Taken away, the old picture comes back."""
    stream = Stream(Fluoroscope().prepare(POSE, patient), seed=2)
    steel, cement = np.zeros((128, 128), np.float32), np.zeros((128, 128), np.float32)
    if cover == "rod":
        steel[56:72, :] = 3e-3
    elif cover == "plate":
        steel[:] = 1e-3
    else:
        cement[20:108, 20:108] = 0.015
    field = np.s_[32:96, 32:96]
    before = [float(stream.frame().display16[field].mean()) for _ in range(3)][-1]
    means = [float(stream.frame(needle_line=steel, cement_line=cement).display16[field].mean()) for _ in range(9)]
    assert means[0] < 0.95 * before
    assert means[8] == pytest.approx(before, rel=0.10)
    for _ in range(30):
        last = stream.frame()
    assert last.display16[field].mean() == pytest.approx(before, rel=0.02)


def test_gain_of_the_monitor_is_limited() -> None:
    """Lead over everything stays black; a picture without change does not flicker."""
    stream = Stream(Fluoroscope(kvp=80.0).prepare(POSE, slab(0.1)))
    first = [stream.frame(noise=False).display16 for _ in range(20)]
    assert np.abs(first[-1].astype(int) - first[0]).max() < 400  # of 65535
    for _ in range(20):
        last = stream.frame(needle_line=np.full((128, 128), 0.05, np.float32))
    assert last.display16.mean() < 0.1 * first[0].mean()


@pytest.mark.parametrize("velocity", [[0.0, 0.5, 0.0], [0.0, -0.3, 0.4]])
def test_streak_of_a_moving_layer_is_speed_times_pulse_width(velocity: list[float]) -> None:
    """A point's smear along its way has variance L² / 12, L = v x width x magnification; lateral, 1/0.7."""
    fluoroscope = Fluoroscope(kvp=80.0, focal_spot=0.0, pulse_width=10e-3, **STILL)
    pose = replace(POSE, rows=129, cols=129, pitch=5e-4)
    view = fluoroscope.prepare(pose, slab(0.05))
    dot = np.zeros((129, 129), np.float32)
    dot[64, 64] = 1e-6
    shadow = soft_shadow(view, dot, None, velocity)
    assert shadow is not None
    streak = shadow.whole(dot.shape)
    row, col = (index - 64.0 for index in np.indices((129, 129)))
    share = streak / streak.sum()
    length = math.sqrt(12 * float((share * (row**2 + col**2)).sum()))
    speed = math.hypot(*velocity)
    assert length == pytest.approx(speed * 10e-3 / 0.7 / 5e-4, rel=0.03)
    assert streak.sum() == pytest.approx(dot.sum(), rel=1e-5)
    # seen from the patient's side, anterior is on the left and superior up
    tilt = math.atan2(float((share * row * col).sum()), float((share * col**2).sum()))
    assert math.tan(tilt) == pytest.approx(velocity[2] / velocity[1], abs=0.05)


def test_motion_blurs_the_moving_layer_only_and_can_be_switched_off(patient: Patient) -> None:
    fluoroscope: Any = Fluoroscope(kvp=80.0, **STILL)
    edge = np.zeros((128, 128), np.float32)
    edge[40:80, 40:64] = 1e-3
    moving = Motions(needle=[0.0, 0.3, 0.0])
    pictures: list[np.ndarray] = []
    for width, motions in ((8e-3, None), (8e-3, moving), (None, moving)):
        view = replace(fluoroscope, pulse_width=width).prepare(POSE, patient)
        pictures.append(Stream(view).frame(needle_line=edge, cement_line=edge, motions=motions, noise=False).signal)
    assert np.array_equal(pictures[0], pictures[2])
    changed = np.abs(pictures[1] / pictures[0] - 1) > 0.01
    assert np.flatnonzero(changed.any(axis=0)).min() < 40 < 64 < np.flatnonzero(changed.any(axis=0)).max() + 2
    assert not changed[:, 48:56].any()
    with pytest.raises(CaseError, match="impossible velocity"):
        Stream(view).frame(needle_line=edge, motions=Motions(needle=[np.nan, 0, 0]))
    with pytest.raises(CaseError, match="impossible pulse"):
        Fluoroscope(pulse_width=0.0)


def test_a_new_voltage_is_prepared_in_pieces_and_equals_one_made_at_once(patient: Patient) -> None:
    view = Fluoroscope().prepare(POSE, patient)
    *none, pieces = retuning(view, view.spectrum.kvp + 6)
    *_, once = retuning(view, view.spectrum.kvp + 6, bands=1)
    assert none == [None] * len(none)
    assert len(none) + 1 == PIECES
    assert pieces is not None
    assert once is not None
    assert np.array_equal(pieces.tissue, once.tissue)
    assert np.array_equal(pieces.primary, once.primary)
    assert pieces.dose == once.dose


def test_tube_limit_stops_the_control() -> None:
    fluoroscope = Fluoroscope(pulse_limit=0.05, temporal=None)
    stream = Stream(fluoroscope.prepare(CArm.ap(rows=32, cols=32, pitch=4e-3), slab(0.3)))
    for _ in range(30):
        dose = stream.frame().dose
    assert dose.mas <= 0.05 * (1 + 1e-9)
    assert dose.detector_air_kerma < fluoroscope.detector_dose


def test_first_frame_without_noise_is_the_single_exposure(patient: Patient) -> None:
    """The fused chain and the plain one draw the same picture."""
    view = Fluoroscope(kvp=80.0).prepare(POSE, patient)
    fused, plain = Stream(view).frame(noise=False), view.frame(noise=False)
    assert np.allclose(fused.signal, plain.signal, rtol=1e-4)
    assert np.abs(fused.display16.astype(int) - plain.display16).max() < 100  # of 65535


def test_noise_does_not_repeat_and_frames_do_not_resemble_each_other(patient: Patient) -> None:
    bank = NoiseBank((64, 64), np.ones(1), 5)
    places = {tuple(bank.place(number)) for number in range(10_000)}
    assert len(places) == 10_000
    parts = [bank.numbers[0, r : r + 64, c : c + 64].ravel() for r, c, _, _ in map(bank.place, range(60))]
    pairs = np.corrcoef(parts)[np.triu_indices(60, 1)]
    assert np.abs(pairs).mean() < 0.02
    assert np.abs(pairs).max() < 5 / 64  # five standard deviations of 64² numbers


def test_layers_leave_no_trace_where_they_no_longer_are(patient: Patient) -> None:
    """The primary is kept from picture to picture and mended where the last picture's layers were."""
    stream = Stream(Fluoroscope(kvp=80.0, **STILL).prepare(POSE, patient), charge=1.0)
    lines = np.zeros((3, 128, 128), np.float32)
    lines[0, 20:30, 40:90], lines[1, 60:64, 10:20], lines[2, 22:80, 50:60] = 1e-3, 2e-3, 3e-3
    for line, other in ((lines[0], lines[1]), (lines[2], None), (None, None), (lines[1], lines[0])):
        shown = stream.frame(needle_line=line, cement_line=other, noise=False).signal
        assert np.allclose(shown, stream.view.frame(needle_line=line, cement_line=other, noise=False).signal, rtol=1e-4)


def test_same_seed_gives_the_same_run(patient: Patient) -> None:
    view = Fluoroscope(kvp=80.0).prepare(POSE, patient)
    runs = [Stream(view, seed=seed) for seed in (3, 3, 4)]
    for _ in range(3):
        pictures = [run.frame().display16 for run in runs]
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize("effect", ["heel", "shutter", "scatter", "glare", "lag", "temporal", "motion", "control"])
def test_each_effect_can_be_switched_off(effect: str, patient: Patient) -> None:
    """Alone, and the pictures still come; with it off they are others (`control` needs something to follow)."""
    fluoroscope = Fluoroscope(kvp=80.0)
    pictures = []
    for settings in (fluoroscope, replace(fluoroscope, **{effect: None})):
        view = settings.prepare(POSE, patient, collimation=(10, 118, 10, 118))
        stream = Stream(view, charge=0.25)
        needle = np.zeros((128, 128), np.float32)
        needle[60:64, 20:90] = 1e-3
        for number in range(4):
            picture = stream.frame(needle_line=needle if number % 2 else None, cement_line=30 * needle)
        pictures.append(picture.signal)
    assert not np.array_equal(*pictures)


def test_time_does_not_run_backwards(patient: Patient) -> None:
    stream = Stream(Fluoroscope(kvp=80.0).prepare(POSE, patient))
    stream.frame(time=1.0)
    with pytest.raises(CaseError, match="before the last one"):
        stream.frame(time=0.5)


def test_wrong_streams_are_refused(patient: Patient) -> None:
    view = Fluoroscope(kvp=80.0).prepare(POSE, patient)
    with pytest.raises(CaseError, match="charge"):
        Stream(view, charge=0.0)
    with pytest.raises(DataError, match="path does not fit"):
        Stream(view).frame(cement_line=np.full((128, 128), np.nan, np.float32))
    with pytest.raises(CaseError, match="exposure control"):
        ExposureControl(time_constant=-1.0)
    with pytest.raises(CaseError, match="impossible lag"):
        Lag(shares=(0.4, 0.3))
