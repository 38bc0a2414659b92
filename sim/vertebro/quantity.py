"""Quantities in input records: unit, range and source live in the type, once.

From one annotation come the validation, the error text, the JSON schema, the comments of a written case and
``vertebro explain``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from vertebro import units
from vertebro.errors import CaseError


class Record(BaseModel):
    """A frozen part of the input: unknown keys are refused, the texts under the fields explain them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


@dataclass(frozen=True, slots=True)
class Within:
    """A float in SI, written as a text in `unit`, allowed from `low` to `high` (both in `unit`).

    Used as ``Annotated[float, Within("ml", 0, 20, "vertebro")]``.
    """

    unit: str
    low: float
    high: float
    source: str

    @property
    def allowed(self) -> str:
        """The allowed range as text."""
        return f"{self.low:g} to {self.high:g} {self.unit}"

    def read(self, value: Any) -> float:
        """Number in SI from a number or a text with its unit; raises the error pydantic reports."""
        dimension = units.UNITS[self.unit][0]
        try:
            number = units.parse(value, dimension)
        except CaseError as error:
            raise PydanticCustomError("quantity", "{why}", {"why": error.message, "allowed": self.allowed}) from None
        offset = units.ZERO_CELSIUS if self.unit == "degC" else 0.0
        shown = (number - offset) / units.UNITS[self.unit][1]
        tolerance = 1e-12 * max(abs(self.low), abs(self.high))
        if not self.low - tolerance <= shown <= self.high + tolerance:
            raise PydanticCustomError("range", "out of range", {"allowed": self.allowed})
        return number

    def write(self, value: float) -> str:
        """Text that `read` turns into exactly the same number."""
        return units.show(value, self.unit)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": ["number", "string"],
            "description": f"SI number, or text in {self.unit}; {self.allowed}; source: {self.source}",
            "unit": self.unit,
            "low": self.low,
            "high": self.high,
            "source": self.source,
        }
