"""Files that appear whole or not at all, and never over another one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vertebro.errors import DataError


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yield a hidden path beside `path` (same suffix); it takes its name on success and vanishes on failure.

    Parameters
    ----------
    path : path
        Must not exist; its folder must.

    Raises
    ------
    DataError
        If the file exists, its folder does not, or writing fails.
    """
    path = Path(path)
    check_new(path)
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        yield partial
        partial.rename(path)
    except OSError as error:
        raise DataError(
            f"cannot write the file: {error.strerror or error}",
            where=str(path),
            hint="free some space or choose another --out; nothing was written",
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def check_new(path: Path) -> None:
    """Raise `DataError` unless `path` is a new name in a folder that exists."""
    if path.exists():
        raise DataError("the output exists already", where=str(path), hint="choose another --out, or remove it")
    if not path.absolute().parent.is_dir():
        raise DataError(
            "the folder for the output does not exist", where=str(path.absolute().parent), hint="make it first"
        )
