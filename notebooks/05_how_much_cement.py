# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How much cement?
#
# More cement fills the fracture better and leaks more often. Where is the turn? One run cannot tell: it is one patient.
# A **study** runs the same injection through many generated patients and lets what nobody knows beforehand vary within
# its published range.
#
# Everything below is about this simulated population. **Education and research only**: no number here is a dose for a
# patient.
#
# ## The question as a file
#
# The same text as a file would run with `vertebro sweep study.toml --out DIR`. Every member is a new patient (anatomy,
# veins, scatter of permeability), and three unknowns vary: how hard the marrow resists, how open the bone is, how wide
# the veins are.

# %%
# %matplotlib inline
import os
import tempfile
import tomllib
from pathlib import Path

from vertebro.study import Study, best_wait, leak_curve, leak_shares, load_table, run_sweep, safe_volume, sobol_indices
from vertebro.view import draw_indices, draw_study

FAST = bool(os.environ.get("FAST"))  # the tests run this notebook with few members
OUT = Path(tempfile.mkdtemp(prefix="vertebro-study-"))

text = f"""
title = "How much cement"
case = "runny-cement"
design = "lhs"
samples = {4 if FAST else 96}
patients = "each"

[set]
"anatomy.spacing" = "{"1.5 mm" if FAST else "1.0 mm"}"
"heat.enabled" = false
"steps.0.volume" = "{"1 ml" if FAST else "8 ml"}"
"flow.interval" = "{"5 s" if FAST else "2 s"}"

[vary]
"marrow.viscosity" = {{ low = "0.05 Pa.s", high = "50 Pa.s", scale = "log" }}
"anatomy.permeability_factor" = {{ low = 0.3, high = 3.0, scale = "log" }}
"anatomy.segmental_radius" = {{ low = "0.4 mm", high = "1 mm" }}
"""
study = Study.parse(tomllib.loads(text))
print(text)

# %% [markdown]
# ## Run it
#
# One process per core; each member is on disk the moment it is done. Killed half-way, `resume=True` goes on.

# %%
result = run_sweep(study, OUT / "volume")
table = load_table(OUT / "volume")
print(f"{result.finished} members, {result.failed} failed, {3600 * result.finished / result.seconds:.0f} an hour")
draw_study(study, table)

# %% [markdown]
# ## From one run to a curve
#
# A run that injects 8 ml also tells what 3 ml would have done: the volume at which each route *began* to leak is on
# record. A member that never leaked counts up to its last drop. That is survival data, and the curve in the second
# panel is its Kaplan-Meier estimate with a 95 % band.
#
# The largest volume with a given risk follows: by the estimate, and, more honestly, by the upper end of the band. With
# few members the cautious answer is 0: thirty clean runs do not prove that the risk is below ten percent.

# %%
for kind, row in leak_shares(table).items():
    print(f"{kind:8} {100 * row['share']:5.1f} %  ({100 * row['low']:.0f} to {100 * row['high']:.0f} %)")
any_leak = ("B", "S", "C", "D", "canal", "foramen", "embolus")
safe_volume(table, any_leak, risk=0.25)

# %% [markdown]
# ## Which unknown decides?
#
# First-order Sobol indices say how much of the variance of an outcome would go if one setting were known; total
# indices add what it does together with others. All members share one patient here, so that the settings alone speak.

# %%
sobol = Study.parse(tomllib.loads(text) | {"design": "sobol", "samples": 4 if FAST else 64, "patients": 1})
run_sweep(sobol, OUT / "sobol")
indices = sobol_indices(sobol, load_table(OUT / "sobol"), "peak_bone_pressure_kpa" if FAST else "leak_ml")
draw_indices(indices)

# %% [markdown]
# ## Waiting for the cement
#
# Too early, and it runs; too late, and it does not go in. Success is at least nine tenths of the wanted volume and no
# leak above 0.1 ml.

# %%
ages = {"cement.age_at_start": {"values": ["2 min", "5 min"] if FAST else [f"{n} min" for n in range(2, 11)]}}
waiting = Study.parse(tomllib.loads(text) | {"design": "grid", "vary": ages, "patients": 1 if FAST else 12})
run_sweep(waiting, OUT / "waiting")
found = best_wait(load_table(OUT / "waiting"), wanted=1 if FAST else 8, threshold=0.1)
for row in found["rows"]:
    print(f"{row['wait_s'] / 60:4.0f} min  success {100 * row['success']:3.0f} %  leak {100 * row['leak']:3.0f} %")

# %% [markdown]
# ## What to take home
#
# Every probability above depends on settings that the literature leaves open, marrow resistance first of all. The study
# says how much each of them matters; it does not say which value is true.

# %%
curve = leak_curve(table, any_leak)
assert curve.members == result.finished
assert abs(curve.probability[-1] - leak_shares(table)["any"]["share"]) < 1e-9
