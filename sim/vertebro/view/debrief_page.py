"""The debrief as a file: one HTML page that holds everything, opens offline and prints, and its JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebro import __version__
from vertebro.training.debrief import explained
from vertebro.training.score import LABEL_WORDS
from vertebro.view import theme
from vertebro.view.album import Album
from vertebro.view.debrief_strip import clock, draw_strip
from vertebro.view.report import render, write_page
from vertebro.view.report_plates import data_url

if TYPE_CHECKING:
    from vertebro.training.session import Session

PAGE, DATA = "debrief.html", "debrief.json"
LARGEST = 6_000_000  # bytes
SHARES = {"monitors": 0.02, "best views": 0.02, "turntable": 0.016, "series": 0.03}  # of the work, for a progress bar
PHASES = {"position": "before the needle", "needle": "needle", "cement": "cement", "after": "after the needles"}
SECTIONS = (
    ("next", "Next time"), ("course", "Course"), ("monitors", "Monitors"), ("leaks", "Leaks"), ("series", "Pictures"),
    ("quartet", "Before and after"), ("turntable", "All round"), ("whatif", "What if"), ("score", "Score"),
    ("needles", "Needles"), ("dose", "Radiation"), ("provenance", "Provenance"),
)  # fmt: skip


def write_debrief(
    session: Session,
    folder: str | Path,
    *,
    what_ifs: Sequence[dict[str, Any]] = (),
    tell: Callable[[str, float], None] | None = None,
) -> Path:
    """Write ``debrief.html`` and ``debrief.json`` of a finished session; files of these names are replaced.

    Parameters
    ----------
    session : Session
        Finished, with a memory.
    folder : path
        Made where it is missing.
    what_ifs : sequence of dict
        From `vertebro.training.replay.what_if`.
    tell : callable, optional
        ``tell(stage, fraction)``.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SessionError
        If the session kept no pictures.
    DataError
        If the files cannot be written.
    """
    found = explained(session.log.lines)
    album, done = Album(session, found), 0.0
    for stage in album.steps():
        done = min(done + SHARES[stage], 1.0)
        if tell is not None:
            tell(f"debrief: {stage}", done)
    return save_debrief(album, folder, what_ifs)


def save_debrief(album: Album, folder: str | Path, what_ifs: Sequence[dict[str, Any]] = ()) -> Path:
    """Write the page and the JSON of an album that is complete; see `write_debrief`."""
    place = Path(folder)
    title = album.session.scenario.title
    page = page_text(album.found, album, title=title, what_ifs=what_ifs).encode()
    facts = album.found | {"title": title, "what_if": list(what_ifs), "pictures": album.contents}
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    write_page(text.encode(), place / DATA)
    write_page(page, place / PAGE)
    return place / PAGE


def page_text(found: dict[str, Any], album: Album, *, title: str, what_ifs: Sequence[dict[str, Any]] = ()) -> str:
    """The page as HTML.

    Parameters
    ----------
    found : dict
        From `vertebro.training.debrief.explained`.
    album : Album
        Complete.
    title : str
        Of the case.
    what_ifs : sequence of dict
    """
    contents = album.contents
    urls = {name: data_url(data, "image/jpeg") for name, data in album.files.items()}
    moments = [
        moment | {"id": f"moment-{k}", "monitors": [_with_url(row, urls) for row in moment["monitors"]]}
        for k, moment in enumerate(contents["moments"])
    ]
    rings = [ring for ring in contents["rings"] if ring["files"]]
    ring_urls = [[urls[name] for name in ring["files"]] for ring in rings]
    last = ring_urls[-1] if ring_urls else []
    plates = {
        part: [row | {"url": urls[row["file"]]} for row in contents[part]] for part in ("leaflet", "quartet", "best")
    }
    empty = {"monitors": not moments, "series": not plates["leaflet"], "quartet": not plates["quartet"]}
    empty["turntable"] = not rings
    return render(
        "debrief.html.j2",
        {
            "title": title,
            "version": __version__,
            "found": found,
            "session": found["session"],
            "sections": [(key, name) for key, name in SECTIONS if not empty.get(key, False)],
            "tone": _tone(found),
            "tiles": _tiles(found),
            "strip": draw_strip(found),
            "clock": clock,
            "moments": moments,
            "anchors": {round(moment["t"]): moment["id"] for moment in moments},
            "leaks": [_leak_row(leak) for leak in found["leaks"]],
            "numbed": any("anaesthesia" in row["file"] for row in plates["leaflet"]),
            "rings": rings,
            "ring_urls": ring_urls,
            "quarters": last[:: max(1, len(last) // 4)][:4],
            "kinds": [
                (kind, theme.leak_colour(kind)) for kind in dict.fromkeys(leak["kind"] for leak in found["leaks"])
            ],
            "what_ifs": [_what_if_row(answer) for answer in what_ifs],
            "domains": [_domain_row(key, domain) for key, domain in found["score"]["domains"].items()],
            "rules": [_rule_row(row, found["rules"][row["id"]]) for row in found["score"]["rules"]],
            "label_words": LABEL_WORDS,
            "needles": [_needle_row(name, facts) for name, facts in found["needles"].items()],
            "measures": [_measure_row(level, facts) for level, facts in found["measures"].items()],
            "doses": _dose_rows(found["dose"]),
            "provenance": _provenance(found),
            **plates,
        },
    )


def _with_url(row: dict[str, Any], urls: dict[str, str]) -> dict[str, Any]:
    return row | {"url": urls[row["outlined"] or row["file"]]}


def _tone(found: dict[str, Any]) -> str:
    if found["score"]["critical"]:
        return "alarm"
    return "calm" if found["score"]["label"].startswith(("competent", "proficient")) else "notice"


def _tiles(found: dict[str, Any]) -> list[dict[str, str]]:
    metrics, leaks = found["score"]["metrics"], found["leaks"]
    leaked, hidden = sum(leak["volume_ml"] for leak in leaks), sum(leak["hidden_ml"] for leak in leaks)
    after = metrics["L4"]
    rows = [
        ("points of 100", f"{found['score']['points']:.0f}", "", bool(found["score"]["critical"])),
        ("injected", f"{metrics['C3_ml'] or 0.0:.1f}", "mL", False),
        ("leaked", f"{leaked:.2f}", "mL", leaked > 0),
        ("of it while hidden", f"{hidden:.2f}", "mL", False),
        ("injected after visible", "–" if after is None else f"{after:.2f}", "mL", bool(after)),
        ("dose-area product", f"{metrics['I2_dap'] or 0.0:.2f}", "Gy·cm²", False),
    ]
    return [{"name": n, "value": v, "unit": u, "look": "alarm" if bad else ""} for n, v, u, bad in rows]


def _when(seconds: float | None, never: str = "–") -> str:
    return never if seconds is None else clock(seconds)


def _leak_row(leak: dict[str, Any]) -> dict[str, str]:
    seen = leak["t_visible_s"] is not None
    return {
        "kind": leak["kind"],
        "where": leak["words"],
        "volume": f"{leak['volume_ml']:.2f} mL",
        "began": clock(leak["t_leak_s"]),
        "visible": f"{clock(leak['t_visible_s'])}, {'AP' if leak['plane'] == 'ap' else 'lateral'}" if seen else "never",
        "stopped": _when(leak["t_stop_s"]),
        "hidden": f"{leak['hidden_ml']:.2f} mL",
        "after": f"{leak['after_visible_ml']:.2f} mL in {leak['reaction_s']:.1f} s" if leak["while_injecting"] else "–",
        "words": leak["words_seen"],
    }


def _what_if_row(answer: dict[str, Any]) -> dict[str, str]:
    if not answer["applies"]:
        return {"text": answer["text"], "leaked": "does not apply", "injected": "–", "fill": "–", "points": "–"}
    before, after = answer["before"], answer["after"]

    def change(key: str, form: str, factor: float = 1.0) -> str:
        old, new = (None if each[key] is None else each[key] * factor for each in (before, after))
        return " → ".join("–" if value is None else format(value, form) for value in (old, new))

    return {
        "text": answer["text"],
        "leaked": f"{change('leaked_ml', '.2f')} mL",
        "injected": f"{change('injected_ml', '.1f')} mL",
        "fill": f"{change('fill', '.0f', 100.0)} %",
        "points": change("points", ".0f"),
    }


def _domain_row(key: str, domain: dict[str, Any]) -> dict[str, str]:
    points = f"{domain['points']:.1f} of {domain['possible']:.0f}" if domain["possible"] else "does not apply"
    return {"name": f"{key}  {domain['name']}", "points": points}


def _rule_row(row: dict[str, Any], facts: dict[str, Any]) -> dict[str, str]:
    bands = "; ".join(f"{band['metric']}, {band['meaning']}: {band['full']}, {band['none']}" for band in facts["bands"])
    return {
        "id": row["id"],
        "title": row["title"],
        "say": row["say"],
        "points": f"{row['points']:.1f} of {row['possible']:.0f}" if row["possible"] else "–",
        "bands": bands,
        "sources": "; ".join(facts["sources"]),
    }


def _needle_row(name: str, facts: dict[str, Any]) -> dict[str, str]:
    deepest = max((breach["depth_mm"] for breach in facts["breaches"]), default=0.0)
    no_go = ", ".join(f"{volume} {way:.0f} mm" for volume, way in facts["no_go_mm"].items())
    return {
        "name": name,
        "grade": f"{facts['grade']}, Heary {facts['heary']}",
        "breach": f"{deepest:.1f} mm",
        "target": f"{facts['target_error_mm']:.1f} mm",
        "angle": f"{facts['angle_error_deg']:.1f}°",
        "reserve": "–" if facts["anterior_reserve_mm"] is None else f"{facts['anterior_reserve_mm']:.1f} mm",
        "no_go": no_go or "none",
    }


def _measure_row(level: str, facts: dict[str, Any] | None) -> dict[str, str]:
    if facts is None:
        return {"level": level, "volume": "nothing injected"} | dict.fromkeys(
            ("fill", "symmetry", "midline", "endplates"), "–"
        )
    yes = {True: "yes", False: "no", None: "–"}
    return {
        "level": level,
        "volume": f"{facts['volume_in_body_ml']:.2f} of {facts['body_volume_ml']:.0f} mL",
        "fill": f"{100 * facts['fill_fraction']:.1f} %",
        "symmetry": "–" if facts["symmetry"] is None else f"{facts['symmetry']:.2f}",
        "midline": yes[facts["crosses_midline"]],
        "endplates": yes[facts["both_endplates"]],  # the sacrum has none
    }


def _dose_rows(dose: dict[str, Any] | None) -> list[dict[str, str]]:
    if dose is None:
        return []
    rows = [(PHASES.get(name, name), each) for name, each in dose["phases"].items()] + [
        ("whole session", dose["total"])
    ]
    return [
        {
            "phase": name,
            "exposures": f"{each['exposures']}",
            "time": f"{each['fluoro_time']:.0f} s",
            "dap": f"{each['dose_area_product'] * 1e4:.2f} Gy·cm²",
            "kerma": f"{each['reference_air_kerma'] * 1e3:.1f} mGy",
        }
        for name, each in rows
    ]


def _provenance(found: dict[str, Any]) -> list[tuple[str, Any]]:
    session, rubric = found["session"], found["score"]["rubric"]
    return [
        ("vertebro", session["version"]),
        ("case", f"{session['scenario']}@{session['scenario_version']}"),
        ("digest of the case", session["digest"]),
        ("seed", session["seed"]),
        ("mode", session["mode"]),
        ("rubric", f"{rubric['version']}, {rubric['status']}, digest {rubric['digest']}"),
        ("digest of the log", found["log_digest"]),
    ]
