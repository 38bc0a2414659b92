"""All metrics of a session, computed from its log and nothing else (dictionary: `METRICS`).

A metric that could not be measured is None. Same log, same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line, actions, events
from vertebro.training.metrics_contrast import contrast_metrics
from vertebro.training.metrics_imaging import imaging_metrics
from vertebro.training.metrics_injection import injection_metrics
from vertebro.training.metrics_needle import needle_metrics
from vertebro.training.metrics_reaction import reaction_metrics
from vertebro.training.metrics_result import result_metrics

Metrics = dict[str, Any]

METRICS: dict[str, str] = {
    "A1": "share of the questions on indication and timing answered rightly",
    "A2": "share of laboratory, drug, allergy and antibiotic points that were done",
    "A3": "1 if the level was confirmed with a picture on display",
    "G2": "1 with a control CT and a report, half with one of them",
    "G3": "share of the orders for afterwards that were given",
    "I1_ap": "squareness of the last AP before the first skin puncture, 0 to 1; 0 without one",
    "I1_lateral": "the same of the lateral",
    "I2_beam_s": "beam-on time [s]",
    "I2_dap": "dose-area product [Gy.cm2]",
    "I2_index": "dose-area product over the case's reference",
    "I2_kerma_mgy": "air kerma at the reference point [mGy]",
    "I2_dlp": "dose-length product of CT [mGy.cm]",
    "I3": "opened share of the full field, weighted with time",
    "I4": "share of beam-on time without anything new for more than 2 s",
    "I5": "seconds with the hand in the beam",
    "I6": "longest advance in bone or near a no-go volume without a lateral picture [mm]",
    "I7": "largest volume injected in one go without a picture younger than 1 s [ml]",
    "B3": "share of decision points (posterior wall, injection, end) with two fresh planes",
    "N1": "distance of the bone contact from the planned one [mm], worst needle",
    "N2": "distance of the tip from its target [mm], worst needle",
    "N3": "angle between needle and plan [deg], worst needle",
    "N4": "deepest breach [mm], worst needle",
    "N4_grade": "Gertzbein-Robbins grade, worst needle",
    "N4_heary": "Heary grade, worst needle",
    "N5": "how far past the posterior wall the tip was when it crossed the pedicle's medial line [mm], worst needle",
    "N6": "redirections and extra punctures of the cortex",
    "N7_s": "seconds of the tip in no-go volumes",
    "N8": "bone left in front of the tip [mm], worst needle",
    "N9": "largest levering moment [N.m]",
    "N10": "share of contacts with bone that were numb",
    "K3_mm": "deepest intrusion into canal or foramen, or way through a great vessel or lung [mm]",
    "X1": "contrast tests before cement that were seen: 1 on a subtracted picture, half among the bones",
    "X2": "1 if no test showed a direct outflow that was ignored; half for cement in the thicker half of its window",
    "C1_age": "age of the cement when the injection began [s]",
    "C1_state": "what an operator would call it",
    "C1_outside": "distance from the working window over the missed limit; 0 inside",
    "C2_p95": "rate below which 95 % of the cement went in [ml/min]",
    "C2_index": "that rate over the case's limit",
    "C2_peak_kpa": "highest syringe pressure [kPa]",
    "C3_ml": "volume injected [ml]",
    "C4": "share of the cement that went in while a picture was at most 1 s old",
    "C4_lateral": "the same with a lateral picture",
    "C5": "looks at AP during the injection per millilitre",
    "C6": "cement past the line of the posterior quarter when the injection stopped [mm]; negative is before it",
    "C7": "1 for a withdrawal at the right state, without a tail, after all needles were injected; thirds",
    "R1": "cement in the body over the body's volume",
    "R1_ml": "cement in the body [ml]",
    "R1_gap": "distance of the filling from the case's window; 0 inside, 1 at half below or half above it",
    "R2": "smaller over larger half",
    "R3": "case's goal: both endplates touched, or share of cement in the front half",
    "R6": "leak burden: volumes [ml] times weight",
    "R7_canal": "largest share of the canal's section",
    "R7_embolic_ml": "cement beyond the segmental veins [ml]",
    "L2": "leaked before it could be seen [ml], all leaks that became visible, and those that never did",
    "L3": "seconds from visible to stop, worst leak",
    "L4": "injected from visible to stop [ml], worst leak",
    "L5": "leak drill: stop, 30 s, a picture; thirds",
    "L6": "stops of more than 10 s without a leak below the window",
    "L7": "agreement of the leaks reported with those there were",
    "K1": "1 for a wrong answer to a question on level or side",
    "K2": "1 for treating who should not be treated",
    "K4": "1 if injected on after a grave leak could be seen",
    "K7": "1 for a large embolic load or a too large total",
    "K8_s": "seconds injected with alarming vital signs or new leg pain",
    "K9": "1 if a required item was left out",
    "time_s": "length of the session [s]",
    "phase_s": "seconds in each phase",
}


def measure(lines: Sequence[Line]) -> Metrics:
    """All metrics of a log.

    Parameters
    ----------
    lines : sequence of dict
        From `Log.lines` or `read_log`; a session that was cut off has no result and no leaks.
    """
    found = (
        _preparation(lines)
        | imaging_metrics(lines)
        | needle_metrics(lines)
        | contrast_metrics(lines)
        | injection_metrics(lines)
        | reaction_metrics(lines)
        | result_metrics(lines)
        | _times(lines)
    )
    return {name: found.get(name) for name in METRICS}


def _preparation(lines: Sequence[Line]) -> Metrics:
    start = lines[0]
    answers = {line["question"]: line["right"] for line in events(lines, "answered")}
    ticked = {line["item"]: line["pictures"] for line in events(lines, "checked")}

    def share(rule: str) -> float | None:
        points = [answers.get(q["id"], False) for q in start["questions"] if q["rule"] == rule]
        points += [item["id"] in ticked for item in start["checklist"] if item["rule"] == rule]
        return sum(points) / len(points) if points else None

    def wrong(rule: str) -> float:
        asked = [q["id"] for q in start["questions"] if q["critical"] == rule]
        treated = next(actions(lines, "inject"), None) is not None
        return float(treated and any(not answers.get(question, False) for question in asked))

    levels = [item["id"] for item in start["checklist"] if item["rule"] == "A3"]
    required = [item["id"] for item in start["checklist"] if item["rule"] == "K9"]
    scanned = any(line["after_cement"] for line in events(lines, "ct"))
    reported = next(events(lines, "leaks reported"), None) is not None
    return {
        "A1": share("A1"),
        "A2": share("A2"),
        "A3": float(all(bool(ticked.get(name)) for name in levels)) if levels else None,
        "G2": 0.5 * scanned + 0.5 * reported,
        "G3": share("G3"),
        "K1": wrong("K1"),
        "K2": wrong("K2"),
        "K9": float(any(name not in ticked for name in required)),
    }


def _times(lines: Sequence[Line]) -> Metrics:
    marks = {"plan": 0.0}
    for name, kinds in (
        ("set-up", ("arm", "pedal", "expose")),
        ("access", ("place",)),
        ("contrast", ("contrast",)),
        ("cement", ("mix",)),
        ("finish", ("withdraw",)),
    ):
        first = next(actions(lines, *kinds), None)
        if first is not None:
            marks[name] = first["t"]
    end = lines[-1]["t"]
    order = sorted(marks, key=lambda name: marks[name])
    ends = [marks[name] for name in order[1:]] + [end]
    return {"time_s": end, "phase_s": {name: stop - marks[name] for name, stop in zip(order, ends, strict=True)}}
