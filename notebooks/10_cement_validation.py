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
# # The cement against published measurements
#
# Published range, our value and a verdict, side by side, and what we miss. Only abstracts of most papers were at hand:
# where a set-up is not described there, the assumption is named. Every cement number is a card entry
# (`vertebro explain cement.generic-medium`). Education and research only.

# %%
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

from vertebro.delivery import Delivery
from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.grid import VoxelGrid
from vertebro.materials import cement
from vertebro.procedure import Needle, cannula_pressure_drop
from vertebro.units import ZERO_CELSIUS, MPa, minute, ml

FAST = os.environ.get("FAST") == "1"
ROOM, BODY, Q = ZERO_CELSIUS + 22, ZERO_CELSIUS + 37, 3 * ml / minute
rows = []  # experiment, quantity, published, ours, verdict


def note(experiment, quantity, published, ours, low, high):
    verdict = "within" if low <= ours <= high else "missed"
    rows.append((experiment, quantity, published, f"{ours:.3g}", verdict))


# %% [markdown]
# ## Krebs 2005: pressure in the syringe, in patients
#
# An instrumented syringe holder: peaks of 1693 ± 653 kPa with a syringe opening of 1.8 mm, 1727 ± 597 kPa with 3 mm,
# never above 3215 kPa, higher later than 500 s after mixing than at 300 to 500 s. Brand, needle and rate are not in the
# abstract: 11 and 13 G, six cements, 3 mL/min by a hand of 200 N on a 3 mL syringe, 3 mL delivered, are ours. The
# cannula ages its content at body temperature on the way. Then: what a wider syringe opening changes, and what a
# cannula of twice the bore over its upper two thirds does (Baroud and Steffen 2005 measured 63 % less).


# %%
def peak(name, gauge, start):
    needle = Needle(name="n", gauge=gauge, entry=(0, -0.08, 0), tip=(0, 0, 0))
    device = Delivery.through(needle, cement(name), age_at_start=start, temperature=ROOM, body=BODY)
    pressures, out = [0.0], 0.0
    while out < 3 * ml and len(pressures) < 90:
        push = device.plan(Q, 2.0, rest=1e3, resistance=2e11)
        out += device.commit(push, 2.0)
        pressures.append(push.pressure)
    return max(pressures) / MPa


brands = ["generic-medium", "simplex-p", "osteopal-v", "kyphon-hvr", "vertebroplastic", "generic-high"]
starts = {"early": np.arange(300, 500, 50), "late": np.arange(500, 600, 25)}
peaks = {k: np.array([peak(b, g, s) for b in brands for g in (11, 13) for s in v]) for k, v in starts.items()}
everyone = np.concatenate(list(peaks.values()))
note("Krebs 2005", "mean peak, MPa", "1.70 ± 0.63", everyone.mean(), 1.07, 2.33)
note("Krebs 2005", "highest peak, MPa", "3.2", everyone.max(), 2.9, 3.5)
note("Krebs 2005", "late over early", "> 1", peaks["late"].mean() / peaks["early"].mean(), 1.0, np.inf)
law = cement("generic-medium").at(np.array([450.0]))
long, nozzle = ({"length": x, "viscosity": law} for x in (0.125, 0.01))
narrow, wide = (cannula_pressure_drop(Q, inner_diameter=d, **nozzle) for d in (1.8e-3, 3e-3))
whole = cannula_pressure_drop(Q, inner_diameter=2.388e-3, **long)
note("Krebs 2005", "gain by a 3 mm opening, share", "0 ± 0.35", (narrow - wide) / (narrow + whole), -0.35, 0.35)
upper = cannula_pressure_drop(Q, inner_diameter=2 * 2.388e-3, **long)
note("Baroud 2005", "gain by a wide upper cannula", "0.63", 2 / 3 * (1 - upper / whole), 0.5, 0.7)
plt.figure()
plt.hist([peaks["early"], peaks["late"]], bins=12, stacked=True, label=["from 300 to 450 s", "from 500 to 575 s"])
plt.axvspan(1.04, 2.35, color="0.9", zorder=0, label="Krebs: mean ± s.d.")
plt.axvline(3.215, color="k", ls=":", label="Krebs: highest")
plt.xlabel("peak syringe pressure [MPa]")
plt.legend()
plt.show()

# %% [markdown]
# ## Li 2015: pressure in the bone
#
# Eighteen cadaver vertebrae, a central core removed and filled with muscle paste to 100 % or 30 % (a void), then cement
# of 20 % of the body's volume at 3 mL/min: at most 5.09 kPa without and 1.20 kPa with the void. The abstract gives
# neither core size, cement, age nor sensor place. Ours: body 17 mL, core radius 8 mm, K = 1e-8 m², medium cement 4 min
# old, pressure at the needle. Void: liquid marrow is displaced. Paste: a fluid of 1 to 1000 Pa·s is; where 5.09 kPa is
# met, that is a calibration of the paste, not a validation.


