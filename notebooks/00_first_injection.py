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
# # A first injection
#
# A few millilitres of bone cement go through one needle into an osteoporotic first lumbar vertebra. This notebook runs
# that injection and looks at it the way an operator would (fluoroscopy, CT), and then the way only a simulation can
# (pressure, viscosity, every millilitre accounted for).
#
# **For education and research only.** Nothing here is validated for any patient.
#
# ## The case is the whole input
#
# A case is a frozen record; written out it is a commented file with every setting, its unit and its range
# (`vertebro new first-injection`). `replace` makes variants: change the needle's side, the rate, the cement's age.

# %%
# %matplotlib inline
import os

from PIL import Image

import vertebro as vb
from vertebro.view import draw_ct, draw_curves, draw_scene, draw_strip

FAST = bool(os.environ.get("FAST"))  # the tests run this notebook on a coarser grid

case = vb.Case.preset("first-injection")
if FAST:
    case = case.replace(anatomy__spacing="1.2 mm", flow__interval="4 s", imaging__rows=256, imaging__frames=3)
print(case.dumps()[:1500], "…")

# %% [markdown]
# ## From a case to a scene
#
# `Simulation` builds the vertebra (here from published measurements; a real CT works the same way), computes the
# needle's path through the left pedicle, and turns bone density into porosity and permeability. Where did the needle
# end up?

# %%
simulation = vb.Simulation(case)
anatomy = simulation.scene.anatomy
print(f"{anatomy.level}: grid {anatomy.grid.shape}, body {anatomy.body_volume * 1e6:.1f} ml")
simulation.scene.placements[0]

# %% [markdown]
# ## Inject
#
# Cement pushes marrow aside: at every step one pressure field is solved, the front moves with the flow, the cement
# grows older and thicker, and the hand on the plunger slows down when the syringe pressure reaches its limit.

# %%
run = simulation.run()
{key: run.summary[key] for key in ("volume_injected_ml", "volume_in_body_ml", "fill_fraction", "leaks")}

# %% [markdown]
# ## What the operator sees
#
# Fluoroscopy: bone and cement are dark. Anteroposterior view with the patient's right on the viewer's left, lateral
# view with the front of the patient on the left. Would you have stopped earlier?

# %%
draw_strip(run)

# %% [markdown]
# The CT afterwards: cement is white. Then the same cement in three dimensions, coloured by the time it left the needle.

# %%
draw_ct(run)

# %%
Image.fromarray(draw_scene(run))

# %% [markdown]
# ## What only the simulation knows
#
# Pressure in the syringe is mostly lost in the cannula; the pressure in the bone is small beside it. Watch both rise as
# the cement thickens.

# %%
draw_curves(run)

# %% [markdown]
# ## A number to hold on to
#
# Every millilitre that left the needle is in the bone, in a leak or out of a vein: the volume balance closes. Now try
# `case.replace(cement__age_at_start="2 min")` and look at the leaks.

# %%
wanted_ml = case.steps[0].volume * 1e6
assert abs(run.summary["volume_injected_ml"] - wanted_ml) < 0.01 * wanted_ml
assert run.summary["volume_balance_error"] <= 1e-6
