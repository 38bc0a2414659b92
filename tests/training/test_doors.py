"""``vertebro replay`` and ``vertebro explain rule.X`` as a user types them."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from training import lines as made
from vertebro.cli.main import app
from vertebro.errors import CaseError, DataError


def run(*words: str):
    return CliRunner().invoke(app, list(words))


def test_rule_explains_bands_sources_and_that_it_is_a_draft() -> None:
    shown = run("explain", "rule.C3")
    assert shown.exit_code == 0
    assert "Wall rule" in shown.stdout
    assert "full at >= 2" in shown.stdout
    assert "unvalidated draft" in shown.stdout


def test_metric_explains_which_rules_use_it() -> None:
    facts = json.loads(run("explain", "metric.N5", "--json").stdout)
    assert facts["rules"] == ["C3"]


def test_unknown_rule_is_a_case_error() -> None:
    assert isinstance(run("explain", "rule.Q1").exception, CaseError)


def test_log_can_be_scored_without_simulating(tmp_path) -> None:
    log = made.start()
    made.leak(log, 105, volume=0.3)
    made.inject(log, 100, 130)
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in log.lines))
    facts = json.loads(run("replay", str(tmp_path), "--score", "--json").stdout)
    assert facts["summary"]["leaks"][0]["hidden_ml"] == pytest.approx(0.3)
    assert len(facts["debrief"]["next"]) == 3
    text = run("replay", str(path), "--score").stdout
    assert "never visible" in text
    assert "unvalidated draft" in text


def test_folder_of_sessions_tells_which_cases_were_mastered(tmp_path) -> None:
    for number, seed in enumerate((11, 12, 13)):
        log = made.start(seed=seed)
        if number < 2:  # the third was cut off
            log.add("end", 60, dose={"total": {}}, dlp_mgy_cm=0.0, levels={})
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "events.jsonl").write_text("\n".join(json.dumps(line) for line in log.lines))
    facts = json.loads(run("replay", str(tmp_path), "--course", "--json").stdout)["cases"]["first-steps"]
    assert [attempt["seed"] for attempt in facts["attempts"]] == [11, 12]
    assert not facts["mastered"]
    assert "not yet" in run("replay", str(tmp_path), "--course").stdout


def test_folder_without_sessions_is_a_data_error(tmp_path) -> None:
    assert isinstance(run("replay", str(tmp_path), "--course").exception, DataError)


def test_log_of_before_the_ends_of_rounds_is_a_data_error(tmp_path) -> None:
    log = made.start()
    made.inject(log, 100, 103)
    lines = [{key: value for key, value in line.items() if key != "until_s"} for line in log.lines]
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert isinstance(run("replay", str(tmp_path), "--score").exception, DataError)


def test_file_that_is_no_log_is_a_data_error(tmp_path) -> None:
    (tmp_path / "events.jsonl").write_text('{"type": "note"}\n')
    assert isinstance(run("replay", str(tmp_path), "--score").exception, DataError)
