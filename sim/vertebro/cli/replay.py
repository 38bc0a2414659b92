"""``vertebro replay LOG``: a training session again from its log, and what would have happened if."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vertebro.cli.output import NOTICE, JsonOption, emit, progress
from vertebro.errors import CaseError, SessionError

STANDARD = ("stop-at-visible", "thicker-cement", "needle-further")

LogArgument = Annotated[Path, typer.Argument(metavar="LOG", help="events.jsonl of a training session, or its folder.")]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("replay")(replay)


def replay(
    log: LogArgument,
    what_if: Annotated[
        list[str] | None,
        typer.Option("--what-if", help="stop-at-visible, thicker-cement, needle-further or wait-longer; may repeat."),
    ] = None,
    debrief_folder: Annotated[
        Path | None, typer.Option("--debrief", metavar="DIR", help="Write debrief.html and debrief.json there.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="With --debrief: leave out the what-if table (three more replays).")
    ] = False,
    score_only: Annotated[bool, typer.Option("--score", help="Score the log without simulating again.")] = False,
    course: Annotated[
        bool, typer.Option("--course", help="LOG is a folder of sessions: which cases were mastered, twice in a row.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Replay a training session: the same log gives the same result; score and debrief."""
    from vertebro.training import replay as again
    from vertebro.training.debrief import debrief
    from vertebro.training.log import read_log
    from vertebro.training.memory import Memory

    if course:
        _course(log, as_json)
        return
    if score_only and debrief_folder is not None:
        raise CaseError(
            "a debrief needs the session again", where="--score", value="--debrief", hint="leave --score out"
        )
    lines = read_log(log)
    changes = list(what_if or ([] if debrief_folder is None or quick else STANDARD))
    facts: dict[str, Any] = {"log": str(log), "summary": again.summary(lines), "debrief": debrief(lines)}
    anatomies = None
    with progress("replay") as tell:
        if not score_only:
            tell("the session again", 0.1)
            session = again.replay(lines, memory=None if debrief_folder is None else Memory())
            anatomies = {level: site.anatomy for level, site in session.sites.items()}
            facts["same"] = again.same(lines, session.log.lines)
        for number, change in enumerate(changes):
            tell(f"what if: {change}", 0.4 + 0.4 * number / len(changes))
            facts.setdefault("what_if", []).append(again.what_if(lines, change, anatomies=anatomies))
        if debrief_folder is not None:
            from vertebro.view.debrief_page import write_debrief

            _check_whole(session.finished, log)
            page = write_debrief(
                session, debrief_folder, what_ifs=facts.get("what_if", []), tell=lambda s, f: tell(s, 0.8 + 0.2 * f)
            )
            facts["page"] = str(page)
        tell("done", 1.0)
    emit(facts, _text(facts), as_json)


def _course(folder: Path, as_json: bool) -> None:
    from vertebro.training.log import read_logs
    from vertebro.training.mastery import course

    found = course(read_logs(folder))
    lines = [f"{name}: {facts['say']} Attempts: {len(facts['attempts'])}." for name, facts in found.items()]
    emit({"folder": str(folder), "cases": found}, "\n".join([*lines, f"  {NOTICE}"]), as_json)


def _check_whole(finished: bool, log: Path) -> None:
    if not finished:
        raise SessionError(
            "a session that was cut off has no debrief", where=str(log), hint="--score says what is known of it"
        )


def _text(facts: dict[str, Any]) -> str:
    told, worth = facts["debrief"], facts["summary"]["score"]
    lines = [told["verdict"], f"  rubric {worth['rubric']['version']}: {worth['rubric']['status']}"]
    if "same" in facts:
        lines.append("  replayed: the same result" if facts["same"] else "  replayed: NOT the same result")
    lines += [f"  next, at {step['t']:.0f} s: {step['text']} ({step['why']})" for step in told["next"]]
    lines += [f"  leak {leak['region']} at {leak['t_leak_s']:.0f} s: {leak['words_seen']}" for leak in told["leaks"]]
    for row in worth["rules"]:
        points = "  -  " if row["share"] is None else f"{row['points']:.1f}/{row['possible']:.0f}"
        lines.append(f"  {row['id']:<3} {points:>6}  {row['title']}: {row['say']}")
    for answer in facts.get("what_if", []):
        lines.append(f"  what if {answer['text']}: {_after(answer)}")
    if "page" in facts:
        lines.append(f"  debrief: {facts['page']}")
    return "\n".join([*lines, f"  {NOTICE}"])


def _after(answer: dict[str, Any]) -> str:
    if not answer["applies"]:
        return "does not apply to this session"
    before, after = answer["before"], answer["after"]
    return (
        f"leaked {before['leaked_ml']:.2f} ml then, {after['leaked_ml']:.2f} ml now; "
        f"injected {before['injected_ml']:.1f} ml, {after['injected_ml']:.1f} ml"
    )
