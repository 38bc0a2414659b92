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
# How hard must one push, how much leaks, how hot does it get? Published range, our value and a verdict, side by side in
# one table at the end, misses included. Only abstracts of most papers were at hand: where a set-up is not described
# there, the assumption is named. Every cement number is a card entry (`vertebro explain cement.generic-medium`).
# `FAST=1` takes fewer cases and coarser grids. Education and research only.

# %%
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np

from vertebro.case import Case
from vertebro.delivery import Delivery
from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.flow.heat import HeatField
from vertebro.flow.heat_problem import Curing, HeatProblem, ThermalFluid
from vertebro.grid import VoxelGrid
from vertebro.materials import cement, thermal
from vertebro.procedure import Needle, cannula_pressure_drop
from vertebro.simulation import Simulation
from vertebro.tissue import Tissue
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
def syringe_peak(name, gauge, start):
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
if FAST:
    brands, starts = brands[::2] + brands[-1:], {period: ages[1::2] for period, ages in starts.items()}
peaks = {k: np.array([syringe_peak(b, g, s) for b in brands for g in (11, 13) for s in v]) for k, v in starts.items()}
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
    return flood(replace(p, permeability=k, porosity=pores), vessel)


def flood(problem, vessel):
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

figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True)
for axes, (name, values) in zip(panels, ratios.items(), strict=True):
    axes.plot(caps if name == "capped" else marrows, values, "o-")
    axes.set_xscale("linear" if name == "capped" else "log")
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
# ## Patties in a mould
#
# A disc of cement sets in a mould at 23 °C. In metal or PTFE a thin patty gives its heat to the wall; in foam it keeps
# it. Published (6 against 40 mm): the peaks differ by 75 °C in PTFE and 28 °C in foam, the setting times by 740 and
# 130 s; at 6 mm PTFE is 50 °C below foam. Assumed: 60 mm across, walls of 10 mm, outside at 23 °C. Which cement it was
# is unknown, and it matters: the slower, the more heat is lost. So a usual and a slow one are tried, and the
# slow one with a gentler cure law (shape 3.5 for 9.2). Set, as in ASTM F451, is half way from room to peak.

# %%
MOULDS = {"PTFE": (0.25, 2.2e6), "PU foam": (0.03, 6e4)}  # W/(m·K), J/(m³·K), handbook values
BENCH, H = ZERO_CELSIUS + 23, (3e-3 if FAST else 2e-3, 1e-3)  # K; m across and along


def card_parts(card):
    fluid = ThermalFluid(heat_capacity=card.density_uncured * card.specific_heat, conductivity=float(card.conductivity))
    names = {"heat": "heat_per_volume"} | {
        key: key for key in ("set_time", "shape", "activation_energy", "reference_temperature")
    }
    return fluid, Curing(**{key: float(getattr(card, name)) for key, name in names.items()})


