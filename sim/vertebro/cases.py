"""The case library: named, complete inputs."""

from __future__ import annotations

from typing import Any

_LEFT = {"name": "left", "side": "left", "gauge": 11}
_RIGHT = {"name": "right", "side": "right", "gauge": 11}


def _inject(needle: str, volume: str, rate: str = "3 ml/min") -> dict[str, Any]:
    return {"do": "inject", "needle": needle, "volume": volume, "rate": rate}


# an elderly woman with wide veins; marrow that resists more than a liquid (physics.md 3.4), as leaks in life suggest
_WIDE_VEINS = {"segmental_radius": "1 mm"}
_LOW = {"depth": 0.6, "lateral": "9 mm"}  # under the broken endplate
_TOUGH_MARROW = {"viscosity": "10 Pa.s"}

CASES: dict[str, dict[str, Any]] = {
    "first-injection": {
        "title": "First injection: osteoporotic L1, one left transpedicular needle, 5 ml",
        "anatomy": _WIDE_VEINS,
        "marrow": {"viscosity": "1 Pa.s"},
        "needles": [_LEFT],
        "steps": [_inject("left", "5 ml")],
    },
    "two-needles": {
        "title": "Osteoporotic L1, both pedicles, 2.5 ml each",
        "needles": [_LEFT | {"lateral": "9 mm"}, _RIGHT | {"lateral": "9 mm"}],
        "steps": [_inject("left", "2.5 ml"), {"do": "wait", "duration": "20 s"}, _inject("right", "2.5 ml")],
    },
    "runny-cement": {
        "title": "Too early: low-viscosity cement two minutes after mixing, wide veins",
        "anatomy": _WIDE_VEINS,
        "marrow": _TOUGH_MARROW,
        "cement": {"preset": "generic-low", "age_at_start": "2 min"},
        "needles": [_LEFT],
        "steps": [_inject("left", "4 ml", "6 ml/min")],
    },
    "thick-cement": {
        "title": "The same vertebra, high-viscosity cement through a thin cannula",
        "anatomy": _WIDE_VEINS,
        "marrow": _TOUGH_MARROW,
        "cement": {"preset": "generic-high", "age_at_start": "7 min"},
        "needles": [{**_LEFT, "gauge": 13}],
        "steps": [_inject("left", "4 ml")],
    },
    "pause-and-withdraw": {
        "title": "Half the cement, a pause that lets the front cure, the other half, and the needle out in time",
        "needles": [_LEFT],
        "steps": [
            _inject("left", "2 ml"),
            {"do": "wait", "duration": "45 s", "release": True},
            _inject("left", "1.5 ml", "2 ml/min"),
            {"do": "wait", "duration": "90 s", "release": True},
            {"do": "withdraw", "needle": "left"},
        ],
    },
    "soft-syringe": {
        "title": "A 5 ml syringe with air in it, pushed by force: the cement goes on flowing while the hand rests",
        "anatomy": _WIDE_VEINS,
        "delivery": {"syringe": 5, "compliance": "0.5 ml/MPa"},
        "needles": [_LEFT],
        "steps": [
            {"do": "inject", "needle": "left", "volume": "3 ml", "control": "force", "force": "30 N"},
            {"do": "wait", "duration": "20 s"},
        ],
    },
    "large-volume": {
        "title": "Eight millilitres into an osteoporotic L1",
        "needles": [_LEFT],
        "steps": [_inject("left", "8 ml")],
    },
    "young-bone": {
        "title": "Dense bone (BV/TV 0.18), 3 ml",
        "anatomy": {"bone_fraction": 0.18},
        "needles": [_LEFT],
        "steps": [_inject("left", "3 ml")],
    },
    "sacroplasty": {
        "title": "Osteoporotic sacrum, both alae from behind, 2.5 ml each",
        "anatomy": {"level": "S1", "spacing": "1.4 mm", "bone_fraction": 0.10},
        "needles": [
            {"name": "left", "approach": "short-axis", "side": "left", "gauge": 13},
            {"name": "right", "approach": "short-axis", "side": "right", "gauge": 13},
        ],
        "steps": [_inject("left", "2.5 ml"), _inject("right", "2.5 ml")],
        "imaging": {"field": "240 mm"},
    },
    "acetabulum": {
        "title": "Left hip bone, one needle from the side into the roof of the acetabulum, 6 ml",
        "anatomy": {"level": "HIP_L", "spacing": "1.4 mm"},
        "needles": [{"name": "left", "approach": "acetabular", "side": "left", "gauge": 11, "depth": 0.5}],
        "steps": [_inject("left", "6 ml")],
        "imaging": {"field": "240 mm"},
    },
    "osteoporotic-wedge": {
        "title": "Acute wedge fracture of L1 (Genant 2), both pedicles, 2 ml each",
        "anatomy": {"pathology": [{"kind": "wedge", "grade": 2}]},
        "needles": [_LEFT | _LOW, _RIGHT | _LOW],
        "steps": [_inject("left", "2 ml"), {"do": "wait", "duration": "20 s"}, _inject("right", "2 ml")],
    },
    "endplate-crack": {
        "title": "Wedge fracture with a cracked upper endplate: cement finds the disc",
        "anatomy": {
            "pathology": [{"kind": "wedge", "grade": 1}, {"kind": "endplate-crack", "width": "0.8 mm"}],
        },
        "marrow": {"viscosity": "1 Pa.s"},
        "needles": [_LEFT],
        "steps": [_inject("left", "4 ml")],
    },
    "kummell-cleft": {
        "title": "Kuemmell's disease: a gas-filled cleft open to the front fills first, then leaks",
        "anatomy": {
            "pathology": [
                {"kind": "wedge", "grade": 2},
                {"kind": "cleft", "opening": "anterior", "front": 0.45},
            ],
        },
        "marrow": {"viscosity": "1 Pa.s"},
        "needles": [_LEFT],
        "steps": [_inject("left", "4 ml")],
    },
    "lytic-metastasis": {
        "title": "Lytic metastasis that has eaten the left wall: cement leaves through the hole",
        "anatomy": {
            "pathology": [
                {"kind": "metastasis", "right": -0.45, "front": 0.2, "breach": "left", "flow_factor": 0.8},
            ],
        },
        "marrow": {"viscosity": "1 Pa.s"},
        "cement": {"preset": "generic-high", "age_at_start": "5 min"},
        "needles": [_LEFT | {"depth": 0.6, "lateral": "8 mm"}],
        "steps": [_inject("left", "4 ml")],
    },
    "haemangioma": {
        "title": "Haemangioma: thick trabeculae, a blood lake and wide draining veins, slow injection",
        "anatomy": {"pathology": [{"kind": "haemangioma"}]},
        "needles": [_LEFT],
        "steps": [_inject("left", "5 ml", "2 ml/min")],
    },
    "vertebra-plana": {
        "title": "Vertebra plana of L1: thin needles through both pedicles, 1 ml each, slowly",
        "anatomy": {"pathology": [{"kind": "plana"}]},
        "needles": [
            {**_LEFT, "gauge": 13, "depth": 0.6, "lateral": "8 mm"},
            {**_RIGHT, "gauge": 13, "depth": 0.6, "lateral": "8 mm"},
        ],
        "steps": [_inject("left", "1 ml", "1.5 ml/min"), _inject("right", "1 ml", "1.5 ml/min")],
    },
    "sacral-fracture": {
        "title": "Insufficiency fracture of the sacrum (H type), both alae from behind, 2.5 ml each",
        "anatomy": {
            "level": "S1",
            "spacing": "1.4 mm",
            "bone_fraction": 0.10,
            "pathology": [{"kind": "sacral-fracture"}],
        },
        "needles": [
            {"name": "left", "approach": "short-axis", "side": "left", "gauge": 13},
            {"name": "right", "approach": "short-axis", "side": "right", "gauge": 13},
        ],
        "steps": [_inject("left", "2.5 ml"), _inject("right", "2.5 ml")],
        "imaging": {"field": "240 mm"},
    },
}
