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
# # Pictures of a run
#
# One short injection, then every picture that `vertebro.view` draws of it: the scene, its cement by time, age and heat,
# CT planes, the leaflet's five pictures, and a scene to turn. Everything is drawn off-screen in software; no display or
# graphics card is needed.
#
# **Education and research only.**

# %%
# %matplotlib inline
import pyvista as pv
from IPython.display import display
from PIL import Image

from vertebro.case import Case
from vertebro.simulation import Simulation
from vertebro.view import draw_mpr, draw_scene, leaflet_series, open_scene

pv.set_jupyter_backend("static")  # stays in the file; see the last section for live ones
case = Case.preset("endplate-crack").with_settings({"anatomy.spacing": "1.2 mm"})
run = Simulation(case, pictures=False).run()
[(leak["kind"], leak["volume_ml"], leak["position_words"]) for leak in run.summary["leaks"]]

# %% [markdown]
# ## The scene
#
# Bone is glass: clear where it faces you, dense at the rim. The fissure is a dark sheet, leaks are coloured by kind and
# carry their letter; a hollow dot on a dotted line lies behind the cement.

# %%
display(Image.fromarray(draw_scene(run)))

# %%
display(Image.fromarray(draw_scene(run, view="lateral", cut=True, colour="temperature")))

# %% [markdown]
# ## Planes
#
# The same CT planes in the scene and as a viewer shows them, with crosshair, window and the cement over the bone.

# %%
display(Image.fromarray(draw_scene(run, slices=("axial", "sagittal"), hidden=("veins", "discs"))))

# %%
draw_mpr(run, overlay="age", window="bone")

# %% [markdown]
# ## The leaflet's five pictures
#
# Needle in the arch, needle in the body, CT before and after, and the needle with the cement leaving its lower end.

# %%
series = leaflet_series(run)
for picture in series:
    print(picture.caption)
    display(Image.fromarray(picture.image))

# %% [markdown]
# ## A scene to turn
#
# `open_scene(run).show()` draws a still picture with the static backend. With `pip install "vertebro[widget]"` and
# `pv.set_jupyter_backend("server")` it turns live under the mouse, without network. On a desktop, `vertebro look RUN`
# opens a window with a time slider, a box per layer and keys for colours, views and slice planes.

# %%
look = open_scene(run, time=60.0, colour="age").layer("discs", False).cut("sagittal")
look.show()
assert len(series) == 5
assert all(picture.image.std() > 10 for picture in series)  # drawn, not blank
