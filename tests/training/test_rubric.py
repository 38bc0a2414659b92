"""The rubric as data: weights, bands, and what is said when the file is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from vertebro.errors import DataError
from vertebro.training.rubric import RUBRIC, Band, load_rubric, read_rubric


def test_weights_add_up_to_a_hundred_and_domains_are_seven() -> None:
    rubric = load_rubric()
    assert sum(rule.points for rule in rubric.rules) == 100.0
    assert "".join(rubric.domains) == "ABCDEFG"
    assert rubric.status == "unvalidated draft"


@pytest.mark.parametrize(("value", "share"), [(3.0, 1.0), (2.0, 1.0), (0.0, 0.5), (-2.0, 0.0), (-9.0, 0.0)])
def test_bands_are_straight_in_between(value: float, share: float) -> None:
    wall = load_rubric().rule("C3").bands[0]
    assert wall.score(value) == pytest.approx(share)


def test_bands_also_run_downwards() -> None:
    assert Band(metric="L4", full="<= 0.05", none=">= 0.30").score(0.175) == pytest.approx(0.5)


@pytest.mark.parametrize(("full", "none"), [(">= 2", "<= 3"), ("<= 2", ">= 1"), (">= 2", ">= 1"), ("<= 2", "<= 2")])
def test_limits_that_leave_no_middle_are_refused(full: str, none: str) -> None:
    with pytest.raises(ValidationError, match="not in order"):
        Band(metric="N5", full=full, none=none)


@pytest.mark.parametrize("text", ["2", "> 2", ">= two", ""])
def test_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="a limit reads like"):
        Band(metric="N5", full=text, none="<= -2")


def change(data: dict[str, Any], name: str, **changes: Any) -> None:
    next(rule for rule in data["rules"] if rule["id"] == name).update(changes)


FAULTS: dict[str, tuple[Any, str]] = {
    "points": (lambda data: change(data, "A1", points=4), "rules of domain A have 11 points, not 10"),
    "domains": (lambda data: (change(data, "G2", points=2), data["domains"]["G"].update(points=6)), "101 points"),
    "unknown key": (lambda data: change(data, "C3", colour="red"), "rules C3 colour: Extra inputs"),
    "no source": (lambda data: change(data, "C3", sources=[]), "rules C3 sources"),
    "source left out": (lambda data: data["rules"][0].pop("sources"), "rules A1 sources: Field required"),
    "strange source": (lambda data: change(data, "C3", sources=["hearsay"]), "rules C3 sources: .*hearsay"),
    "metric": (lambda data: change(data, "C3", bands=[{"metric": "N99", "full": ">= 1", "none": "<= 0"}]), "C3.*N99"),
    "gate's metric": (lambda data: data["critical"][3].update(metric="K99"), "critical K4 metric: .*K99"),
    "order": (lambda data: data["rules"][0]["bands"][0].update(none="<= 2"), "rules A1 bands 0: .*not in order"),
    "twice": (lambda data: change(data, "A2", id="A1"), "more than one rule of the name A1"),
    "no domain": (lambda data: change(data, "C3", id="X3"), "rules of no domain: X3"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_broken_rubric_is_told_where_and_why(fault: str, tmp_path: Path) -> None:
    spoil, told = FAULTS[fault]
    data = yaml.safe_load(RUBRIC.read_text("utf-8"))
    spoil(data)
    (tmp_path / "rubric.yaml").write_text(yaml.safe_dump(data), "utf-8")
    with pytest.raises(DataError, match=told):
        read_rubric(tmp_path / "rubric.yaml")


@pytest.mark.parametrize("text", ["rules: [", "", "- a list"])
def test_file_that_is_no_rubric_is_told_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "rubric.yaml").write_text(text, "utf-8")
    with pytest.raises(DataError, match="rubric"):
        read_rubric(tmp_path / "rubric.yaml")


def test_rubric_survives_being_written_and_read() -> None:
    rubric = load_rubric()
    assert type(rubric).model_validate(rubric.model_dump()).digest == rubric.digest
