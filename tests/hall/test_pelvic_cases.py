"""Sacrum and hip bone through the whole simulation, coarse and short; leaks into joints and root canals are named."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.build import Scene, build, leak_monitor
from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.leakage import LeakEvent
from vertebro.simulation import Simulation
from vertebro.tissue import Compartment
from vertebro.units import ml
from vertebro.view import words
from vertebro.view.report import write_report

SHORT = {
    "anatomy.spacing": "1.5 mm",
    "heat.enabled": False,
    "imaging.rows": 96,
    "imaging.frames": 2,
    "steps.0.volume": "0.3 ml",
}


def short(name: str) -> Case:
    case = Case.preset(name)
    return case.with_settings(SHORT | ({"steps.1.volume": "0.3 ml"} if len(case.steps) > 1 else {}))


@cache
def scene(name: str) -> Scene:
    return build(short(name))


@pytest.mark.parametrize(
    ("name", "bone"),
    [pytest.param("sacroplasty", "sacrum", marks=pytest.mark.slow), ("acetabulum", "left hip bone")],
)
def test_a_pelvic_case_runs_to_its_report(name: str, bone: str, tmp_path: Path) -> None:
    run = Simulation(short(name)).run()
    wanted = 0.3 * len(run.case.needles)
    assert run.summary["volume_injected_ml"] == pytest.approx(wanted, rel=1e-3)
    assert run.summary["volume_in_body_ml"] == pytest.approx(wanted, rel=0.02)
    assert run.summary["volume_balance_error"] < 1e-9
    assert run.summary["peak_syringe_pressure_kpa"] < 2000
    assert all(needle["grade"] == "A" for needle in run.summary["needles"])
    text = write_report(run, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"In a simulated {bone}," in text
    assert "lay in the bone," in dict(words.findings(run.summary, run.anatomy.level))["Filling"]


def test_two_needles_of_a_sacroplasty_lie_in_both_alae() -> None:
    left, right = scene("sacroplasty").needles
    assert left.tip[0] < -0.02
    assert right.tip[0] > 0.02


def test_the_long_axis_fits_the_same_case() -> None:
    case = short("sacroplasty").with_settings({f"needles.{n}.approach": "long-axis" for n in (0, 1)})
    built = build(case, anatomy=scene("sacroplasty").anatomy)
    assert all(placement.breaches == () for placement in built.placements)
    assert all(placement.length_in_bone > 0.03 for placement in built.placements)


def _leak_into(built: Scene, place: Compartment, left: bool | None = None) -> LeakEvent:
    """Cement that went from the first needle's tip into one compartment, as the monitor sees it."""
    anatomy = built.anatomy
    cement = np.zeros(anatomy.grid.shape)
    target = anatomy.compartment == place
    if left is not None:
        target &= (anatomy.grid.open_mesh()[0] < 0) == left
    seen = ndimage.binary_dilation(target, iterations=3) & (anatomy.compartment == Compartment.BODY)
    parts, _ = ndimage.label(seen)
    seen = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    watch = leak_monitor(built)
    cement[seen] = 0.5 * anatomy.grid.voxel_volume
    watch.update(1.0, cement)
    assert watch.leaks() == ()
    cement[target & ndimage.binary_dilation(seen, iterations=2)] = 0.5 * anatomy.grid.voxel_volume
    watch.update(2.0, cement)
    (leak,) = watch.leaks()
    assert leak.volume > 0.01 * ml
    return leak


def test_leaks_of_the_sacrum_are_named() -> None:
    built = scene("sacroplasty")
    joint = _leak_into(built, Compartment.JOINT, left=True)
    assert (joint.kind, joint.compartment) == ("C", "joint")
    assert joint.words.startswith("left sacroiliac joint")
    root = _leak_into(built, Compartment.FORAMEN_RIGHT)
    assert root.kind == "foramen"
    assert root.words.startswith("right foramen")


def test_leaks_of_the_hip_are_named() -> None:
    leak = _leak_into(scene("acetabulum"), Compartment.JOINT)
    assert (leak.kind, leak.compartment) == ("C", "joint")
    assert leak.words.startswith("left hip joint")
    assert "left of midline" in leak.words


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"needles.0.approach": "transpedicular"}, "acetabular"),
        ({"needles.0.approach": "short-axis"}, "S1"),
        ({"needles.0.side": "right"}, "left"),
    ],
)
def test_a_needle_that_does_not_fit_the_hip_is_told_what_does(settings: dict[str, str], hint: str) -> None:
    case = short("acetabulum").with_settings(settings)
    anatomy: Anatomy = scene("acetabulum").anatomy
    with pytest.raises(CaseError, match="needles") as caught:
        build(case, anatomy=anatomy)
    assert hint in str(caught.value)


def test_levels_of_the_pelvis_are_valid_in_a_case_and_others_are_not() -> None:
    for level in ("S1", "HIP_L", "HIP_R"):
        assert Case.preset("acetabulum").with_settings({"anatomy.level": level}).anatomy.level == level
    with pytest.raises(CaseError, match="level"):
        Case.preset("acetabulum").with_settings({"anatomy.level": "HIP_LEFT"})
    with pytest.raises(CaseError, match="HIP_L"):
        build(Case.preset("acetabulum").with_settings({"anatomy.level": "HIP"}))
