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
# # Fluoroscopy: from line integrals to what the operator sees
#
# A leak is safe only if somebody sees it. Whether it is seen depends on bone in front of it, on scatter, on the dose of
# a pulse, on the filter that makes the picture quiet and the needle ghost. Here every one of these is switched on
# alone, on the same view of the same patient.
#
# **Education and research only.**

# %%
# %matplotlib inline
import os
from pathlib import Path

import numpy as np

from vertebro.aim import aim, view_marks
from vertebro.anatomy import ParametricSpec, build_parametric, import_ct
from vertebro.case import Case
from vertebro.drainage import vein_grid, vein_raster
from vertebro.imaging import (
    Fluoroscope,
    Stream,
    covered_field,
    make_mask,
    needle_path,
    roadmap,
    subtract,
    tissue_layers,
    view_quality,
)
from vertebro.imaging.detector import Detector
from vertebro.imaging.display import Display
from vertebro.imaging.scatter import Scatter
from vertebro.imaging.subtraction import subtraction_picture
from vertebro.simulation import Simulation
from vertebro.view import LoopMaker, draw_before_after, draw_effects, draw_frames, fluoro_scene, one_by_one

FAST = bool(os.environ.get("FAST"))  # the tests run this notebook with small pictures on coarser grids
ROWS, FIELD = (192, 0.16) if FAST else (512, 0.16)
PIXEL = FIELD / ROWS
spacing = {"spacing": 1.2e-3, "surround_spacing": 2e-3} if FAST else {"spacing": 0.6e-3, "surround_spacing": 1e-3}
patient = build_parametric(ParametricSpec(level="L1", **spacing))
around = patient.surround
layers = tissue_layers(patient.hu, patient.grid, surround_hu=around.hu, surround_grid=around.grid)


def look(machine, view="lateral", anatomy=patient, tissue=layers):
    pose = aim(view, anatomy, rows=ROWS, field=FIELD)
    return machine.prepare(pose, tissue, collimation=covered_field(pose.geometry, anatomy.surround.grid))


def steel(view, depth=1.0):
    line = np.zeros((ROWS, ROWS), np.float32)
    way = np.array([0.02, 0.07, -0.004]) * (1 - depth)
    entry, tip = np.array([-0.03, -0.085, 0.012]) - way, np.array([-0.008, 0.004, 0.003]) - way
    return needle_path(view.geometry, entry, tip, outer_diameter=3.05e-3, inner_diameter=2.4e-3, out=line)


# %% [markdown]
# ## The beam and the detector, one effect at a time
#
# From left to right each picture has one effect more; noise is off. Below: what that effect did to the signal, its mean
# taken out. A single energy stands for the beam behind the body and gets thin and dense places wrong. Scatter lifts the
# dark places most, which is where cement is; the heel weakens the side of the anode; focus and detector take the edge
# off cortex and needle; glare is a faint veil. The 1 ml of cement is a ball here, so that nothing but the imaging
# changes.

# %%
r, a, s = patient.grid.open_mesh()
ball = ((r + 0.004) ** 2 + (a - 0.004) ** 2 + s**2 < (0.75e-6 / np.pi) ** (2 / 3)).astype(np.float32)
point = Detector(sharp_sigma=0.0, wide_sigma=0.0)
plain = Fluoroscope(kvp=80.0, bins=1, heel=None, scatter=None, glare=None, focal_spot=0.0, shutter=None, detector=point)
steps = {
    "one energy, primary only": {},
    "+ spectrum (hardening)": {"bins": 12},
    "+ scatter, with grid": {"scatter": Scatter()},
    "+ heel": {"heel": Fluoroscope().heel},
    "+ focal spot": {"focal_spot": 0.6e-3},
    "+ detector blur": {"detector": Detector()},
    "+ glare": {"glare": Fluoroscope().glare},
}
views = {name: look(machine) for name, machine in one_by_one(plain, steps).items()}
last = views["+ glare"]
shown = {"cement_line": last.cement_line(ball, patient.grid), "needle_line": steel(last)}
draw_effects(views, **shown)

