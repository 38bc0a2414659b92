"""The table of a study: a line per member, written as Parquet."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebro.errors import DataError, MissingExtra
from vertebro.study.member import row_of
from vertebro.study.plan import Member, Study

if TYPE_CHECKING:
    import pandas as pd

NAME = "table.parquet"


def write_table(folder: Path, study: Study, members: list[Member]) -> Path:
    """Collect what the members left on disk; the old table is replaced in one step.

    Columns: ``number, point, status``, the varied settings under their dotted keys (SI) and ``seed``, then the numbers
    of `vertebro.study.member.row_of`. Members that wait have no line.
    """
    frame = _pandas().DataFrame([row for member in members if (row := _row(folder, member)) is not None])
    for key in study.vary:
        if key in frame and frame[key].map(type).nunique() > 1:
            frame[key] = frame[key].astype(str)
    path, partial = folder / NAME, folder / f".{NAME}.partial"
    frame.attrs = {"title": study.title}
    frame.to_parquet(partial, index=False)
    os.replace(partial, path)
    return path


def load_table(folder: str | Path) -> pd.DataFrame:
    """Read the table of a study folder (or a ``.parquet`` file).

    Raises
    ------
    DataError
        If it is not there or damaged.
    MissingExtra
        Without pandas and pyarrow.
    """
    path = Path(folder)
    path = path / NAME if path.is_dir() else path
    pandas = _pandas()
    try:
        frame: pd.DataFrame = pandas.read_parquet(path)
    except FileNotFoundError:
        raise DataError("no study table here", where=str(path), hint="vertebro sweep study.toml --out DIR") from None
    except (OSError, ValueError) as error:
        raise DataError(
            f"the study table is damaged: {error}", where=str(path), hint="--resume writes it anew"
        ) from None
    return frame


def _row(folder: Path, member: Member) -> dict[str, Any] | None:
    path = folder / "members" / member.name / "member.json"
    if not path.is_file():
        return None
    outcome = json.loads(path.read_text(encoding="utf-8"))
    return {"number": member.number, "point": member.point} | member.settings | row_of(outcome)


def _pandas() -> Any:
    try:
        import pandas
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MissingExtra(str(error.name), "study", "the table of a study") from None
    return pandas
