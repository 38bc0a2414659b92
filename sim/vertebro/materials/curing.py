"""How far the cement has cured: the log-logistic conversion in closed form and as an exact local update.

The law dp/dt = (b/τ) p^(1-1/b) (1-p)^(1+1/b) has the isothermal solution p = x^b / (1 + x^b) with x = t/τ; τ is the
time of half conversion (baliga1992: form; its recalled constants fail a sanity check and are not used). Because the
temperature acts only through the clock dχ = rate(T) dt, the same closed form holds in cure age χ, and a step with
constant temperature is exact, however long: no sub-steps, no overshoot beyond full conversion.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def conversion_loglogistic(cure_age: ArrayLike, *, set_time: float, shape: float) -> Array:
    """Conversion p = x^b / (1 + x^b), x = χ/τ [1].

    Parameters
    ----------
    cure_age : array [s]
        Age at the reference temperature; before mixing (below 0) nothing has cured.
    set_time : float [s]
        τ, the cure age of half conversion.
    shape : float [1]
        b; 9.2 turns 10 % into 90 % conversion within a factor 1.6 of age.

    Examples
    --------
    >>> float(conversion_loglogistic(720.0, set_time=720.0, shape=9.2))
    0.5
    """
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(1.0 / (1.0 + (np.maximum(np.asarray(cure_age, float), 0.0) / set_time) ** (-shape)))


def age_at_conversion(conversion: ArrayLike, *, set_time: float, shape: float) -> Array:
    """Cure age [s] at which a conversion is reached: the inverse of `conversion_loglogistic`; clipped to [0, 1]."""
    p = np.clip(np.asarray(conversion, float), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return np.asarray(set_time * (p / (1.0 - p)) ** (1.0 / shape))


def advance_loglogistic(conversion: ArrayLike, cure_step: ArrayLike, *, set_time: float, shape: float) -> Array:
    """Conversion after a further step of cure age; exact for a step at constant temperature.

    Parameters
    ----------
    conversion : array [1]
        In [0, 1]; round-off beyond is clipped. Zero is left at once: the law's fixed point at p = 0 is an artefact of
        its rate form.
    cure_step : array [s]
        Duration × clock speed (`vertebro.materials.rheology.arrhenius_rate`).
    set_time, shape : float
        As in `conversion_loglogistic`.
    """
    age = age_at_conversion(conversion, set_time=set_time, shape=shape)
    return conversion_loglogistic(age + np.asarray(cure_step, float), set_time=set_time, shape=shape)


def rate_loglogistic(conversion: ArrayLike, *, set_time: float, shape: float) -> Array:
    """Conversion rate dp/dχ = (b/τ) p^(1-1/b) (1-p)^(1+1/b) [1/s of cure age]; the heat source's shape."""
    p = np.clip(np.asarray(conversion, float), 0.0, 1.0)  # trial steps of an integrator may leave the range
    return np.asarray(shape / set_time * p ** (1.0 - 1.0 / shape) * (1.0 - p) ** (1.0 + 1.0 / shape))