def disc(height):
    n, nz = round(0.08 / H[0] / 2) * 2 - 1, round((height + 0.02) / H[1])
    middle = (-(n // 2) * H[0],) * 2 + ((1 - nz) / 2 * H[1],)
    grid = VoxelGrid(shape=(n, n, nz), spacing=(H[0], H[0], H[1]), origin=middle)
    r, a, s = grid.open_mesh()
    return grid, (r**2 + a**2 < 0.03**2) & (abs(s) < height / 2)


def patty(height, wall, card):
    (grid, inside), (fluid, curing) = disc(height), card_parts(card)
    dry = {"pore_volume": inside * grid.voxel_volume, "perfusion": 0.0, "body_temperature": BENCH}
    dry["conductivity"] = np.where(inside, fluid.conductivity, wall[0])
    dry["heat_capacity"] = np.where(inside, fluid.heat_capacity, wall[1])
    problem = HeatProblem(grid=grid, injected=fluid, displaced=fluid, curing=curing, **dry)
    return HeatField(problem, saturation=inside.astype(float), cure_age=60.0)


def centre(field, until):
    middle, found = tuple(n // 2 for n in field.problem.grid.shape), []
    while field.time < until:
        field.advance(10.0)
        found.append((field.time + 60.0, field.temperature[middle] - ZERO_CELSIUS))
    return np.array(found)


cards = {name: cement(name) for name in ("simplex-p", "vertecem-v+")}
cards["gentle"] = cards["vertecem-v+"].replace(shape=3.5)  # a law that runs away less
cases = [(card, wall, height) for card in cards for wall in MOULDS for height in (6, 40)]
ends = {card: 1200.0 if card == "simplex-p" else 2700.0 for card in cards}
curves = {(c, w, mm): centre(patty(mm * 1e-3, MOULDS[w], cards[c]), ends[c]) for c, w, mm in cases}

# %%
colours = {"PTFE": "#0072B2", "PU foam": "#D55E00"}
figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), sharey=True)
for (card, wall, height), curve in curves.items():
    axis, dash = axes[list(cards).index(card)], "-" if height == 6 else "--"
    axis.plot(curve[:, 0] / 60, curve[:, 1], dash, color=colours[wall], label=f"{wall} {height} mm")
    axis.set(title=f"{card}, mould at 23 °C", xlabel="time since mixing [min]")
axes[0].set_ylabel("centre [°C]")
axes[0].legend(frameon=False, loc="center left")
plt.show()


def set_at(curve):
    rising = curve[: curve[:, 1].argmax() + 1]
    return np.interp((rising[-1, 1] + 23.0) / 2, rising[:, 1], rising[:, 0])


for card in cards:
    hot = {key[1:]: curve[:, 1].max() for key, curve in curves.items() if key[0] == card}
    for wall, gap, later in (("PTFE", 75.0, 740.0), ("PU foam", 28.0, 130.0)):
        warmer = hot[wall, 40] - hot[wall, 6]
        sooner = set_at(curves[card, wall, 6]) - set_at(curves[card, wall, 40])
        note(f"Patty, {card}", f"{wall}: peak, 40 above 6 mm, K", f"{gap:g}", warmer, 0.7 * gap, 1.3 * gap)
        note(f"Patty, {card}", f"{wall}: set, 6 after 40 mm, s", f"{later:g}", sooner, 0.7 * later, 1.3 * later)
    note(f"Patty, {card}", "peak of 6 mm, foam above PTFE, K", "50", hot["PU foam", 6] - hot["PTFE", 6], 35, 65)

# %% [markdown]
# ## How hot a vertebra gets
#
# Belkoff and Molloy put 6 or 10 mL of Simplex P into osteoporotic bodies in a bath of 37 °C: anterior cortex 44 to
# 113 °C, centre 49 to 112, canal 39 to 57. Anselmetti measured 86.7 ± 10.7, 60.5 ± 3.7 and 44.8 ± 2.6 °C in three
# groups of cements in vivo. Our specimens have no perfusion, our patient has. Probes: a ball of 4 mm in the body's
# middle and at its front wall; in the canal the hottest voxel. The hottest voxel of the cement would be no test:
# `heat.boiling_point` cuts it at 112.5 °C because nobody measured more than 113. Last, a goat: 0.8 mL in 22 % of its
# vertebra, 44.6 °C on average at the interface; ours is a ball of cement-filled bone, marrow perfused as in a young
# animal, the cement four minutes old.

# %%
base = Case.preset("first-injection").with_settings({"anatomy.spacing": "1.5 mm" if FAST else "1.2 mm"})
dead = {"heat.marrow_perfusion": "0 ml/min/100g", "heat.soft_perfusion": "0 ml/min/100g"}
simplex = dead | {"cement.preset": "simplex-p"}
wishes = {
    "6 mL Simplex, bath": simplex | {"steps.0.volume": "6 ml"},
    "10 mL Simplex, bath": simplex | {"steps.0.volume": "10 ml", "steps.0.rate": "6 ml/min"},
    "4 mL medium, patient": {"cement.preset": "generic-medium", "steps.0.volume": "4 ml"},
}
anatomy = Simulation(base, pictures=False).scene.anatomy
runs = {k: Simulation(base.with_settings(w), anatomy=anatomy, pictures=False).run() for k, w in wishes.items()}
figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), sharey=True)
for axis, (name, run) in zip(axes, runs.items(), strict=True):
    for key, colour in (("cement_c", "#D55E00"), ("disc_superior_c", "#009E73"), ("canal_c", "#0072B2")):
        axis.plot(run.heat.curves["time_s"] / 60, run.heat.curves[key], color=colour, label=key[:-2].replace("_", " "))
    axis.set(title=name, xlabel="time [min]")
