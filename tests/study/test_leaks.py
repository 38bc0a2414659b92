"""Probabilities of leaks against counts done by hand and laws that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vertebro.errors import CaseError
from vertebro.study import Study, best_wait, dose_response, leak_curve, leak_shares, safe_volume, sobol_indices
from vertebro.study.designs import problem
from vertebro.study.member import KINDS
from vertebro.view import draw_study

NAN = float("nan")


def table(at: list[float], end: list[float] | float = 6.0, kind: str = "canal", **more: Any) -> pd.DataFrame:
    """Members that leak `kind` at these volumes (NaN: not at all)."""
    rows = pd.DataFrame({"status": "finished", "volume_injected_ml": end, "number": range(len(at))})
    for name in KINDS:
        rows[f"leak_{name}_at_ml"] = at if name == kind else NAN
        rows[f"leak_{name}_ml"] = [0.1 if np.isfinite(x) else 0.0 for x in at] if name == kind else 0.0
    rows["leak_ml"] = rows[f"leak_{kind}_ml"]
    return rows.assign(**more)


def test_kaplan_meier_counts_censored_members_up_to_their_end() -> None:
    """1, 2, (3), 4 of five with one censored at 3 and one at 6: S = 4/5, 3/5, then of two at risk one goes: 3/10."""
    curve = leak_curve(table([1.0, 2.0, NAN, 4.0, NAN], end=[6, 6, 3, 6, 6]), "canal")
    np.testing.assert_array_equal(curve.volume, [0, 1, 2, 3, 4, 6])
    np.testing.assert_allclose(curve.probability, [0, 0.2, 0.4, 0.4, 0.7, 0.7])
    np.testing.assert_array_equal(curve.at_risk, [5, 5, 4, 3, 2, 1])
    assert (curve.members, curve.leaks) == (5, 3)
    assert curve.at(2.5)[0] == pytest.approx(0.4)


def test_the_band_meets_scipy_where_scipy_gives_one() -> None:
    from scipy import stats

    rng = np.random.default_rng(3)
    leak, end = rng.uniform(0, 10, 60), rng.uniform(2, 8, 60)
    hit = leak <= end
    curve = leak_curve(table(np.where(hit, leak, NAN).tolist(), end=end.tolist()), "canal")
    data = stats.CensoredData(uncensored=leak[hit], right=end[~hit])
    survival = stats.ecdf(data).sf
    band = survival.confidence_interval(method="log-log")
    inner = (curve.probability > 0) & (curve.probability < 1)
    np.testing.assert_allclose(1 - curve.probability, survival.evaluate(curve.volume), atol=1e-12)
    np.testing.assert_allclose(1 - curve.high[inner], band.low.evaluate(curve.volume)[inner], atol=1e-9)
    np.testing.assert_allclose(1 - curve.low[inner], band.high.evaluate(curve.volume)[inner], atol=1e-9)


def test_no_leak_in_thirty_is_no_proof_of_safety() -> None:
    """The rule of three: 0 of 30 still allows about 10 %."""
    safe = safe_volume(table([NAN] * 30), "canal", risk=0.05)
    assert safe == {"estimate_ml": 6.0, "cautious_ml": 0.0, "largest_ml": 6.0}
    curve = leak_curve(table([NAN] * 30), "canal")
    assert curve.high[-1] == pytest.approx(1 - 0.025 ** (1 / 30))
    assert safe_volume(table([NAN] * 200), "canal", risk=0.05)["cautious_ml"] == 6.0


def test_safe_volume_is_where_the_curve_meets_the_risk() -> None:
    at = [*np.linspace(2, 6, 41).tolist(), *[NAN] * 59]
    safe = safe_volume(table(at, end=7.0), "canal", risk=0.10)
    assert safe["estimate_ml"] == pytest.approx(2 + 9 * 0.1)  # the tenth of a hundred
    assert safe["cautious_ml"] < safe["estimate_ml"]


def test_small_leaks_can_be_forgiven() -> None:
    assert leak_curve(table([1.0, 2.0]), "canal", threshold=0.5).leaks == 0


def test_shares_carry_wilsons_interval() -> None:
    row = leak_shares(table([1.0] * 4 + [NAN] * 6))["canal"]
    assert row["share"] == pytest.approx(0.4)
    assert (row["low"], row["high"]) == (pytest.approx(0.168, abs=1e-3), pytest.approx(0.687, abs=1e-3))
    assert leak_shares(table([NAN] * 3))["any"]["share"] == 0


def test_the_best_wait_is_neither_too_early_nor_too_late() -> None:
    wait = np.repeat([120.0, 240.0, 360.0, 480.0], 10)
    leak = np.where(wait < 200, 1.0, NAN)
    injected = np.where(wait > 400, 2.0, 6.0)
    members = table(leak.tolist(), end=injected.tolist(), **{"cement.age_at_start": wait})
    members.loc[10:12, "leak_canal_ml"] = 0.2  # three of ten at 240 s
    found = best_wait(members, wanted=6.0)
    assert found["best"] == 360.0
    assert [row["success"] for row in found["rows"]] == pytest.approx([0, 0.7, 1, 0])
    assert [row["unfilled"] for row in found["rows"]] == [0, 0, 0, 1]


def test_a_logistic_curve_is_found_again() -> None:
    rng = np.random.default_rng(1)
    dose = rng.uniform(0, 10, 4000)
    hit = rng.random(4000) < 1 / (1 + np.exp(-(1.2 * dose - 6)))
    rows = table(np.where(hit, 1.0, NAN).tolist(), dose=dose)
    fit = dose_response(rows, "dose", "leak_canal_ml")
    assert fit.coefficients == pytest.approx([-6, 1.2], rel=0.1)
    assert fit.dose_at(0.5) == pytest.approx(5, rel=0.03)
    middle, low, high = fit.probability([5.0])
    assert low[0] < 0.5 < high[0]
    assert middle[0] == pytest.approx(0.5, abs=0.05)


def test_separated_members_still_have_a_finite_curve() -> None:
    """All leak above 4 ml and none below: the plain likelihood has no maximum."""
    dose = np.arange(8.0)
    rows = table(np.where(dose > 3.5, 1.0, NAN).tolist(), dose=dose)
    fit = dose_response(rows, "dose", "leak_canal_ml")
    assert fit.dose_at(0.5) == pytest.approx(3.5, abs=0.1)
    assert np.isfinite(fit.coefficients).all()


def ishigami() -> tuple[Study, pd.DataFrame]:
    """Three settings mapped to the angles of Ishigami's function, whose indices are known."""
    keys = ("flow.interval", "marrow.viscosity", "delivery.force")
    spans = (("1 s", "3 s"), ("1 Pa.s", "3 Pa.s"), ("10 N", "30 N"))
    vary = {key: {"low": low, "high": high} for key, (low, high) in zip(keys, spans, strict=True)}
    plan = Study.parse({"design": "sobol", "samples": 1024, "vary": vary})
    points = pd.DataFrame(plan.points())
    scale = points.max() - points.min()
    x, y, z = (np.pi * (2 * ((points[k] - points[k].min()) / scale[k]) - 1) for k in keys)
    value = np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)
    return plan, pd.DataFrame({"number": range(len(points)), "status": "finished", "y": value})


