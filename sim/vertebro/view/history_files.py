"""Histories of a run as tables: one row a moment, an event or a leak; every column's name carries its unit."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vertebro.errors import MissingExtra
from vertebro.view.dicom_ct import lps
from vertebro.view.dicom_study import MARK

if TYPE_CHECKING:
    from vertebro.record import Run

Progress = Callable[[str, float], None]
Table = dict[str, list[Any]]
EVENT_COLUMNS = ("time_s", "event", "step", "needle", "kind", "compartment", "volume_ml")


def write_tables(run: Run, folder: Path, to: str, tell: Progress) -> dict[str, Any]:
    """``curves``, ``events``, ``leaks`` and ``heat``, as far as there are any.

    Parameters
    ----------
    run : Run
    folder : Path
        Exists.
    to : {"csv", "parquet"}
    tell : callable (stage, share)

    Raises
    ------
    MissingExtra
        If Parquet is wished and pyarrow is absent.
    """
    tables = run_tables(run)
    for k, (name, table) in enumerate(tables.items()):
        tell(f"table {name}", k / len(tables))
        (_write_csv if to == "csv" else _write_parquet)(table, folder / f"{name}.{to}")
    return {
        "files": [f"{name}.{to}" for name in tables],
        "rows": {name: len(next(iter(table.values()))) for name, table in tables.items()},
        "columns": {name: list(table) for name, table in tables.items()},
    }


def run_tables(run: Run) -> dict[str, Table]:
    """Tables by name: columns as lists of equal length."""
    tables = {"curves": _curves(run.history), "events": _events(run.events), "leaks": _leaks(run)}
    if run.heat is not None and run.heat.curves:
        tables["heat"] = _curves(run.heat.curves)
    return tables


def _curves(curves: Mapping[str, Any]) -> Table:
    return {name: np.asarray(column, float).tolist() for name, column in curves.items()}


def _events(events: Sequence[Mapping[str, Any]]) -> Table:
    """What most events share as columns, the rest as JSON."""
    table: Table = {key: [event.get(key) for event in events] for key in EVENT_COLUMNS}
    rest = ({key: value for key, value in event.items() if key not in EVENT_COLUMNS} for event in events)
    table["details_json"] = [json.dumps(more, ensure_ascii=False, sort_keys=True) for more in rest]
    return table


def _leaks(run: Run) -> Table:
    """Leaks at the end; positions in the vertebra's axes (right, anterior, superior) and in the patient's LPS."""
    leaks = run.summary.get("leaks", [])
    keys = ("kind", "compartment", "route", "volume_ml", "length_mm", "t_leak_s", "t_visible_s", "position_words")
    table: Table = {key: [leak.get(key) for leak in leaks] for key in keys}
    places = np.array([leak["position_mm"] for leak in leaks], float).reshape(-1, 3)
    patient = lps(places * 1e-3, np.asarray(run.anatomy.patient_from_world, float))
    for k, axis in enumerate("ras"):
        table[f"position_{axis}_mm"] = places[:, k].tolist()
    for k, axis in enumerate("xyz"):
        table[f"position_lps_{axis}_mm"] = patient[:, k].tolist()
    return table


def _write_csv(table: Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))


def _write_parquet(table: Table, path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("pyarrow", "study", "Parquet") from None
    columns = {name: pa.array(values, _type_of(name, values)) for name, values in table.items()}
    pq.write_table(pa.table(columns).replace_schema_metadata({"notice": MARK}), path)


def _type_of(name: str, values: Sequence[Any]) -> Any:
    """A column keeps its type when it is empty or full of gaps."""
    import pyarrow as pa

    if name == "step":
        return pa.int64()
    return pa.float64() if name.endswith(("_s", "_ml", "_mm")) or _numbers(values) else pa.string()


def _numbers(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, float | int) for value in known)
