"""Errors that teach: each names the value, its place, what is allowed and the cure.

One root, seven children. Physical surprises (a leak, a pressure cap, set cement) are events, never errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class VertebroError(Exception):
    """Root of all errors raised on purpose.

    Parameters
    ----------
    message : str
        What is wrong, in one sentence.
    where : str, optional
        The place: a dotted case key, a file, an argument name.
    value : object, optional
        The offending value, printed with ``repr``.
    allowed : str, optional
        The allowed range or set, with its unit.
    hint : str, optional
        The cure.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        value: Any = None,
        allowed: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.where = where
        self.value = value
        self.allowed = allowed
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message]
        if self.where is not None:
            parts.append(f"  where:   {self.where}")
        if self.value is not None:
            parts.append(f"  value:   {_short(self.value)}")
        if self.allowed is not None:
            parts.append(f"  allowed: {self.allowed}")
        if self.hint is not None:
            parts.append(f"  cure:    {self.hint}")
        return "\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return the parts as plain JSON values, for ``--json``."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "where": self.where,
            "value": None if self.value is None else _short(self.value),
            "allowed": self.allowed,
            "cure": self.hint,
        }


class CaseError(VertebroError):
    """The case says something impossible: an unknown key, a value out of range."""

    exit_code = 2


class GeometryError(VertebroError):
    """Grids, arrays or frames that do not match."""

    exit_code = 2


class PlacementError(VertebroError):
    """A needle that cannot exist (breaches that can exist are findings, not errors)."""

    exit_code = 2


class DataError(VertebroError):
    """A file, a digest or a label set that cannot be used."""

    exit_code = 3


class SolverError(VertebroError):
    """The numerics failed; carries the residual history and the simulated time."""

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        residuals: Sequence[float] = (),
        time: float | None = None,
        **parts: Any,
    ) -> None:
        super().__init__(message, **parts)
        self.residuals = tuple(float(r) for r in residuals)
        self.time = time


class SessionError(VertebroError):
    """An action at the wrong moment of a session, or an unknown action."""

    exit_code = 5


class MissingExtra(VertebroError):
    """An optional dependency is absent; names the exact command that installs it."""

    exit_code = 3

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            where=package,
            hint=f'pip install "vertebro[{extra}]"',
        )


def _short(value: Any, limit: int = 200) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