# %% [markdown]
# ## Noise, lag, filter and brightness control
#
# Noise at three doses a picture (single exposures). Then the needle is pushed in at 20 mm a second at 15 pulses a
# second: raw pulses are noisy but the needle is where it is; the recursive filter is quiet and drags a ghost; a filter
# that looks for motion lets the needle through; lag adds a faint one of its own. Last, a steel plate slides into the
# field: the brightness control answers within half a second.

# %%
full = Fluoroscope()
doses = enumerate((20e-9, 200e-9, 2e-6))
noisy = {f"{1e9 * d:.0f} nGy": look(Fluoroscope(detector_dose=d)).frame(number=n, **shown) for n, d in doses}
pictures = {name: frame.display for name, frame in noisy.items()}
filters = {
    "one pulse": {"temporal": None, "motion": None, "lag": None},
    "+ recursive filter": {"temporal": 0.3},
    "+ motion detection": {"motion": 4.0},
    "+ lag": {"lag": full.lag},
}
for name, machine in one_by_one(full, filters).items():
    stream = Stream(look(machine), charge=0.2)
    for number in range(12):
        frame = stream.frame(needle_line=steel(stream.view, 0.5 + number / 15 / 3.7), time=number / 15)
    pictures[name] = frame.display
stream, plate = Stream(look(full)), np.full((ROWS, ROWS), 1e-3, np.float32)
tube = [stream.frame(needle_line=plate if n > 3 else None, time=n / 15) for n in range(30)]
print("time [s]    ", *(f"{n / 15 - 4 / 15:6.2f}" for n in range(2, 30, 3)))
for name, value in {"kV": "kvp", "mAs": "mas", "detector nGy": "detector_air_kerma"}.items():
    print(f"{name:12}", *(f"{getattr(f.dose, value) * (1e9 if 'nGy' in name else 1):6.2f}" for f in tube[2::3]))
draw_frames(pictures, sides=("A", "P"), pixel=PIXEL)

# %% [markdown]
# ## Views and display
#
# The square views are computed from the bone's landmarks and judged by the same rules as a trainee's: endplates in one
# line, spinous process midway, one posterior wall, the pedicle a ring. Then the same lateral signal through other
# display curves: without compression of slow variations the lung blinds the eye; sharpening helps cortex and noise
# alike.

# %%
names = ("true-ap", "true-lateral", "en-face-left", "en-face-right")
squares = {name: look(full, name) for name in names}
quality = {name: view_quality(view.geometry, view_marks(patient), name) for name, view in squares.items()}
pictures = {f"{name}, {quality[name].score:.2f}": view.frame().display for name, view in squares.items()}
curves = {
    "no compression": Display(compression=0.0),
    "no sharpening": Display(sharpen=0.0),
    "strong sharpening": Display(sharpen=1.5),
    "inverted (film)": Display(invert=True),
}
pictures |= {name: look(Fluoroscope(display=curve)).frame(**shown).display for name, curve in curves.items()}
draw_frames(pictures)

# %% [markdown]
# ## Contrast test: subtraction and roadmap
#
# Contrast agent in the veins of the vertebra, half mixed with blood: hard to tell from bone in the native picture,
# alone in the subtraction, laid over the live picture as a roadmap. A patient who moved by two pixels between mask and
# run leaves his bones.

# %%
view = look(full, "ap")
network, wide = patient.network, vein_grid(patient.network, 0.8e-3)
near = np.abs(network.nodes[network.segments][..., 2]).max(axis=1) < 0.025  # what drains this vertebra
content = np.where(near, np.pi * network.radius**2 * network.length, 0.0)
agent = 0.5 * view.cement_line(vein_raster(network, wide).fraction(content), wide)
mask = make_mask([view.frame(number=n) for n in range(8)])
live = view.frame(contrast_line=agent, number=20)
vessels = subtract(mask, live)
pictures = {"native": live.display}
pictures["subtracted"] = (subtraction_picture(vessels, view.opening) >> 8).astype(np.uint8)
moved = subtract(mask, live, shift=(2.0, 0.0))
pictures["moved by 2 pixels"] = (subtraction_picture(moved, view.opening) >> 8).astype(np.uint8)
pictures["roadmap"] = (roadmap(vessels, view.frame(number=21).display16) >> 8).astype(np.uint8)
draw_frames(pictures, sides=("R", "L"), pixel=PIXEL)