# %%
def ball(h, big, injected, displaced, radius=1.2e-3, **more):
    n = 2 * int(big / h) + 3
    grid = VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3, origin=(-(n // 2) * h,) * 3)
    r = np.sqrt(sum(x**2 for x in grid.open_mesh()))
    inside, rim = r < big + 1.8 * h, (r >= big) & (r < big + 1.8 * h)
    tip = Well(cells=[(n // 2,) * 3], radius=radius, **{"rate": Q} | more)
    fluids, ends = {"injected": injected, "displaced": displaced}, [Outlet(cells=np.argwhere(rim))]
    return r, inside, FlowProblem(grid=grid, porosity=np.where(inside, 0.9, 0), permeability=1e-8, wells=[tip],
                                  outlets=ends, **fluids)  # fmt: skip


def bone_pressure(displaced):
    law = cement("generic-medium").law(240.0, temperature=ROOM)
    r, _, problem = ball(2e-3, 16e-3, law, displaced)
    problem = replace(problem, permeability=np.where(r < 8e-3, 2e-6, problem.permeability))
    stepper, state = Stepper(problem), problem.initial_state()
    return max(stepper.advance(state, 6.8).well_pressures["well"] for _ in range(10)) / 1e3


pastes = np.array([1.0, 10.0, 100.0, 1000.0])
filled = np.array([bone_pressure(mu) for mu in pastes])
void = bone_pressure(0.05)
matching = float(np.exp(np.interp(np.log(5.09), np.log(filled), np.log(pastes))))
note("Li 2015", "void, kPa", "1.20", void, 0.6, 2.4)
note("Li 2015", "paste of 100 Pa·s, kPa", "5.09", filled[2], 2.5, 10)
plt.figure()
plt.loglog(pastes, filled, "o-", label="core full of paste")
plt.axhline(5.09, color="k", ls=":", label="Li: without void")
plt.axhline(1.20, color="0.6", ls=":", label="Li: with void")
plt.axhline(void, color="C1", label="ours: with void")
plt.title(f"5.09 kPa is met by a paste of {matching:.0f} Pa·s")
plt.xlabel("viscosity of the displaced paste [Pa·s]")
plt.ylabel("highest pressure at the needle [kPa]")
plt.legend()
plt.show()

# %% [markdown]
# ## Habib 2010: leaked mass against delay
#
# A bench block with a leak path, five groups: Vertebroplastic leaked 4.0 ± 1.2 g when started at 3.5 min and
# 2.6 ± 1.2 g at 9.5 min, Confidence 1.5 ± 1.2 g at 3.5 min and 0.92 ± 0.6 g at 6.5 min; the pressure inside did not
# differ. Block, path, filling and volume are not in the abstract: ours is a ball of 18 mm radius, K = 1e-8 m², a duct
# of 1.5 mm radius from 4 mm beside the tip to the outside, 6 mL at 3 mL/min. If what fills the pores offers no
# resistance, viscosity cannot matter (invariance theorem); so we ask which resistance gives 4.0 : 2.6 : 1.5 : 0.92,
# with the cards as they are, and with the slowest thickening that Vertebroplastic's card allows (2.5 instead of
# 1.6 min). The third panel answers the other way: liquid marrow, 3 mL/min for two minutes, but the
# pressure at the tip never above a cap.


# %%
def leaked(law, marrow, duct=1.5e-3, h=2e-3, **control):
    _, inside, p = ball(h, 18e-3, law, marrow, **control)
    c, share = p.grid.shape[0] // 2, np.pi * duct**2 / h**2
    vessel = np.zeros(p.grid.shape, bool)
    vessel[c + 2 :, c, c] = True
    vessel &= inside
    along = np.reshape([True, False, False], (3, 1, 1, 1)) & vessel
    k = np.where(along, duct**2 / 8 * share, p.permeability)
    pores = np.where(vessel, min(share + 0.9 * (1 - share), 1.0), p.porosity)
    return run(replace(p, permeability=k, porosity=pores), vessel)


def run(problem, vessel):
    ends = problem.outlets[0].cells
    outside = vessel[tuple(ends.T)]
    parts = [Outlet(name="duct", cells=ends[outside]), Outlet(name="marrow", cells=ends[~outside])]
    problem = replace(problem, outlets=parts)
    state = problem.initial_state()
    report = Stepper(problem, tolerance=1e-5).advance(state, 120.0)
    volume = state.outflow["duct"] + (state.saturation * problem.pore_volume)[vessel].sum()
    return volume / ml * 1.25, report.well_pressures["well"] / 1e3, state.injected_volume / ml


def arms(low):
    high = cement("confidence")
    return [card.law(age, temperature=ROOM) for card, age in ((low, 210), (low, 570), (high, 210), (high, 390))]


measured = np.array([4.0, 2.6, 1.5, 0.92])
marrows = [0.05, 50.0, 1000.0] if FAST else [0.05, 1.0, 10.0, 50.0, 200.0, 1000.0, 5000.0]
curves = {"card": cement("vertebroplastic"), "slow": cement("vertebroplastic").replace(swelling_time=150.0)}
table = {k: np.array([[leaked(law, m)[:2] for law in arms(v)] for m in marrows]) for k, v in curves.items()}
ratios = {k: t[..., 0] / t[:, :1, 0] * 4.0 for k, t in table.items()}
misfit = {k: np.sqrt(np.mean(np.log(v / measured) ** 2, axis=1)) for k, v in ratios.items()}
caps = [10.0, 15.0, 20.0] if FAST else [5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0]  # kPa
capped = np.array([[leaked(law, 0.05, pressure=p * 1e3) for law in arms(curves["slow"])] for p in caps])
ratios["capped"] = capped[..., 0] / capped[:, :1, 0] * 4.0
misfit["capped"] = np.sqrt(np.mean(np.log(ratios["capped"] / measured) ** 2, axis=1))

# %%
figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True)
for axes, (name, values) in zip(panels, ratios.items(), strict=True):
    axes.semilogx(caps if name == "capped" else marrows, values, "o-")
    axes.set_title(f"{name}: best within a factor {np.exp(misfit[name].min()):.2f}", fontsize=10)
    axes.set_xlabel("pressure cap [kPa]" if name == "capped" else "resistance in the pores [Pa·s]")
    for value, colour in zip(measured, ("C0", "C1", "C2", "C3"), strict=True):
        axes.axhline(value, color=colour, ls=":")
panels[0].set_ylabel("leaked, first arm = 4.0 g [g]; dotted: Habib")
plt.show()
best = {name: int(np.argmin(values)) for name, values in misfit.items()}
for arm, name in enumerate(("Vertebroplastic 9.5 min", "Confidence 3.5 min", "Confidence 6.5 min"), start=1):
    for way, values in ratios.items():
        low, high = 0.7 * measured[arm], 1.4 * measured[arm]
        note("Habib 2010", f"{name}, {way}", f"{measured[arm]:g} of 4.0", values[best[way], arm], low, high)
for way, run_of in (("slow", table["slow"]), ("capped", capped)):
    found = run_of[best[way]]
    note("Habib 2010", f"leaked at 3.5 min, g, {way}", "4.0 ± 1.2", found[0, 0], 2.8, 5.2)
    note("Habib 2010", f"inner pressure, last over first, {way}", "1", found[3, 1] / found[0, 1], 0.67, 1.5)
print(f"slow: best with {marrows[best['slow']]:g} Pa·s in the pores; capped: best at {caps[best['capped']]:g} kPa, "
      "where the arms take " + ", ".join(f"{v:.1f}" for v in capped[best["capped"], :, 2]) + " mL")  # fmt: skip

# %% [markdown]
# ## Side by side
#
# *What holds*: the syringe pressures, their rise with time and their end at a hand's force come out of cards and tube
# flow without a fitted number, and so does the void of Li within a factor of two. *What is calibrated*: the paste of
# Li, the resistance or the cap of Habib. *What is missed*: with Vertebroplastic's card as it is, cement of 9.5 min is
# thicker than Confidence at 3.5 min, so no resistance gives the published order; only the slow end of its range does.
# Then two mechanisms fit the ratios about equally, each with one number: pores that resist like a thousand Pa·s (a
# gel, no liquid), where the pressure inside rises with viscosity and Habib saw no difference; or an injection limited
# to some 20 kPa, where the thick arms share one pressure but also take up to three times less cement. Volumes and the
# filling of the pores, both in the paper's body, would decide. The duct is free too: absolute masses follow it.

# %%
widths = [max(len(row[i]) for row in rows) for i in range(5)]
print("\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows))
assert 1.07 < everyone.mean() < 2.33
assert np.ptp(ratios["card"][0]) < 0.4  # of 4 g: in liquid marrow viscosity hardly matters
assert misfit["slow"].min() < 0.25 < misfit["card"].min()
assert np.all(np.diff(ratios["capped"][best["capped"]]) < 0)
