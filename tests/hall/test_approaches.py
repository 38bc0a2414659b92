"""Ways into generated and real vertebrae: free of what must not be met, mirrored, and the same as a case uses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import import_ct
from vertebro.anatomy.landmark_surfaces import endplate_planes, posterior_wall, wall_rule
from vertebro.anatomy.no_go import no_go_volumes
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.approaches import APPROACHES, PlannedPath, ideal_paths, judged, plan_path, to_skin
from vertebro.build import build
from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.procedure import check_placement
from vertebro.tissue import Compartment
from vertebro.units import mm

EXPECTED = {
    "L1": ("transpedicular", "posterolateral"),
    "T8": ("transpedicular", "parapedicular"),
    "C6": ("anterolateral",),
}


@cache
def patient(level: str, mirrored: bool = False) -> Anatomy:
    """A vertebra with its surroundings."""
    return build_parametric(
        ParametricSpec(level=level, spacing=1.0e-3, surround_spacing=2e-3, surround_height=0.12, mirrored=mirrored)
    )


@cache
def ways(level: str) -> dict[str, PlannedPath]:
    """Its ways in, by name."""
    return {plan.path.approach: plan for plan in ideal_paths(patient(level))}


@pytest.mark.parametrize("level", EXPECTED)
def test_every_level_has_its_approaches_on_both_sides(level: str) -> None:
    assert set(ways(level)) == {f"{name}-{side}" for name in EXPECTED[level] for side in ("left", "right")}


@pytest.mark.parametrize("level", EXPECTED)
def test_ideal_paths_are_free_and_end_in_the_body(level: str) -> None:
    one = patient(level)
    marks = one.landmarks
    for name, plan in ways(level).items():
        assert plan.crosses == {}, name
        assert plan.path.medial_margin > 0, name
        assert plan.path.wall_margin > 0, name
        walls = {"anterior_wall": marks.anterior_wall, "posterior_wall": marks.posterior_wall}
        placed = check_placement(plan.path.needle("plan"), one.grid, one.compartment, **walls)
        assert placed.tip_compartment == "body", name
        assert not {"canal", "foramen_left", "foramen_right"} & {b.compartment for b in placed.breaches}, name


@pytest.mark.parametrize("level", ["L1", "T8"])
def test_ideal_transpedicular_paths_keep_the_wall_rule(level: str) -> None:
    one = patient(level)
    for side in ("left", "right"):
        path = ways(level)[f"transpedicular-{side}"].path
        tips = path.entry + np.linspace(0.3, 1.0, 200)[:, None] * (path.tip - path.entry)
        assert wall_rule(one, side, tips) is None


@pytest.mark.parametrize("level", ["L1", "T8"])
def test_left_and_right_mirror_each_other(level: str) -> None:
    for name in EXPECTED[level]:
        left, right = (ways(level)[f"{name}-{side}"].path for side in ("left", "right"))
        np.testing.assert_allclose(left.tip, right.tip * [-1, 1, 1], atol=1e-6)
        heading = [(p.tip - p.entry) / np.linalg.norm(p.tip - p.entry) for p in (left, right)]
        assert np.degrees(np.arccos(np.clip(heading[0] @ (heading[1] * [-1, 1, 1]), -1, 1))) < 2.5


def test_a_mirrored_neck_exchanges_the_sides() -> None:
    """The oesophagus lies to the left: the two sides of one neck differ, those of its mirror image are exchanged."""
    mirrored = {p.path.approach: p.path for p in ideal_paths(patient("C6", mirrored=True))}
    for side, other in (("left", "right"), ("right", "left")):
        one, two = ways("C6")[f"anterolateral-{side}"].path, mirrored[f"anterolateral-{other}"]
        heading = [(p.tip - p.entry) / np.linalg.norm(p.tip - p.entry) for p in (one, two)]
        assert np.degrees(np.arccos(np.clip(heading[0] @ (heading[1] * [-1, 1, 1]), -1, 1))) < 4.0


def test_the_neck_path_comes_from_the_front_and_says_what_the_fingers_move() -> None:
    for plan in ways("C6").values():
        assert plan.path.entry[1] > patient("C6").landmarks.anterior_wall + 15 * mm
        assert set(plan.moved) <= {"artery", "vein", "thyroid"}


def test_entries_lie_on_the_skin() -> None:
    """Half a voxel outside is air, 3 mm inside is not."""
    one = patient("L1")
    for plan in ways("L1").values():
        inward = (plan.path.tip - plan.path.entry) / np.linalg.norm(plan.path.tip - plan.path.entry)
        grid, hu = one.surround.grid, one.surround.hu
        assert hu[grid.nearest(plan.path.entry - 3 * mm * inward)] < -300
        assert hu[grid.nearest(plan.path.entry + 3 * mm * inward)] > -300


def test_a_needle_through_the_canal_is_found_out() -> None:
    one = patient("L1")
    path = plan_path(one, "transpedicular", "left", gauge=11)
    marks = one.landmarks
    bad = type(path)(
        **{f: getattr(path, f) for f in path.__slots__} | {"entry": np.array([0.0, marks.posterior_skin, 0.0])}
    )
    crossed = judged(bad, one).crosses
    assert crossed["canal"] > 10 * mm
    assert judged(bad, one, no_go_volumes(one)).to_dict()["crosses_mm"]["canal"] > 10


@pytest.mark.parametrize(("level", "approach"), [("L1", "posterolateral"), ("C6", "anterolateral")])
def test_a_case_can_ask_for_the_approach(level: str, approach: str) -> None:
    needle = {"approach": approach, "gauge": 13, "depth": 0.5}
    case = Case.parse({"anatomy": {"level": level}, "needles": [needle], "steps": [{"needle": "left"}]})
    scene = build(case, anatomy=patient(level))
    assert scene.placements[0].tip_compartment == "body"
    assert scene.placements[0].depth_fraction == pytest.approx(0.5, abs=0.01)
    wanted = to_skin(plan_path(patient(level), approach, "left", gauge=13, depth=0.5), patient(level))
    np.testing.assert_allclose(scene.needles[0].entry, wanted.entry)


def test_unknown_approaches_name_the_known_ones() -> None:
    with pytest.raises(CaseError, match="posterolateral"):
        plan_path(patient("L1"), "transoral", "left", gauge=11)
    assert "transpedicular" in APPROACHES


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Anatomy:
    folder = shared_data / "lidc0001"
    if not folder.is_dir():
        pytest.skip("no lidc0001 in ../shared/data")
    return import_ct(folder / "ct_spine_t8_l2.nii.gz", folder / "labels_vertebrae_t8_l2.nii.gz", "L1")


def test_planes_and_wall_of_a_real_vertebra(real: Anatomy) -> None:
    """Planes within 4° of the frame that the import found, the wall within a voxel of the label."""
    for plane in endplate_planes(real):
        assert np.degrees(np.arccos(abs(plane.normal[2]))) < 4.0
        assert plane.flatness < 1.2 * mm
    wall = posterior_wall(real)
    body = real.compartment == Compartment.BODY
    r, a, s = real.grid.axes()
    for x, z in ((0.0, 0.0), (6 * mm, 4 * mm), (-6 * mm, -4 * mm)):
        i, _, k = real.grid.nearest((x, 0.0, z))
        label = a[int(body[i, :, k].argmax())] - real.grid.spacing[1] / 2
        assert float(wall.at(r[i], s[k])) == pytest.approx(label, abs=real.grid.spacing[1])
    assert wall.concavity > 0


def test_ways_into_a_real_vertebra_are_free_and_nearly_mirrored(real: Anatomy) -> None:
    plans = {plan.path.approach: plan for plan in ideal_paths(real)}
    assert set(plans) == {f"{name}-{side}" for name in EXPECTED["L1"] for side in ("left", "right")}
    for name, plan in plans.items():
        assert plan.crosses == {}, name
        assert plan.path.wall_margin > 0.5 * mm, name
    for name in EXPECTED["L1"]:
        left, right = (plans[f"{name}-{side}"].path for side in ("left", "right"))
        assert left.convergence == pytest.approx(right.convergence, abs=np.radians(8))
        assert np.sign(left.entry[0]) == -1
        assert np.sign(right.entry[0]) == 1
