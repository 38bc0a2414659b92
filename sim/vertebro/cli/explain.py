"""``vertebro explain KEY``: what a key means, its unit, range and source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebro.cli.output import JsonOption, emit
from vertebro.errors import CaseError

if TYPE_CHECKING:
    from pydantic import BaseModel

KeyArgument = Annotated[
    str, typer.Argument(metavar="KEY", help="cement.NAME, source.NAME, rule.ID, metric.ID or a case key.")
]

PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Draw a cement's viscosity into this file (.png, .svg or .pdf).")
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("explain")(explain)


def explain(key: KeyArgument, plot: PlotOption = None, as_json: JsonOption = False) -> None:
    """Explain a cement (cement.kyphon-hvr), source (source.yeom2003), rule (rule.C3) or case key (needles.gauge)."""
    head, _, tail = key.partition(".")
    if head == "cement" and not _is_case_key(key):
        _explain_cement(tail, plot, as_json)
        return
    if plot is not None:
        raise CaseError("only cements have a plot", where="--plot", value=key, allowed="keys such as cement.kyphon-hvr")
    facts = _facts(key, head, tail)
    emit(facts, _text(facts), as_json)


def _facts(key: str, head: str, tail: str) -> dict[str, Any]:
    if head in ("rule", "metric"):
        from vertebro.training.score import explain as explain_rule

        return explain_rule(key)
    return _source(tail) if head == "source" else _case_key(key)


def _explain_cement(name: str, plot: Path | None, as_json: bool) -> None:
    from vertebro.cli.cement_card import card_facts, card_text
    from vertebro.materials.presets import cement

    card = cement(name)
    if plot is not None:
        from vertebro.view.figures_cement import draw_cement

        draw_cement(card, plot)
    emit(card_facts(card), "" if as_json else card_text(card), as_json)


def _is_case_key(key: str) -> bool:
    from vertebro.case import CementInput

    _, _, tail = key.partition(".")
    return tail == "" or tail in CementInput.model_fields


def _source(name: str) -> dict[str, Any]:
    from vertebro.sources import SOURCES

    if name not in SOURCES:
        raise CaseError("unknown source", where="explain", value=name, allowed=", ".join(sorted(SOURCES)))
    return {"key": f"source.{name}", "text": SOURCES[name].text, "url": SOURCES[name].url}


def _case_key(key: str) -> dict[str, Any]:
    from vertebro.case import Case
    from vertebro.case_text import quantity_of

    model: type[BaseModel] = Case
    *parents, last = [part for part in key.split(".") if not part.isdigit()]
    for part in parents:
        model = _record_of(model, part, key)
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    if last not in fields:
        raise CaseError("unknown key", where="explain", value=key, allowed=", ".join(fields))
    unit = quantity_of(fields[last])
    facts: dict[str, Any] = {"key": key, "meaning": " ".join((fields[last].description or "").split())}
    if unit is not None:
        facts |= {"unit": unit.unit, "allowed": unit.allowed, "source": unit.source}
    record = _record_of(model, last, key) if fields[last].description is None else None
    if record is not None:
        facts |= {"meaning": (record.__doc__ or "").strip(), "keys": list(record.model_fields)}
    return facts


def _record_of(model: type[BaseModel], name: str, key: str) -> type[BaseModel]:
    from pydantic import BaseModel

    info = model.model_fields.get(name)
    if info is not None:
        for kind in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return kind
    raise CaseError("unknown key", where="explain", value=key, allowed=", ".join(model.model_fields))


def _text(facts: dict[str, Any]) -> str:
    lines = []
    for name, value in facts.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += ["  " + "  ".join(str(item) for item in row.values()) for row in value]
        elif isinstance(value, dict):
            lines.append(f"{name}: " + ", ".join(f"{k} {v}" for k, v in value.items()))
        else:
            lines.append(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
    return "\n".join(lines)
