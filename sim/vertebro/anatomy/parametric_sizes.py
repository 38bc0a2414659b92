"""The sizes of one patient: published means, drawn variation, and what the case overrides by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from vertebro.anatomy.parametric_dimensions import (
    NAMES,
    ORDER,
    Dimensions,
    Published,
    Sex,
    dimensions,
    published,
)

COMMON, ALONG, OWN = 0.50, 0.30, 0.20  # shares of the variance: whole body, one dimension along the spine, one bone
LARGEST = 2.5  # standard deviations that are drawn at most


def patient_sizes(
    *, sex: Sex, stature: float | None, seed: int, size_variation: float, overrides: Mapping[str, float]
) -> dict[str, Dimensions]:
    """Dimensions of every vertebra of a patient, from the top.

    Parameters
    ----------
    size_variation : float [1]
        Standard deviations drawn by the seed: 0 gives the means. Lengths share a factor of the whole body and one per
        dimension, so that a large man has large pedicles and neighbours resemble each other.
    overrides : mapping of str to float
        SI values by name, ``"L1.pedicle_width"``; already checked by `override_complaint`.
    """
    sizes = {level: dimensions(level, sex=sex, stature=stature) for level in ORDER}
    if size_variation > 0:
        sizes = _vary(sizes, seed, size_variation)
    for key, value in overrides.items():
        level, name = key.split(".")
        change: dict[str, Any] = {name: float(value)}
        sizes[level] = replace(sizes[level], **change)
    return sizes


def _vary(sizes: dict[str, Dimensions], seed: int, size_variation: float) -> dict[str, Dimensions]:
    """All numbers are drawn in one order, so a patient does not depend on the level asked for."""
    random = np.random.default_rng([seed, 31])
    common = float(random.standard_normal())
    along = random.standard_normal(len(NAMES))
    own = random.standard_normal((len(ORDER), len(NAMES)))
    varied = {}
    for i, level in enumerate(ORDER):
        changes: dict[str, Any] = {}
        for j, name in enumerate(NAMES):
            known = published(level, name)
            parts = np.sqrt([COMMON, ALONG, OWN]) * [common, along[j], own[i, j]]
            if known.unit != "m":  # angles know nothing of the body's size
                parts = np.sqrt([ALONG / (ALONG + OWN), OWN / (ALONG + OWN)]) * [along[j], own[i, j]]
            step = size_variation * float(np.clip(parts.sum(), -LARGEST, LARGEST)) * known.sd
            changes[name] = _kept(getattr(sizes[level], name) + step, known)
        varied[level] = replace(sizes[level], **changes)
    return varied


def _kept(value: float, known: Published) -> float:
    """Nothing grows where the mean is nothing (uncinate processes); the rest stays where overrides may lie."""
    if known.mean == 0.0 and known.unit != "rad":
        return 0.0
    return float(np.clip(value, known.low, known.high))


def qualified(level: str, overrides: Mapping[str, float]) -> dict[str, float]:
    """Overrides with their level in the name: a bare name means the level of the spec."""
    return {key if "." in key else f"{level}.{key}": value for key, value in overrides.items()}


def override_complaint(level: str, key: str, value: float) -> str:
    """What is wrong with an override, or nothing."""
    where, _, name = key.rpartition(".")
    where = where or level
    if where not in ORDER:
        return f"dimensions[{key!r}]: level {where!r} ({', '.join(ORDER)})"
    if name not in NAMES:
        return f"dimensions[{key!r}]: no such dimension ({', '.join(NAMES)})"
    known = published(where, name)
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if numeric and known.low <= value <= known.high:
        return ""
    return (
        f"dimensions[{key!r}] = {value!r} ({known.low:.4g} to {known.high:.4g} {known.unit}: mean {known.mean:.4g} "
        f"± 4 SD, {known.source}; give SI units or leave it out)"
    )