# %% [markdown]
# ## Cement that grows, and when a leak becomes visible
#
# A whole run: every leak has the time at which cement left the bone and the time at which a frame first shows it
# (Rose's criterion against noise and the anatomy's own clutter). `LoopMaker` takes the loops that `vertebro export RUN
# --to dicom|gif|mp4` writes. How many leaks CT finds that fluoroscopy misses is a matter of many patients: see notebook
# 11.

# %%
case = Case.preset("first-injection").with_settings({"anatomy.spacing": "1.5 mm", "imaging.rows": ROWS})
short = {"steps.0.volume": "0.5 ml", "imaging.frames": 2, "heat.enabled": False}
case = case.with_settings(short if FAST else {"steps.0.volume": "4 ml", "anatomy.spacing": "1 mm"})
run = Simulation(case).run()
for leak in run.summary["leaks"]:
    print(leak["kind"], f"{leak['volume_ml']:.3f} ml, left {leak['t_leak_s']} s, visible {leak['t_visible_s']} s")
needle, _ = LoopMaker(run=run, most=4).loop("needle")
growth = LoopMaker(run=run, most=4).loop("injection")[1].acquisition
pictures = {f"needle {shot.time:.1f} s": shot.display for shot in needle.acquisition.shots}
pictures |= {f"cement {shot.time:.0f} s": shot.display for shot in growth.shots}
display(draw_frames(pictures), draw_before_after(run))  # noqa: F821
from PIL import Image

display(Image.fromarray(fluoro_scene(run, "true-lateral", size=(700, 525))))  # noqa: F821

# %% [markdown]
# ## A real patient through the same chain
#
# LIDC-IDRI-0001 (CC BY 3.0) beside the generated patient: his torso, resampled to 1.4 mm, and the crop of his spine in
# the scanner's own pixels (2.5 mm slices). The machine does not know which is which. The real one is an old man with
# bowel, osteophytes and a bent spine, and his CT is coarser than any frame; the generated one has clean organs, sharp
# cortex and ribs as straight as planks.

# %%
folder = next((p for p in map(Path, ("../shared/data/lidc0001", "../../shared/data/lidc0001")) if p.is_dir()), None)
if folder is None:
    print("The torso of LIDC-IDRI-0001 is not on this machine: `vertebro sample lidc` fetches the CT of its spine.")
else:
    both = {}
    scans = {"torso": ("ct_torso_1p4mm", "labels_torso_1p4mm"), "spine": ("ct_spine_t8_l2", "labels_vertebrae_t8_l2")}
    for name, stems in scans.items():
        files = [folder / f"{stem}.nii.gz" for stem in stems]
        real = import_ct(*files, "L1", spacing=1.2e-3 if FAST else 0.8e-3)
        tissue = tissue_layers(real.hu, real.grid, surround_hu=real.surround.hu, surround_grid=real.surround.grid)
        both |= {f"{view}, real {name}": look(full, view, real, tissue).frame().display for view in ("ap", "lateral")}
    both |= {f"{view}, generated": look(full, view).frame().display for view in ("ap", "lateral")}
    display(draw_frames(dict(sorted(both.items())), columns=3, pixel=PIXEL))  # noqa: F821

# %%
spread = [np.var(frame.signal / frame.signal.mean() - noisy["2000 nGy"].signal / noisy["2000 nGy"].signal.mean())
          for frame in (noisy["20 nGy"], noisy["200 nGy"])]  # fmt: skip
assert 5 < spread[0] / spread[1] < 12  # a tenth of the dose, about ten times the variance
assert min(q.score for q in quality.values()) > 0.9
assert vessels[agent > 2e-3].mean() > 5 * abs(vessels[agent == 0].mean())
