"""Scale names for the border: SI inside, ``3 * ml`` outside.

Multiply to enter the house, divide to leave it::

    >>> from vertebro.units import ml
    >>> 4 * ml
    4e-06
    >>> parse("3 ml/min", "m^3/s")
    5e-08
    >>> show(5e-8, "ml/min")
    '3 ml/min'
"""

from __future__ import annotations

import math
import re

from vertebro.errors import CaseError

m = metre = 1.0
mm = 1e-3
cm = 1e-2
um = micrometre = 1e-6
ml = cm3 = 1e-6
litre = 1e-3
s = second = 1.0
ms = 1e-3
minute = 60.0
hour = 3600.0
Pa = 1.0
kPa = 1e3
MPa = 1e6
mmHg = 133.322
Pa_s = 1.0
mPa_s = 1e-3
N = 1.0
kg = 1.0
gram = 1e-3
deg = math.pi / 180.0
keV = 1.0
uGy = 1e-6
mGy = 1e-3
ZERO_CELSIUS = 273.15

# unit text -> (dimension, factor to SI). Temperature is the one unit with an offset.
UNITS: dict[str, tuple[str, float]] = {
    "m": ("m", m),
    "mm": ("m", mm),
    "cm": ("m", cm),
    "um": ("m", um),
    "m^3": ("m^3", 1.0),
    "ml": ("m^3", ml),
    "mL": ("m^3", ml),
    "s": ("s", s),
    "ms": ("s", ms),
    "min": ("s", minute),
    "h": ("s", hour),
    "m^3/s": ("m^3/s", 1.0),
    "ml/s": ("m^3/s", ml),
    "mL/s": ("m^3/s", ml),
    "ml/min": ("m^3/s", ml / minute),
    "mL/min": ("m^3/s", ml / minute),
    "Pa": ("Pa", Pa),
    "kPa": ("Pa", kPa),
    "MPa": ("Pa", MPa),
    "mmHg": ("Pa", mmHg),
    "Pa.s": ("Pa.s", Pa_s),
    "mPa.s": ("Pa.s", mPa_s),
    "N": ("N", N),
    "m^3/Pa": ("m^3/Pa", 1.0),
    "ml/MPa": ("m^3/Pa", ml / MPa),
    "m^2": ("m^2", 1.0),
    "kg/m^3": ("kg/m^3", 1.0),
    "g/ml": ("kg/m^3", 1e3),
    "mg/ml": ("kg/m^3", 1.0),
    "mg/cm^3": ("kg/m^3", 1.0),
    "1/m^2": ("1/m^2", 1.0),
    "1/cm^2": ("1/m^2", 1e4),
    "deg": ("rad", deg),
    "rad": ("rad", 1.0),
    "K": ("K", 1.0),
    "degC": ("K", 1.0),
    "HU": ("HU", 1.0),
    "keV": ("keV", keV),
    "kV": ("kV", 1.0),
    "W/m/K": ("W/m/K", 1.0),
    "m^3/kg/s": ("m^3/kg/s", 1.0),
    "ml/min/100g": ("m^3/kg/s", ml / minute / 0.1),
    "1": ("1", 1.0),
    "%": ("1", 0.01),
}
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z%/.^0-9]*)\s*$")


def parse(value: float | int | str, dimension: str, *, where: str | None = None) -> float:
    """Read a quantity: a number is SI, a text carries its unit.

    Parameters
    ----------
    value : float or str
        ``5e-8`` or ``"3 ml/min"``.
    dimension : str
        SI unit of the answer, for example ``"m^3/s"``.
    where : str, optional
        The place named in the error.

    Raises
    ------
    CaseError
        If the text is no quantity, or its unit has another dimension, or the number is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise CaseError("not a quantity", where=where, value=value, allowed=_examples(dimension))
    number = _parse_text(value, dimension, where) if isinstance(value, str) else float(value)
    if not math.isfinite(number):
        raise CaseError("not a finite number", where=where, value=value, allowed=_examples(dimension))
    return number


def _parse_text(text: str, dimension: str, where: str | None) -> float:
    match = _QUANTITY.match(text)
    if match is None:
        raise CaseError("not a quantity", where=where, value=text, allowed=_examples(dimension))
    number, unit = float(match[1]), match[2] or dimension
    if unit not in UNITS or UNITS[unit][0] != dimension:
        raise CaseError(
            f"the unit {unit!r} does not measure this", where=where, value=text, allowed=_examples(dimension)
        )
    if unit == "degC":
        return number + ZERO_CELSIUS
    factor = UNITS[unit][1]
    inverse = round(1.0 / factor)
    # dividing by 1e6 is exactly rounded where multiplying by 1e-6 is not
    return number / inverse if factor < 1 and math.isclose(inverse * factor, 1.0, rel_tol=1e-15) else number * factor


def show(value: float, unit: str) -> str:
    """Write an SI value in a unit so that `parse` reads back exactly the same number."""
    dimension = UNITS[unit][0]
    offset = ZERO_CELSIUS if unit == "degC" else 0.0
    scaled = (value - offset) / UNITS[unit][1]
    for digits in range(1, 18):
        text = f"{scaled:.{digits}g} {unit}"
        if "e" not in text.split()[0] and parse(text, dimension) == value:
            return text
    return f"{value!r} {dimension}"


def _examples(dimension: str) -> str:
    names = [name for name, (dim, _) in UNITS.items() if dim == dimension]
    return f"a number in {dimension}, or a text with one of: {', '.join(names)}"
