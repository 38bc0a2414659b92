"""A case as commented TOML, and as plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from vertebro.quantity import Within


def plain(record: BaseModel) -> dict[str, Any]:
    """Nested dict of plain values; quantities as texts with units, absent values left out."""
    out: dict[str, Any] = {}
    for name, info in type(record).model_fields.items():
        value = getattr(record, name)
        if value is not None:
            out[info.alias or name] = _plain_value(value, info)
    return out


def dumps(record: BaseModel) -> str:
    """Commented TOML of a case record."""
    return "\n".join([*_lines(record, prefix=""), ""])


def quantity_of(info: FieldInfo) -> Within | None:
    """The unit and range of a field, if it is a quantity."""
    for item in info.metadata:
        if isinstance(item, Within):
            return item
    for option in getattr(info.annotation, "__args__", ()):
        for item in getattr(option, "__metadata__", ()):
            if isinstance(item, Within):
                return item
    return None


def _plain_value(value: Any, info: FieldInfo) -> Any:
    if isinstance(value, BaseModel):
        return plain(value)
    if isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return list(value)
    unit = quantity_of(info)
    return unit.write(value) if unit is not None and unit.unit != "1" else value


def _lines(record: BaseModel, prefix: str) -> Iterator[str]:
    tables: list[tuple[str, Any]] = []
    for name, info in type(record).model_fields.items():
        value, key = getattr(record, name), info.alias or name
        if isinstance(value, BaseModel) or (isinstance(value, tuple) and value and isinstance(value[0], BaseModel)):
            tables.append((key, value))
            continue
        yield f"# {_comment(info)}"
        if value is None or value == ():  # an empty list stays a comment: its tables can be added anywhere below
            yield f"# {key} ="
        else:
            yield f"{key} = {json.dumps(_plain_value(value, info), ensure_ascii=False)}"
    for key, value in tables:
        yield from _table(f"{prefix}{key}", value)


def _table(key: str, value: Any) -> Iterator[str]:
    items = value if isinstance(value, tuple) else (value,)
    mark = ("[[", "]]") if isinstance(value, tuple) else ("[", "]")
    for item in items:
        yield ""
        yield f"# {(type(item).__doc__ or '').strip().splitlines()[0]}"
        yield f"{mark[0]}{key}{mark[1]}"
        yield from _lines(item, prefix=f"{key}.")


def _comment(info: FieldInfo) -> str:
    unit = quantity_of(info)
    text = " ".join((info.description or "").split())
    if unit is None:
        return text
    return f"{text} [{unit.allowed}; {unit.source}]"