axes[0].set_ylabel("hottest voxel [°C]")
axes[2].legend(frameon=False, loc="upper right")
plt.show()


def probe(run, a):
    r = anatomy.grid.open_mesh()
    return float(run.heat.peak[(r[0] ** 2 + (r[1] - a) ** 2 + r[2] ** 2) < 2e-3**2].mean())


for name in list(runs)[:2]:
    run, places, who = runs[name], runs[name].summary["heat"], f"Belkoff, {name[:5].strip()}"
    note(who, "centre, °C", "49 to 112", probe(run, 0.0), 49, 112.5)
    note(who, "anterior cortex, °C", "44 to 113", probe(run, anatomy.landmarks.anterior_wall - 1e-3), 44, 113)
    note(who, "canal, °C", "39 to 57", places["peak_c"]["canal"], 39, 57)
    note(who, "cement above 50 °C, min", "0 to 8", places["seconds_above_50_c"]["cement"] / 60, 0, 8)
patient = runs["4 mL medium, patient"]
note("Anselmetti", "patient: centre, °C", "42 to 98", probe(patient, 0.0), 42, 98)
note("Anselmetti", "patient: canal, °C", "at most 43.2", patient.summary["heat"]["peak_c"]["canal"], 37, 43.2)

edge, phi = 1e-3, 0.85
grid = VoxelGrid(shape=(41,) * 3, spacing=(edge,) * 3, origin=(-20 * edge,) * 3)
r, radius = np.sqrt(sum(x**2 for x in grid.open_mesh())), (3 * 0.8e-6 / (4 * np.pi * phi)) ** (1 / 3)
fluid, curing = card_parts(cement("simplex-p"))
bone = np.full(grid.shape, int(Tissue.CANCELLOUS))
marrow = ThermalFluid(heat_capacity=float(thermal.MARROW_CAPACITY), conductivity=float(thermal.MARROW_CONDUCTIVITY))
tissue = {"heat_capacity": thermal.heat_capacity(bone, phi), "conductivity": thermal.conductivity(bone, phi)}
tissue |= {"perfusion": thermal.perfusion(bone, marrow=2.9e-6), "pore_volume": phi * grid.voxel_volume}
problem = HeatProblem(grid=grid, injected=fluid, displaced=marrow, curing=curing, **tissue)
goat, hottest = HeatField(problem, saturation=(r < radius).astype(float), cure_age=240.0), np.zeros(grid.shape)
while goat.time < 900.0:
    goat.advance(5.0)
    hottest = np.maximum(hottest, goat.temperature - ZERO_CELSIUS)
around = hottest[(r >= radius) & (r < radius + edge)]
note("Goat, 0.8 mL", "interface, mean peak, °C", "44.6", around.mean(), 41.6, 47.6)

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
#
# *Heat* has nothing fitted. The vertebra's centre and front wall and the calm canal of a patient come out as measured.
# Too mild are the mould effect (a gentler law gives two thirds of the missing warmth, but no law of this family the
# missing minutes) and, at 6 mL, the canal; too warm is the goat's small ball. Believe ranks and tens of kelvin.

# %%
widths = [max(len(row[i]) for row in rows) for i in range(5)]
print("\n".join("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in rows))
assert 1.07 < everyone.mean() < 2.33
assert np.ptp(ratios["card"][0]) < 0.4  # of 4 g: in liquid marrow viscosity hardly matters
assert misfit["slow"].min() < 0.25 < misfit["card"].min()
assert np.all(np.diff(ratios["capped"][best["capped"]]) < 0)
assert len(rows) == 46
assert sum(row[-1] == "within" for row in rows) >= 20
for run in runs.values():
    assert run.summary["heat"]["energy_balance_error"] < 1e-10
    assert run.summary["peak_temperature_c"] <= 113.0
