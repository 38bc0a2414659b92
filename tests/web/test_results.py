"""What finished sessions were worth is kept, and told before the next case is chosen."""

from __future__ import annotations

from pathlib import Path

from vertebro.web.results import NAME, keep_result, standings

GOOD, BAD = "proficient in this run", "not yet"


def done(root: Path, stamp: str, seed: int, label: str, scenario: str = "first-steps") -> None:
    folder = root / f"2026110{stamp}-{scenario}-{seed}"
    folder.mkdir()
    keep_result(folder, {"scenario": scenario, "seed": seed, "mode": "exam"}, {"label": label, "points": 90.0})


def test_two_good_runs_on_different_patients_master_a_case(tmp_path: Path) -> None:
    assert standings(tmp_path) == {}
    done(tmp_path, "2", 12, GOOD)
    assert "another patient than 12" in standings(tmp_path)["first-steps"]["say"]
    done(tmp_path, "1", 11, GOOD)  # earlier by its name, whenever it was written
    done(tmp_path, "3", 11, BAD)
    found = standings(tmp_path)
    assert found["first-steps"]["mastered"]
    assert set(found) == {"first-steps"}


def test_each_case_stands_for_itself(tmp_path: Path) -> None:
    done(tmp_path, "1", 11, GOOD)
    done(tmp_path, "2", 21, BAD, "wedge-t12")
    found = standings(tmp_path)
    assert not any(each["mastered"] for each in found.values())
    assert found["wedge-t12"]["say"] == "Last time: not yet, 90 points."


def test_a_file_that_cannot_be_read_counts_neither_way(tmp_path: Path) -> None:
    done(tmp_path, "1", 11, GOOD)
    for stamp, text in (("2", ""), ("3", "[]"), ("4", '{"scenario": "first-steps", "seed": "x"}')):
        folder = tmp_path / stamp
        folder.mkdir()
        (folder / NAME).write_text(text)
    done(tmp_path, "5", 12, GOOD)
    assert standings(tmp_path)["first-steps"]["mastered"]