def test_sobol_indices_of_ishigamis_function() -> None:
    plan, rows = ishigami()
    found = sobol_indices(plan, rows, "y")
    assert problem(plan.axes())["names"] == list(found)
    assert [row["first"] for row in found.values()] == pytest.approx([0.314, 0.442, 0.0], abs=0.05)
    assert [row["total"] for row in found.values()] == pytest.approx([0.558, 0.442, 0.244], abs=0.05)


def test_a_failed_member_takes_its_block_out_of_the_indices() -> None:
    plan, rows = ishigami()
    some = rows.drop(index=[3, 800])
    assert sobol_indices(plan, some, "y")["flow.interval"]["first"] == pytest.approx(0.314, abs=0.06)
    with pytest.raises(CaseError, match="complete blocks"):
        sobol_indices(plan, rows[:15], "y")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rows: leak_curve(rows, "spinal"),
        lambda rows: leak_curve(rows, "canal", level=2.0),
        lambda rows: leak_curve(rows.assign(status="failed"), "canal"),
        lambda rows: leak_curve(rows, "canal").at(50.0),
        lambda rows: safe_volume(rows, risk=1.5),
        lambda rows: dose_response(rows, "volume_injected_ml", "leak_ml"),
        lambda rows: dose_response(rows, "dose", "leak_ml"),
        lambda rows: best_wait(rows, wanted=4.0),
    ],
)
def test_questions_without_an_answer_are_refused(wrong: Any) -> None:
    with pytest.raises(CaseError):
        wrong(table([1.0, 2.0, NAN]))


def test_the_figure_shows_the_logistic_fit_beside_the_curves_by_volume() -> None:
    rng = np.random.default_rng(2)
    volume = rng.uniform(1, 6, 60)
    hit = rng.random(60) < 1 / (1 + np.exp(-(2 * volume - 7)))
    rows = table(np.where(hit, volume, NAN).tolist(), end=volume.tolist())
    axes = draw_study(Study.parse({"vary": {"steps.0.volume": {"values": ["1 ml", "2 ml"]}}}), rows).axes[2]
    fit = dose_response(rows, "volume_injected_ml", "leak_ml")
    x, y = axes.lines[-1].get_data()
    np.testing.assert_allclose(y, 100 * fit.probability(x)[0])
    assert axes.get_legend_handles_labels()[1] == [f"logistic ({fit.events} of 60 leak)"]
    assert len(axes.collections) == 1  # the band
    same = draw_study(Study.parse({"vary": {"steps.0.volume": {"values": ["1 ml", "2 ml"]}}}), table([1.0, NAN, 2.0]))
    assert "several volumes" in same.axes[2].texts[0].get_text()
