"""Run a study: on the local cores or a Dask cluster, each member on disk as soon as it is done, resumable."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vertebro.case import Case
from vertebro.errors import DataError
from vertebro.record import whole_or_nothing
from vertebro.study.member import Outcome, case_digest
from vertebro.study.plan import Member, Study
from vertebro.study.pools import Task, dask_cluster, local_cores
from vertebro.study.table import write_table

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepResult:
    """What a sweep did.

    Attributes
    ----------
    folder : Path
    table : Path
        ``table.parquet``, a line per member.
    members, finished, failed : int
        Wanted; done, now or before; failed.
    seconds : float [s]
        Wall time of this call.
    interrupted : bool
        Ctrl-C came; call again to go on.
    """

    folder: Path
    table: Path
    members: int
    finished: int
    failed: int
    seconds: float
    interrupted: bool


def run_sweep(
    study: Study,
    out: str | Path,
    *,
    base: Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> SweepResult:
    """Run every member of a study that is not done yet.

    Parameters
    ----------
    study : Study
    out : path
        Folder: ``study.json``, ``members/00000/`` … (case.toml, member.json, events.jsonl, or a run folder) and
        ``table.parquet``.
    base : Path, optional
        Folder that the study's case is relative to.
    workers : int, optional
        Local processes; default one per core.
    scheduler : str, optional
        Address of a Dask scheduler, instead of local processes; its workers need vertebro installed.
    resume : bool
        Go on in a folder that an earlier call began; members that failed are tried again.
    progress : callable, optional
        ``progress(stage, fraction)``; the stage carries the time left.

    Returns
    -------
    SweepResult

    Raises
    ------
    CaseError
        If the study or a member's case is impossible (nothing is run then).
    DataError
        If the folder is used by something else, or by another study.
    MissingExtra
        Without pandas and pyarrow (and distributed, for a scheduler).
    """
    start, tell, folder = time.perf_counter(), progress or _silent, Path(out)
    members, cases = study.members(base), study.cases(base)
    _claim(folder, study, resume)
    done = _done(folder, members, cases)
    tasks = [_task(study, folder, member, case, base) for member, case in zip(members, cases, strict=True)]
    waiting = [task for task in tasks if task.number not in done]
    pool = local_cores(waiting, workers) if scheduler is None else dask_cluster(waiting, scheduler)
    interrupted = not _collect(pool, folder, members, cases, len(done), start, tell)
    table = write_table(folder, study, members)
    states = [_status(folder / "members" / member.name) for member in members]
    return SweepResult(
        folder=folder,
        table=table,
        members=len(members),
        finished=states.count("finished"),
        failed=states.count("failed"),
        seconds=time.perf_counter() - start,
        interrupted=interrupted,
    )


def _collect(
    pool: Iterator[tuple[int, Outcome]],
    folder: Path,
    members: list[Member],
    cases: list[Case],
    before: int,
    start: float,
    tell: Progress,
) -> bool:
    """Put each outcome on disk as it comes; False after Ctrl-C."""
    done = failed = 0
    tell(_stage(before, len(members), 0, None), before / len(members))
    try:
        for number, outcome in pool:
            _keep(folder / "members" / members[number].name, members[number], cases[number], outcome)
            done += 1
            failed += outcome["status"] == "failed"
            left = (time.perf_counter() - start) / done * (len(members) - before - done)
            tell(_stage(before + done, len(members), failed, left), (before + done) / len(members))
    except KeyboardInterrupt:
        return False
    finally:
        pool.close()  # type: ignore[attr-defined]
    return True


def _stage(done: int, total: int, failed: int, left: float | None) -> str:
    text = f"members: {done} of {total}"
    if failed:
        text += f", {failed} failed"
    return text if left is None else f"{text}, {_duration(left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _claim(folder: Path, study: Study, resume: bool) -> None:
    """Make the folder this study's, or check that it is."""
    mark, text = folder / "study.json", study.model_dump_json(indent=1, by_alias=True) + "\n"
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            mark.write_text(text, encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"the output folder cannot be made: {error}", where=str(folder), hint="choose another --out"
            ) from None
        return
    if not mark.is_file():
        raise DataError("the output folder is already used", where=str(folder), hint="choose another --out")
    if mark.read_text(encoding="utf-8") != text:
        raise DataError(
            "the folder holds another study",
            where=str(mark),
            hint="choose another --out, or go on with the study that is in it",
        )
    if not resume:
        raise DataError("the study was begun before", where=str(folder), hint="--resume goes on where it stopped")


def _done(folder: Path, members: list[Member], cases: list[Case]) -> set[int]:
    """Members that are finished and still mean the same case."""
    done = set()
    for member, case in zip(members, cases, strict=True):
        place = folder / "members" / member.name
        if _status(place) == "finished":
            if read_member(place)["digest"] != case_digest(case):
                raise DataError(
                    "a finished member belongs to another case: the case file or this vertebro has changed",
                    where=str(place),
                    hint="choose another --out",
                )
            done.add(member.number)
    return done


def _status(place: Path) -> str:
    return str(read_member(place)["status"]) if (place / "member.json").is_file() else "waiting"


def read_member(place: Path) -> Outcome:
    """A member's outcome from its folder.

    Raises
    ------
    DataError
        If its file is damaged.
    """
    try:
        outcome: Outcome = json.loads((place / "member.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"a member's file is damaged: {error}", where=str(place / "member.json"), hint="delete its folder; --resume"
        ) from None
    return outcome


def _task(study: Study, folder: Path, member: Member, case: Case, base: Path | None) -> Task:
    run = str((folder / "members" / f".{member.name}.run").absolute()) if study.keep == "run" else None
    home = str(((base or Path()) / Path(study.case)).absolute().parent) if _is_file(study, base) else os.getcwd()
    return Task(number=member.number, text=case.dumps(), base=home, keep=run, pictures=study.pictures)


def _is_file(study: Study, base: Path | None) -> bool:
    return ((base or Path()) / study.case).exists()


def _keep(place: Path, member: Member, case: Case, outcome: Outcome) -> None:
    """Write a member's folder, whole or not at all; a failed one is replaced when it is tried again."""
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        shutil.rmtree(place)
    run = place.parent / f".{member.name}.run"
    with whole_or_nothing(place) as partial:
        if run.is_dir():
            shutil.copytree(run, partial, dirs_exist_ok=True)
        else:
            case.save(partial / "case.toml")
            events = outcome.get("events", [])
            lines = "".join(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n" for event in events)
            (partial / "events.jsonl").write_text(lines, encoding="utf-8")
        facts = {k: v for k, v in outcome.items() if k != "events"}
        facts |= {"number": member.number, "point": member.point, "settings": member.settings}
        text = json.dumps(facts, indent=1, ensure_ascii=False, allow_nan=False)
        (partial / "member.json").write_text(text + "\n", encoding="utf-8")
    shutil.rmtree(run, ignore_errors=True)


def _silent(stage: str, fraction: float) -> None:
    return None
