"""Sweeps run, resume, report what failed and lose nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from study.workers import echo
from vertebro.errors import CaseError, DataError
from vertebro.record import Run
from vertebro.study import Study, load_table, run_sweep
from vertebro.study.pools import Task, local_cores
from vertebro.view import draw_study

TINY = {
    "anatomy.spacing": "1.5 mm",
    "heat.enabled": False,
    "steps.0.rate": "30 ml/min",
    "flow.interval": "1 s",
}


def tiny(**more: object) -> Study:
    vary = {"steps.0.volume": {"values": ["0.2 ml", "0.4 ml"]}}
    return Study.parse({"title": "tiny", "set": TINY, "vary": vary} | more)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "out"
    said: list[tuple[str, float]] = []
    result = run_sweep(tiny(), folder, workers=1, progress=lambda stage, share: said.append((stage, share)))
    assert (result.members, result.finished, result.failed, result.interrupted) == (2, 2, 0, False)
    assert said[0][1] == 0.0
    assert said[-1] == ("members: 2 of 2, 0 s left", 1.0)
    return folder


def test_a_sweep_leaves_a_table_and_a_folder_per_member(swept: Path) -> None:
    rows = load_table(swept)
    assert rows["steps.0.volume"].tolist() == pytest.approx([2e-7, 4e-7])
    assert rows["volume_injected_ml"].tolist() == pytest.approx([0.2, 0.4])
    assert {p.name for p in (swept / "members" / "00001").iterdir()} == {"case.toml", "events.jsonl", "member.json"}
    assert len(draw_study(tiny(), rows).axes) == 4


def test_a_member_equals_the_same_case_run_alone(swept: Path) -> None:
    from vertebro.simulation import Simulation

    alone = Simulation(tiny().cases()[1], pictures=False).run().summary
    member = json.loads((swept / "members" / "00001" / "member.json").read_text())["summary"]
    for key in ("volume_in_body_ml", "peak_bone_pressure_kpa", "compartments_ml"):
        assert member[key] == alone[key]


def test_resume_runs_only_what_is_missing(swept: Path) -> None:
    kept = (swept / "members" / "00000" / "member.json").stat().st_mtime_ns
    lost = swept / "members" / "00001"
    for file in lost.iterdir():
        file.unlink()
    lost.rmdir()
    said: list[str] = []
    result = run_sweep(tiny(), swept, resume=True, workers=1, progress=lambda stage, share: said.append(stage))
    assert result.finished == 2
    assert said[0] == "members: 1 of 2"
    assert (swept / "members" / "00000" / "member.json").stat().st_mtime_ns == kept


def test_a_folder_belongs_to_one_study(swept: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="begun before"):
        run_sweep(tiny(), swept)
    with pytest.raises(DataError, match="another study"):
        run_sweep(tiny(title="other"), swept, resume=True)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(DataError, match="already used"):
        run_sweep(tiny(), tmp_path)


def test_a_failed_member_is_reported_and_tried_again(tmp_path: Path) -> None:
    """The second member's needle lies outside the bone: its error is a line of the table, the first one keeps its whole
    run folder."""
    plan = tiny(
        vary={"steps.0.volume": {"values": ["0.2 ml"]}, "needles.0.lateral": {"values": [0, "20 mm"]}},
        set=TINY | {"needles.0.depth": 0.95},
        keep="run",
    )
    result = run_sweep(plan, tmp_path / "out", workers=1)
    rows = load_table(tmp_path / "out")
    assert result.finished + result.failed == 2
    assert list(rows["status"]) == ["finished", "failed"]
    assert "PlacementError" in rows["error"][1]
    run = Run.load(tmp_path / "out" / "members" / "00000")
    assert run.summary["volume_injected_ml"] == pytest.approx(0.2)
    again = run_sweep(plan, tmp_path / "out", workers=1, resume=True)
    assert (again.finished, again.failed) == (1, 1)


def test_a_dead_worker_costs_only_its_own_member(tmp_path: Path) -> None:
    texts = ["a", "die", f"die once {tmp_path / 'mark'}", "b"]
    tasks = [Task(number=k, text=text, base="", keep=None, pictures=False) for k, text in enumerate(texts)]
    found = dict(local_cores(tasks, 2, echo))
    assert {k: outcome["status"] for k, outcome in found.items()} == {
        0: "finished",
        1: "failed",
        2: "finished",
        3: "finished",
    }
    assert "died" in found[1]["error"]["message"]


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_table(swept: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
        run_sweep(tiny(), tmp_path / "out", scheduler=cluster.scheduler_address)
    ours, theirs = load_table(swept), load_table(tmp_path / "out")
    assert ours["peak_bone_pressure_kpa"].tolist() == theirs["peak_bone_pressure_kpa"].tolist()


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be reached"):
        run_sweep(tiny(), tmp_path / "out", scheduler="tcp://127.0.0.1:9")


def test_impossible_numbers_of_workers() -> None:
    with pytest.raises(CaseError, match="workers"):
        list(local_cores([], 0))
