"""Designs: from settings with values or ranges to the points of a study."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from vertebro.errors import MissingExtra

Point = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One varied setting.

    Attributes
    ----------
    key : str
        Dotted case key.
    values : tuple
        The values, or empty for a range.
    weights : tuple of float
        How often each value comes, relative to the others; empty = equally often.
    low, high : float
        Range in SI.
    log : bool
        Even in the logarithm.
    median, sigma : float
        Of a bell over the range, cut at its ends: standard deviation as a share of the median, of the logarithm with
        `log`; sigma 0 = even.
    whole : bool
        Whole numbers only, both ends included.
    """

    key: str
    values: tuple[Any, ...] = ()
    weights: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    median: float = 0.0
    sigma: float = 0.0

    def at(self, u: float) -> Any:
        """Value at a place 0…1 of the axis."""
        if self.values:
            shares = np.cumsum(self.weights or [1.0] * len(self.values))
            return self.values[min(int(np.searchsorted(shares, u * shares[-1], side="right")), len(shares) - 1)]
        if self.sigma:
            return self._bell(u)
        if self.whole:
            return int(min(self.low + np.floor(u * (self.high - self.low + 1)), self.high))
        if self.log:
            return float(self.low * (self.high / self.low) ** u)
        return float(self.low + u * (self.high - self.low))

    def _bell(self, u: float) -> float:
        """A (log-)normal quantile between the ends."""
        centre = np.log(self.median) if self.log else self.median
        spread = self.sigma if self.log else self.sigma * abs(self.median)
        ends = np.log([self.low, self.high]) if self.log else np.array([self.low, self.high])
        first, last = ndtr((ends - centre) / spread)
        found = centre + spread * ndtri(first + u * (last - first))
        return float(np.clip(np.exp(found) if self.log else found, self.low, self.high))


def grid(axes: list[Axis]) -> list[Point]:
    """Every combination of the values; the last axis runs fastest."""
    return [dict(zip([a.key for a in axes], row, strict=True)) for row in itertools.product(*(a.values for a in axes))]


def together(axes: list[Axis]) -> list[Point]:
    """The first values together, then the second ones …"""
    if not axes:
        return [{}]
    return [dict(zip([a.key for a in axes], row, strict=True)) for row in zip(*(a.values for a in axes), strict=True)]


def latin_hypercube(axes: list[Axis], samples: int, seed: int) -> list[Point]:
    """Each axis cut into `samples` slices, each slice met once; made even by random exchanges (mckay1979)."""
    if not axes:
        return [{}] * samples
    sampler = qmc.LatinHypercube(len(axes), rng=np.random.default_rng(seed), optimization="random-cd")
    return _points(axes, sampler.random(samples))


def saltelli(axes: list[Axis], samples: int, seed: int) -> list[Point]:
    """Saltelli's extension of a Sobol sequence: samples × (settings + 2) points (saltelli2010).

    Raises
    ------
    MissingExtra
        Without SALib.
    """
    try:
        from SALib.sample import sobol
    except ImportError:
        raise MissingExtra("SALib", "study", "a Sobol design") from None
    unit = sobol.sample(problem(axes), samples, calc_second_order=False, seed=seed)
    return _points(axes, np.asarray(unit, float))


def problem(axes: list[Axis]) -> dict[str, Any]:
    """SALib's description of the axes on the unit cube."""
    return {"num_vars": len(axes), "names": [a.key for a in axes], "bounds": [[0.0, 1.0]] * len(axes)}


def _points(axes: list[Axis], unit: NDArray[np.float64]) -> list[Point]:
    return [{axis.key: axis.at(float(u)) for axis, u in zip(axes, row, strict=True)} for row in unit]
