"""From metrics to points, by the rules of the rubric.

Gates before points: a critical error and the case is not passed, whatever the points. A rule that cannot apply is
taken out and the rest is rescaled.

>>> explain("rule.C3")["meaning"]
'Wall rule'
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.errors import CaseError
from vertebro.sources import SOURCES
from vertebro.training.log import Line
from vertebro.training.metrics import METRICS, Metrics, measure
from vertebro.training.rubric import Gate, Rubric, Rule, load_rubric

CAP = 49.0  # points shown with a critical error
PASS, GOOD = 60.0, 80.0  # points
LEAST, FIRM = 0.5, 0.7  # share of every domain, to be competent and to be proficient
LABEL_WORDS = (
    f"Levels: critical error; not yet (below {PASS:.0f} points, or less than half of a domain); competent in this case "
    f"({PASS:.0f} points and half of every domain: could do it with a teacher at the table); proficient "
    f"({GOOD:.0f} points and {FIRM:.0%} of every domain: with a teacher within call). Mastery learning wants "
    "proficient twice in a row, on different patients; one run proves nothing. Draft of ours, unvalidated."
)


def score(lines: Sequence[Line], rubric: Rubric | None = None) -> dict[str, Any]:
    """What a session was worth, from its log.

    Returns
    -------
    dict
        ``points`` (0 to 100, capped at 49 with a critical error), ``raw_points, label, critical, domains, rules,
        metrics, rubric``. Plain JSON values.
    """
    rubric = rubric or load_rubric()
    metrics, asked = measure(lines), lines[0].get("rules")
    rows = [_row(rule, metrics) for rule in rubric.rules if not asked or rule.id in asked]
    critical = [
        {"id": gate.id, "text": gate.text, "metric": gate.metric, "value": metrics[gate.metric], "above": gate.above}
        for gate in rubric.critical
        if metrics[gate.metric] is not None and metrics[gate.metric] > gate.above
    ]
    domains = {key: _domain(rubric, key, rows) for key in rubric.domains}
    possible = sum(row["possible"] for row in rows)
    raw = 100.0 * sum(row["points"] for row in rows) / possible if possible else 0.0
    return {
        "points": round(min(raw, CAP) if critical else raw, 6),
        "raw_points": round(raw, 6),
        "label": _label(raw, critical, domains),
        "critical": critical,
        "domains": domains,
        "rules": rows,
        "metrics": metrics,
        "rubric": {"version": rubric.version, "status": rubric.status, "digest": rubric.digest},
    }


def _row(rule: Rule, metrics: Metrics) -> dict[str, Any]:
    values = [metrics[band.metric] for band in rule.bands]
    row: dict[str, Any] = {"id": rule.id, "title": rule.title, "values": dict(zip(_names(rule), values, strict=True))}
    if any(value is None for value in values):
        skip = rule.missing == "skip"
        return row | {
            "share": None if skip else 0.0,
            "points": 0.0,
            "possible": 0.0 if skip else rule.points,
            "say": "Does not apply to this run." if skip else "Not done, so it could not be measured.",
            "do": rule.do,
        }
    shares = [band.score(float(value)) for band, value in zip(rule.bands, values, strict=True)]
    share = min(shares) if rule.combine == "least" else sum(shares) / len(shares)
    return row | {
        "share": share,
        "points": rule.points * share,
        "possible": rule.points,
        "say": _say(rule.say, metrics),
        "do": rule.do,
    }


def _names(rule: Rule) -> list[str]:
    return [band.metric for band in rule.bands]


def _say(text: str, metrics: Metrics) -> str:
    """The rule's sentence with its numbers; a number that is missing is said to be."""
    known = {name: (float("nan") if value is None else value) for name, value in metrics.items()}
    return text.format(**known).replace("nan", "unknown")


def _domain(rubric: Rubric, key: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in rows if row["id"].startswith(key)]
    possible, points = sum(row["possible"] for row in own), sum(row["points"] for row in own)
    return {
        "name": rubric.domains[key].name,
        "points": points,
        "possible": possible,
        "share": points / possible if possible else None,
    }


def _label(raw: float, critical: Sequence[Any], domains: dict[str, Any]) -> str:
    if critical:
        return "critical error"
    weak = any(found["share"] is not None and found["share"] < LEAST for found in domains.values())
    if raw < PASS or weak:
        return "not yet"
    firm = all(found["share"] is None or found["share"] >= FIRM for found in domains.values())
    return "proficient in this run" if raw >= GOOD and firm else "competent in this case"


def explain(key: str) -> dict[str, Any]:
    """A rule (``rule.C3``), a critical error (``rule.K4``) or a metric (``metric.N5``) in plain words.

    Raises
    ------
    CaseError
        If there is none of that name.
    """
    head, _, name = key.partition(".")
    rubric = load_rubric()
    if head == "metric":
        if name not in METRICS:
            raise CaseError("no such metric", where="explain", value=key, allowed=", ".join(METRICS))
        users = [rule.id for rule in rubric.rules if name in _names(rule)]
        users += [gate.id for gate in rubric.critical if gate.metric == name]
        return {"key": key, "meaning": METRICS[name], "rules": users}
    entry = rubric.rule(name)
    status = {"status": rubric.status, "sources": [SOURCES[source].text for source in entry.sources]}
    if isinstance(entry, Gate):
        formula = f"{entry.metric} > {entry.above:g}: {METRICS[entry.metric]}"
        return {"key": key, "meaning": entry.text, "formula": formula, "effect": f"capped at {CAP:g} points"} | status
    bands = [
        {
            "metric": band.metric,
            "meaning": METRICS[band.metric],
            "full": f"full at {band.full}",
            "none": f"none at {band.none}",
        }
        for band in entry.bands
    ]
    facts = {"key": key, "meaning": entry.title, "points": entry.points, "combine": entry.combine, "bands": bands}
    return facts | {"missing": entry.missing, "advice": entry.do} | status
