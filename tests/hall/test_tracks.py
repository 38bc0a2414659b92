"""The channel of a pulled needle: its place, its conductance, and the leak it makes possible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.grid import VoxelGrid
from vertebro.procedure import Needle
from vertebro.simulation import Simulation
from vertebro.tracks import SOFT_OPEN, open_track, track_cells
from vertebro.units import mm

BOX = VoxelGrid(shape=(24, 24, 24), spacing=(1.5 * mm,) * 3)


@pytest.mark.parametrize("gauge", [8, 11, 15])
def test_the_voxels_of_a_track_hang_together_face_to_face(gauge, rng):
    low, high = BOX.extent
    for _ in range(20):
        entry, tip = (np.array([low[d] + rng.uniform(0.1, 0.9) * (high[d] - low[d]) for d in range(3)]) for _ in "ab")
        track = track_cells(Needle(name="a", gauge=gauge, entry=entry, tip=tip), BOX)
        assert ndimage.label(track)[1] == 1
        assert track[BOX.nearest(entry)]
        assert track[BOX.nearest(tip)]


@pytest.mark.parametrize("spacing", [0.7, 1.0, 1.5])
@pytest.mark.parametrize(("soft", "share"), [(False, 1.0), (True, float(SOFT_OPEN))])
@pytest.mark.parametrize("tilt", [0.0, 25.0])
def test_a_track_conducts_as_poiseuille_says(spacing, soft, share, tilt):
    """Through nearly tight bone, from the tip to the rim, Newtonian: Δp = 8 μ L Q / (π a⁴); oblique ones to 25 %."""
    grid = VoxelGrid(shape=(round(20 / spacing), round(20 / spacing), round(30 / spacing)), spacing=(spacing * mm,) * 3)
    middle = np.mean(grid.extent, axis=0)
    along = np.array([0.0, np.sin(np.radians(tilt)), np.cos(np.radians(tilt))])
    needle = Needle(name="a", gauge=11, entry=middle + 12 * mm * along, tip=middle - 8 * mm * along)
    tip, end = grid.nearest(needle.tip), grid.nearest(needle.entry)
    problem = FlowProblem(
        grid=grid, porosity=0.8, permeability=1e-16, injected=1.0, displaced=1.0,
        wells=[Well(cells=[tip], rate=5e-8)], outlets=[Outlet(cells=[end])],
        face_resistance=np.full((3, *grid.shape), 1e12),
    )  # fmt: skip
    opened = open_track(problem, needle, None, np.full(grid.shape, not soft))
    assert np.all(opened.permeability >= problem.permeability)
    state = opened.initial_state()
    Stepper(opened).advance(state, 0.01)
    ideal = 8.0 * 1.0 * needle.length * 5e-8 / (np.pi * (share * needle.outer_diameter / 2.0) ** 4)
    track = track_cells(needle, grid)
    # away from both ends: an inflow through one voxel of a section is no part of it
    cells = np.argwhere(track)
    ahead = (grid.world(cells) - needle.tip) @ along
    inner = (ahead > 4 * mm) & (ahead < 16 * mm)
    slope = np.polyfit(ahead[inner], state.pressure[track][inner], 1)[0]
    assert -slope * needle.length == pytest.approx(ideal, rel=0.06 if tilt == 0.0 else 0.25)


def test_pulled_back_it_opens_what_lies_before_the_tip_only():
    middle, ahead = np.mean(BOX.extent, axis=0), np.array([0.0, 1.0, 0.0])
    needle = Needle(name="a", gauge=11, entry=middle - 14 * mm * ahead, tip=middle + 8 * mm * ahead)
    problem = FlowProblem(grid=BOX, porosity=0.8, permeability=1e-12, injected=1.0, displaced=1.0)
    opened = open_track(problem, needle, needle.moved(6 * mm), np.ones(BOX.shape, bool))
    changed = np.argwhere(opened.permeability[1] > problem.permeability[1])
    along = (BOX.world(changed) - needle.tip) @ needle.direction
    assert along.min() > -7.6 * mm
    assert along.max() < 1.6 * mm
    assert len(changed) > 3


@pytest.fixture(scope="module")
def bedside(cold_case):
    """Two needles of one side, one behind the other; bone a tenth to a hundredth as open as an old woman's."""
    needles = [
        {"name": name, "side": "left", "gauge": 11, "lateral": "-6 mm", "depth": depth}
        for name, depth in (("deep", 0.5), ("shallow", 0.3))
    ]

    def run(*steps: dict[str, Any], **settings: Any):
        case = cold_case.with_settings({"needles": needles, "steps": list(steps), "marrow.viscosity": "1 Pa.s"})
        return Simulation(case.with_settings(settings), pictures=False, sketch=True).run()

    return run


def _inject(needle: str, volume: str) -> dict[str, Any]:
    return {"do": "inject", "needle": needle, "volume": volume}


def _leaks(run) -> dict[str, float]:
    return {leak["kind"]: leak["volume_ml"] for leak in run.summary["leaks"]}


@pytest.mark.slow
def test_cement_runs_back_along_the_track_of_a_needle_that_was_pulled_first(bedside):
    tight = {"anatomy.permeability_factor": 0.03, "cement.age_at_start": "6 min"}
    kept = bedside(_inject("shallow", "2 ml"), **tight)
    pulled = bedside({"do": "withdraw", "needle": "deep"}, _inject("shallow", "2 ml"), **tight)
    assert _leaks(kept).get("track", 0.0) == 0.0
    assert _leaks(pulled)["track"] > 0.02


def test_a_needle_pulled_too_early_leaves_a_track_leak(bedside):
    """The tail counts as injected, and all compartments together hold what was; a patient operator leaves none."""
    steps = (_inject("deep", "1 ml"), {"do": "withdraw", "needle": "deep"})
    early, late = (bedside(*steps, **{"cement.age_at_start": age}) for age in ("3 min", "6 min"))
    assert _leaks(early)["track"] > 0.03
    assert "track" not in _leaks(late)
    facts = early.summary
    tail = max(device["tail_ml"] for device in facts["deliveries"])
    assert 1.1 < facts["volume_injected_ml"] <= 1.0 + tail + 1e-9
    assert sum(facts["compartments_ml"].values()) == pytest.approx(facts["volume_injected_ml"], rel=1e-6)
    assert facts["volume_balance_error"] < 1e-9
    assert facts["simulated_s"] == pytest.approx(20.0 + 8.0, abs=3.0)  # pulling takes its time
