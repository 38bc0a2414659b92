"""Every constant of the model as a table: value, unit, range, source and how it is known."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

from vertebro.sources import Constant

Row = dict[str, str]
# the rooms that hold the model; cement cards have their own table
ROOMS = ("anatomy", "procedure", "flow", "leakage", "imaging", "materials")
HALL = ("handling", "delivery", "imported")
CARDS = "vertebro.materials.presets"


@cache
def constant_groups() -> tuple[dict[str, Any], ...]:
    """The constants by module: ``{"title": …, "rows": [...]}``, each constant once, where it is defined."""
    groups = []
    known: set[int] = set()
    for name in _modules():
        module = importlib.import_module(name)
        rows = []
        for key, value in sorted(vars(module).items()):
            for label, constant in _constants(key, value):
                if id(constant) in known or not _defined_in(module, key):
                    continue
                known.add(id(constant))
                rows.append(constant_row(label, constant))
        if rows:
            title = name.removeprefix("vertebro.").replace(".", ", ").replace("_", " ")
            groups.append({"title": title, "rows": rows, "count": len(rows)})
    return tuple(groups)


def constant_row(name: str, constant: Constant) -> Row:
    """One constant in words."""
    return {
        "name": name.lower().replace("_", " "),
        "value": f"{float(constant):.4g}",
        "unit": unit_words(constant.unit),
        "range": f"{constant.low:.4g} to {constant.high:.4g}",
        "source": constant.source,
        "mark": constant.mark,
        "meaning": constant.note,
    }


def unit_words(unit: str) -> str:
    """Units as people write them: ``Pa.s`` → ``Pa·s``; a share has none."""
    written = {"1": "", "degC": "°C", "ml": "mL", "ml/min": "mL/min", "ml/s": "mL/s"}
    return written.get(unit, unit.replace(".", "·").replace("^2", "²").replace("^3", "³").replace("um", "µm"))


def _modules() -> list[str]:
    found = [f"vertebro.{name}" for name in HALL]
    for room in ROOMS:
        package = importlib.import_module(f"vertebro.{room}")
        names = (info.name for info in pkgutil.iter_modules(package.__path__))
        found += [f"vertebro.{room}.{name}" for name in names if not name.startswith("kernels")]
    return sorted(name for name in found if name != CARDS)


def _constants(key: str, value: Any) -> list[tuple[str, Constant]]:
    if isinstance(value, Constant):
        return [(key, value)]
    if isinstance(value, dict):
        return [(f"{key} {name}", item) for name, item in value.items() if isinstance(item, Constant)]
    return []


def _defined_in(module: Any, key: str) -> bool:
    """Whether the module's own text assigns the name (an imported constant belongs elsewhere)."""
    return key in _assigned(module.__name__)


@cache
def _assigned(name: str) -> frozenset[str]:
    text = Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")
    return frozenset(re.findall(r"^(\w+)(?:: [^=]+)? = ", text, re.MULTILINE))
