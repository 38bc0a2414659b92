"""Logistic dose-response over members, with Firth's correction so that separated data stay finite (firth1993)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from vertebro.errors import CaseError, SolverError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_ROUNDS = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class DoseResponse:
    """logit P = intercept + slope · x, x the dose or its logarithm.

    Attributes
    ----------
    coefficients : (2,) float
        Intercept, slope.
    covariance : (2, 2) float
        Of the coefficients.
    log : bool
        x is ln(dose).
    members, events : int
    """

    coefficients: Floats
    covariance: Floats
    log: bool
    members: int
    events: int

    def probability(self, dose: ArrayLike, *, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
        """P at doses, with the Wald band of the linear predictor."""
        x = np.atleast_1d(np.asarray(dose, float))
        design = np.column_stack([np.ones_like(x), np.log(x) if self.log else x])
        centre = design @ self.coefficients
        spread = stats.norm.ppf(0.5 + level / 2) * np.sqrt(np.einsum("ij,jk,ik->i", design, self.covariance, design))
        return _expit(centre), _expit(centre - spread), _expit(centre + spread)

    def dose_at(self, probability: float) -> float:
        """Dose with that probability (0.5: the median dose)."""
        x = (np.log(probability / (1 - probability)) - self.coefficients[0]) / self.coefficients[1]
        return float(np.exp(x) if self.log else x)


def dose_response(
    table: pd.DataFrame, dose: str, outcome: str, *, threshold: float = 0.0, log: bool = False
) -> DoseResponse:
    """Fit P(outcome > threshold) against a dose over the finished members.

    Parameters
    ----------
    table : DataFrame
        From `load_table`.
    dose : str
        Column of the dose, e.g. ``"volume_injected_ml"``.
    outcome : str
        Column of the outcome, e.g. ``"leak_canal_ml"``.
    threshold : float
        In the outcome's unit.
    log : bool
        Use the logarithm of the dose.

    Raises
    ------
    CaseError
        If a column is missing, or the dose does not vary.
    SolverError
        If the fit does not settle.
    """
    rows = table[table["status"] == "finished"]
    for name in (dose, outcome):
        if name not in rows:
            raise CaseError("no such column", where="table", value=name, allowed=", ".join(map(str, rows.columns)))
    x, y = rows[dose].to_numpy(float), (rows[outcome].to_numpy(float) > threshold).astype(float)
    if len(x) < 3 or np.ptp(x) == 0 or (log and x.min() <= 0):
        raise CaseError("a dose that does not vary", where=dose, value=f"{len(x)} members", allowed="several doses > 0")
    design = np.column_stack([np.ones_like(x), np.log(x) if log else x])
    coefficients, covariance = firth(design, y)
    return DoseResponse(coefficients=coefficients, covariance=covariance, log=log, members=len(x), events=int(y.sum()))


def firth(design: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """Maximum of the logistic likelihood times Jeffreys' prior: coefficients and covariance (firth1993).

    Parameters
    ----------
    design : (n, p) float
    outcome : (n,) float of 0 and 1

    Raises
    ------
    SolverError
        If Newton's method does not settle.
    """
    beta = np.zeros(design.shape[1])
    for _ in range(_ROUNDS):
        p = _expit(design @ beta)
        weight = p * (1 - p)
        information = np.linalg.inv(design.T @ (weight[:, None] * design))
        leverage = weight * np.einsum("ij,jk,ik->i", design, information, design)
        step = information @ (design.T @ (outcome - p + leverage * (0.5 - p)))
        scale = min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + scale * step
        if float(np.abs(step).max()) < 1e-8 * (1 + float(np.abs(beta).max())):
            return beta, np.asarray(information)
    raise SolverError("the logistic fit does not settle", where="dose_response", hint="is the outcome all one value?")


def _expit(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700, 700))))
