"""A constant is a float that knows its unit, range and source."""

from __future__ import annotations

import copy
import pickle

import pytest

from vertebro.sources import Constant


def _constant() -> Constant:
    return Constant(0.05, "Pa.s", 0.04, 0.15, "zhong2011", "seen", "marrow")


def test_a_constant_calculates_like_a_float() -> None:
    assert _constant() * 2 == 0.1
    assert type(_constant() * 2) is float


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copied_constant_keeps_what_it_knows(copied) -> None:
    twin = copied(_constant())
    assert (twin, twin.unit, twin.source, twin.low, twin.high, twin.note) == (
        0.05,
        "Pa.s",
        "zhong2011",
        0.04,
        0.15,
        "marrow",
    )


def test_a_constant_outside_its_own_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside its own range"):
        Constant(1.0, "Pa.s", 0.04, 0.15, "zhong2011", "seen")


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown source key"):
        Constant(0.05, "Pa.s", 0.04, 0.15, "nobody1900", "seen")
