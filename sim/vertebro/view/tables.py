"""Tables of the report: parameters with range and source, needles, leaks, dose, events, sources, provenance."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from vertebro.case_text import quantity_of
from vertebro.sources import SOURCES, Source
from vertebro.view import words

if TYPE_CHECKING:
    from vertebro.record import Run

Row = dict[str, str]
ALWAYS_CITED = ("baroud2004", "yeom2003")
_ELSEWHERE = ("title", "schema_version")
_UNITS = (
    ("_ml_min", "mL/min"),
    ("_mm2", "mm²"),
    ("_mm", "mm"),
    ("_ml", "mL"),
    ("_kpa", "kPa"),
    ("_pa_s", "Pa·s"),
    ("_pa", "Pa"),
    ("_s", "s"),
)
_DOSE_BY_PHASE = ("frames", "dap_gy_cm2", "reference_kerma_mgy")


def parameter_groups(run: Run) -> list[dict[str, Any]]:
    """The whole input by section; each row says name, value, allowed range, source and meaning."""
    groups: list[dict[str, Any]] = [{"title": "case", "key": "case", "rows": []}]
    for name, info in type(run.case).model_fields.items():
        value = getattr(run.case, name)
        records = value if isinstance(value, tuple) else (value,)
        if name in _ELSEWHERE:
            continue
        if not records or not isinstance(records[0], BaseModel):
            groups[0]["rows"] += _parameters(name, value, info)
            continue
        for i, record in enumerate(records):
            title = f"{name} {i + 1}" if len(records) > 1 else name
            fields = type(record).model_fields.items()
            rows = [row for key, field in fields for row in _parameters(key, getattr(record, key), field)]
            key = f"{name} {i + 1}" if isinstance(value, tuple) else name
            groups.append({"title": words.readable(title), "key": words.readable(key), "rows": rows})
    return groups


def _parameters(name: str, value: Any, info: Any) -> list[Row]:
    """One row; of a record within a record one row per field."""
    records = value if isinstance(value, tuple) else (value,)
    if not records or not isinstance(records[0], BaseModel):
        return [_parameter(name, value, info)]
    rows = []
    for i, record in enumerate(records):
        head = f"{name} {i + 1}" if isinstance(value, tuple) else name
        for key, field in type(record).model_fields.items():
            rows += _parameters(f"{head}, {key}", getattr(record, key), field)
    return rows


def _parameter(name: str, value: Any, info: Any) -> Row:
    quantity = quantity_of(info)
    known = quantity is not None and value is not None
    text = _pretty(quantity.write(value)) if known and quantity is not None else _plain(value)
    return {
        "name": words.readable(name),
        "value": text,
        "range": _pretty(quantity.allowed) if quantity is not None else "",
        "source": quantity.source if quantity is not None else "",
        "mark": "default" if not info.is_required() and value == info.get_default() else "set",
        "meaning": " ".join((info.description or "").split()),
    }


def _pretty(quantity: str) -> str:
    """Units as people write them: ``0.05 Pa.s`` → ``0.05 Pa·s``."""
    number, _, unit = quantity.rpartition(" ")
    written = {"1": "", "degC": "°C", "ml": "mL", "ml/min": "mL/min", "ml/s": "mL/s", "m^3/s": "m³/s", "m^2": "m²"}
    return f"{number} {written.get(unit, unit.replace('.', '·').replace('^3', '³'))}".strip()


def _plain(value: Any) -> str:
    if value is None or value in ("", ()):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(part if isinstance(part, str) else f"{part:g}" for part in value)
    return str(value)


def cement_rows(run: Run) -> list[Row]:
    """The cement card: every constant with range, source and how it is known."""
    return [
        {
            "name": words.readable(key),
            "value": _pretty(f"{float(constant):.4g} {constant.unit}"),
            "range": f"{constant.low:.4g} to {constant.high:.4g}",
            "source": constant.source,
            "mark": constant.mark,
            "meaning": constant.note,
        }
        for key, constant in run.scene.cement.rows()
    ]


def needle_rows(run: Run) -> list[Row]:
    """Where each needle lies and what it breaches."""
    gauges = {needle.name: needle.gauge for needle in run.scene.needles}
    rows = []
    for placement in run.scene.placements:
        found = placement.to_dict()
        breaches = [f"{words.readable(b['compartment'])} {b['depth_mm']:.1f} mm" for b in found["breaches"]]
        rows.append(
            {
                "name": found["needle"],
                "gauge": f"{gauges.get(found['needle'], '')} G",
                "tip": words.readable(found["tip_compartment"]),
                "depth": words.percent(found["depth_fraction"]),
                "lateral": _side(found["lateral_offset_mm"]),
                "reserve": f"{found['anterior_reserve_mm']:.1f} mm",
                "breaches": ", ".join(breaches) or "none",
                "grade": found["grade"],
            }
        )
    return rows


def _side(offset_mm: float) -> str:
    if abs(offset_mm) < 0.05:
        return "midline"
    return f"{abs(offset_mm):.1f} mm {'left' if offset_mm < 0 else 'right'}"


def result_rows(summary: dict[str, Any]) -> list[Row]:
    """What was achieved, as clinicians grade it: measures R1 to R7."""
    result = summary.get("result") or {}
    if not result:
        return []
    margin, leaks = result.get("posterior_margin"), summary.get("leaks", [])
    sides = f"{words.ml(result['left_volume_ml'])} left, {words.ml(result['right_volume_ml'])} right"
    ends = f"{result['superior_contact_mm2']:.0f} mm² upper, {result['inferior_contact_mm2']:.0f} mm² lower"
    known = [
        ("R1", "filling", f"{words.percent(summary['fill_fraction'])} of {summary['body_volume_ml']:.1f} mL"),
        ("R2", "symmetry of the halves, smaller over larger", words.percent(result["symmetry"])),
        ("R2", "halves", sides),
        ("R2", "crosses the midline", _plain(result["crosses_midline"])),
        ("R3", "cement within 2 mm of the endplates", ends),
        ("R3", "touches both endplates", _plain(result["both_endplates"])),
        ("R4", "share in the anterior half", words.percent(result["anterior_half_share"])),
        ("R4", "share in the upper half", words.percent(result["cranial_half_share"])),
        ("R4", "rearmost cement, from the posterior wall", "–" if margin is None else words.percent(max(margin, 0.0))),
        ("R4", "reaches the posterior quarter", _plain(result["in_posterior_quarter"])),
        ("R5", "spongy index; 10.6 for a smooth ball", f"{result['spongy_index']:.1f}"),
        ("R6", "leaks", f"{len(leaks)}, {words.ml(sum(leak['volume_ml'] for leak in leaks))} in all"),
        ("R7", "largest share of the canal's section taken", words.percent(result["canal_encroachment"])),
        ("R7", "in the foramina", words.ml(result.get("foramen_volume_ml", 0.0))),
        ("R7", "beyond the segmental veins", words.ml(summary.get("embolic_load_ml", 0.0))),
    ]
    return [{"id": key, "name": name, "value": value} for key, name, value in known]


def leak_rows(summary: dict[str, Any]) -> list[Row]:
    """Every leak in words and numbers."""
    return [
        {
            "kind": leak["kind"],
            "meaning": words.leak_words(leak["kind"]),
            "compartment": words.readable(str(leak.get("compartment", ""))),
            "volume": words.ml(leak["volume_ml"]),
            "length": f"{leak['length_mm']:.0f} mm" if leak.get("length_mm") is not None else "–",
            "onset": words.clock(leak["t_leak_s"]),
            "visible": "on no stored frame" if leak.get("t_visible_s") is None else words.clock(leak["t_visible_s"]),
            "seen": "" if leak.get("t_visible_s") is None else "seen",
            "route": words.readable(str(leak.get("route") or "–")),
            "place": words.leak_place(leak),
            "position": _position(leak.get("position_mm")),
            "source": _source(leak),
        }
        for leak in words.ordered_leaks(summary)
    ]


def _source(leak: dict[str, Any]) -> str:
    """First voxel of a leak and how long its way back to the needle is."""
    voxel, path = leak.get("source_voxel"), np.asarray(leak.get("path_mm") or [], float).reshape(-1, 3)
    if voxel is None:
        return "–"
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    way = f", {length:.0f} mm back to the needle" if len(path) > 1 else ""
    return f"voxel {', '.join(str(n) for n in voxel)}{way}"


def sign_rows(summary: dict[str, Any]) -> list[Row]:
    """Limits of the risks that were crossed, with the limit and its source."""
    return [
        {
            "time": words.clock(sign["t_s"]),
            "name": words.readable(sign["sign"]),
            "words": sign["words"],
            "limit": f"{sign['limit_ml']:g} mL" if "limit_ml" in sign else words.percent(sign["limit"]),
            "source": sign["source"],
        }
        for sign in summary.get("warning_signs", [])
    ]


def _position(position: list[float] | None) -> str:
    if position is None:
        return "–"
    return ", ".join(f"{value:+.1f}" for value in position)


def dose_rows(summary: dict[str, Any]) -> list[Row]:
    """Counted radiation beyond what the table of phases says (CT, operator …); parts of parts get one row each."""
    more = {key: value for key, value in summary.get("dose", {}).items() if key not in _DOSE_BY_PHASE}
    return [{"name": words.readable(row["name"]).replace(".", ", "), "value": row["value"]} for row in flat_rows(more)]


def heat_rows(summary: dict[str, Any]) -> list[Row]:
    """Highest temperature, time above 45 °C and thermal dose of each watched place."""
    heat = summary.get("heat") or {}
    rows = []
    for place, peak in heat.get("peak_c", {}).items():
        dose = heat["cem43_min"][place]
        rows.append(
            {
                "name": words.place_words(place),
                "peak": f"{peak:.1f} °C",
                "warm": f"{heat['seconds_above_45_c'][place]:.0f} s",
                # cement itself has nothing to lose
                "dose": "–" if place == "cement" else (f"{dose:.1f} min" if dose < 1e3 else "over 1000 min"),
            }
        )
    return rows


def event_rows(run: Run) -> list[Row]:
    """What happened, in order."""
    rows = []
    for event in run.events:
        rest = dict(event)
        time = float(rest.pop("time_s", rest.pop("time", 0.0)))
        name = str(rest.pop("event", rest.pop("what", rest.get("kind", ""))))
        rows.append({"time": words.clock(time), "name": words.readable(name), "facts": _facts(rest)})
    return rows


def _facts(facts: dict[str, Any]) -> str:
    if "kind" in facts and "volume_ml" in facts:
        place = words.leak_place(facts)
        return f"{words.ml(facts['volume_ml'])} so far {words.leak_words(facts['kind'])}" + (
            f"; {place}" if place else ""
        )
    if "sign" in facts and "words" in facts:
        return f"{words.readable(facts['sign'])}: {facts['words']}"
    told = []
    for key, value in facts.items():
        if isinstance(value, dict | list) or value is None:
            continue
        if key == "step":
            value = value + 1  # people count from one
        told.append(_fact(key, value))
    return ", ".join(told)


def _fact(key: str, value: Any) -> str:
    """``rate_ml_min``, 3.0 → ``rate 3 mL/min``."""
    name, unit = next(((key.removesuffix(end), unit) for end, unit in _UNITS if key.endswith(end)), (key, ""))
    shown = f"{value + 0.0:.4g}" if isinstance(value, float) else str(value)
    return f"{words.readable(name)} {shown} {unit}".rstrip()


def provenance_rows(run: Run) -> list[Row]:
    """Versions, seed, hashes and digests that made a run, and the digests of its files."""
    manifest = {key: value for key, value in run.manifest.items() if key not in ("anatomy", "files", "format")}
    return flat_rows(manifest)


def file_rows(run: Run) -> list[Row]:
    """The run's files with their digests (first 16 digits of SHA-256), pictures counted."""
    files = dict(run.manifest.get("files") or {})
    if not files and run.folder is not None and (run.folder / "manifest.json").is_file():  # saved in this process
        files = json.loads((run.folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    frames = [name for name in files if name.startswith("frames/")]
    rows = [{"name": name, "value": digest} for name, digest in files.items() if name not in frames]
    return rows + ([{"name": "frames/", "value": words.count(len(frames), "file")}] if frames else [])


def rerun_command(run: Run) -> str:
    """The command that makes the run again."""
    folder = "RUN" if run.folder is None else run.folder.name
    return f"vertebro run {folder}/case.toml --out {folder}-again --seed {run.case.seed}"


def cited(*tables: list[Row]) -> list[Source]:
    """Entries of the bibliography that the tables name, and those the model always rests on."""
    keys = {row.get("source", "") for table in tables for row in table} | set(ALWAYS_CITED)
    return [SOURCES[key] for key in sorted(keys) if key in SOURCES and key != "vertebro"]


def flat_rows(data: dict[str, Any], prefix: str = "") -> list[Row]:
    """Nested plain data as rows of dotted name and value; long lists are counted, not printed."""
    rows: list[Row] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            rows.extend(flat_rows(value, prefix=f"{name}."))
        elif isinstance(value, list) and len(value) > 8:
            rows.append({"name": name, "value": f"{len(value)} entries"})
        else:
            rows.append({"name": name, "value": f"{value:.6g}" if isinstance(value, float) else str(value)})
    return rows
