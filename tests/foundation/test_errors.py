"""Errors teach: value, place, allowed range, cure; exit codes are a contract of the command line."""

from __future__ import annotations

import json

import pytest

from vertebro import errors


def test_an_error_prints_its_four_parts() -> None:
    error = errors.CaseError("not a gauge", where="needle[0].gauge", value=4, allowed="8 to 15", hint="take 11")
    text = str(error)
    for part in ("not a gauge", "needle[0].gauge", "4", "8 to 15", "take 11"):
        assert part in text


def test_missing_parts_leave_no_empty_lines() -> None:
    assert str(errors.DataError("no such file")) == "no such file"


def test_an_error_is_plain_json() -> None:
    error = errors.GeometryError("shape", value=(3, 4, 5))
    assert json.loads(json.dumps(error.to_dict()))["error"] == "GeometryError"


def test_a_huge_value_is_shortened() -> None:
    assert len(str(errors.DataError("labels", value="x" * 10_000))) < 400


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("CaseError", 2),
        ("GeometryError", 2),
        ("PlacementError", 2),
        ("DataError", 3),
        ("SolverError", 4),
        ("SessionError", 5),
    ],
)
def test_exit_codes_keep_their_promise(kind: str, code: int) -> None:
    assert getattr(errors, kind).exit_code == code


def test_every_error_has_the_one_root() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 8
    assert all(issubclass(kind, errors.VertebroError) for kind in kinds)


def test_solver_errors_carry_the_residual_history() -> None:
    error = errors.SolverError("no convergence", residuals=[1.0, 0.5], time=3.0, hint="smaller step")
    assert error.residuals == (1.0, 0.5)
    assert error.time == 3.0
    assert "smaller step" in str(error)


def test_a_missing_extra_says_the_exact_command() -> None:
    assert 'pip install "vertebro[movie]"' in str(errors.MissingExtra("imageio_ffmpeg", "movie", "a film"))
