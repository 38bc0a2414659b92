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
# # The anatomy: generated, diseased, real
#
# A vertebra here is a signed-distance solid with published sizes, filled with a trabecular field, wrapped in a shell
# thinner than any voxel, drained by a network of veins; or it is cut out of a patient's CT. From there on nothing knows
# the difference. This notebook looks at both the way a radiologist would, and compares the generated one with the
# literature, dimension by dimension.
#
# **Education and research only.**

# %%
# %matplotlib inline
import os
from pathlib import Path

import numpy as np
import pandas as pd

from vertebro.anatomy import ParametricSpec, build_parametric, import_ct
from vertebro.anatomy.parametric_morphometry import morphometry
from vertebro.approaches import ideal_paths
from vertebro.case_anatomy import AnatomyInput
from vertebro.view import draw_anatomies

FAST = bool(os.environ.get("FAST"))  # the tests run this notebook with fewer levels on coarser grids
SPACING = {"spacing": 1.2e-3, "surround_spacing": 2e-3} if FAST else {"spacing": 0.6e-3, "surround_spacing": 1e-3}


def build(level, *records, **more):
    sick = AnatomyInput.model_validate({"level": level, "pathology": records}).pathology
    return build_parametric(ParametricSpec(level=level, pathology=sick, **SPACING, **more))


# %% [markdown]
# ## Levels
#
# Frames as a C-arm would show them (AP, lateral), an axial slice through the pedicles, a midsagittal slice. Look for
# the pedicle "eyes", the spinous "drop" between them, sharp endplates, facets, ribs that reach the disc above.

# %%
levels = ["L1"] if FAST else ["C6", "T8", "T12", "L1", "L4"]
healthy = {level: build(level) for level in levels}
draw_anatomies(healthy)

# %% [markdown]
# ## Against published sizes
#
# Each built bone is measured on its own voxels, as calipers would, and set beside the published mean and standard
# deviation. Nothing may be off by more than one standard deviation.

# %%
rows = morphometry(["L1", "T8"] if FAST else ["C6", *(f"T{n}" for n in range(4, 13)), *(f"L{n}" for n in range(1, 6))])
table = pd.DataFrame(
    [
        {
            "level": m.level,
            "dimension": m.name,
            "mean": m.mean,
            "sd": m.sd,
            "built": m.built,
            "unit": m.unit,
            "off [sd]": m.deviation,
            "source": m.source,
        }
        for m in rows
    ]
)
print(f"{len(table)} dimensions, largest deviation {table['off [sd]'].abs().max():.2f} sd")
table.pivot_table(index="dimension", columns="level", values="off [sd]", sort=False).round(2)

# %% [markdown]
# ## The trabecular field
#
# BV/TV is log-normal around the regional pattern: denser under the endplates and at the posterior wall, with a void at
# the basivertebral foramen. Thin bone is more anisotropic. Permeability follows by a law that the case names.

# %%
for score in (0.0, -2.5, -4.0):
    bone = build("L1", t_score=score)
    core = (bone.compartment == 1) & (bone.tissue == 3)
    k = bone.permeability[:, core]
    print(
        f"T-score {score:4.1f}: BV/TV {bone.bone_fraction[core].mean():.3f}, "
        f"K along the spine {np.median(k[2]):.1e} m2, anisotropy {np.median(k[2] / k[0]):.2f}"
    )

# %% [markdown]
# ## Pathology
#
# Fractures bend the bone, lesions are painted into it, cracks conduct. They are records in a list and compose in order,
# the same in Python and as `[[anatomy.pathology]]` tables of a case.

# %%
sick = {
    "wedge, Genant 3": build("L1", {"kind": "wedge", "grade": 3}),
    "gas in a cleft": build("L1", {"kind": "wedge", "grade": 2}, {"kind": "cleft", "fill": "gas"}),
    "biconcave": build("L1", {"kind": "biconcave", "grade": 2}),
    "lytic metastasis": build("L1", {"kind": "metastasis"}),
    "haemangioma": build("L1", {"kind": "haemangioma"}),
}
draw_anatomies(dict(list(sick.items())[: 2 if FAST else None]))

# %% [markdown]
# ## Ways in
#
# The landmarks (pedicle ellipses, walls, endplate planes, what must not be crossed) give the ideal straight path of
# each approach, with its margins.

# %%
paths = ideal_paths(healthy["L1"])
pd.DataFrame([plan.to_dict() for plan in paths]).set_index("approach")

# %% [markdown]
# ## A real patient beside the generated one
#
# The CT is LIDC-IDRI-0001 (CC BY 3.0): an old spine with osteophytes, 2.5 mm slices, contrast in the aorta. `vertebro
# sample` fetches it. Its frames are blurred along the spine by the slices; the generated patient has none of its noise,
# bowel, or degenerative hooks. What should agree: where pedicles, endplates and processes project, how dense each part
# is, and how the canal, the facets and the ribs lie.

# %%
folder = Path("../shared/data/lidc0001")
if not folder.is_dir():
    folder = Path("../../shared/data/lidc0001")
if folder.is_dir():
    scan, labels = folder / "ct_spine_t8_l2.nii.gz", folder / "labels_vertebrae_t8_l2.nii.gz"
    real = {f"real {x}": import_ct(scan, labels, x, spacing=SPACING["spacing"]) for x in levels if x in ("T12", "L1")}
    display(  # noqa: F821
        draw_anatomies(
            {
                name: both[x]
                for x in levels
                if x in ("T12", "L1")
                for name, both in ((f"real {x}", {x: real[f"real {x}"]}), (f"generated {x}", healthy))
            }
        )
    )

# %%
assert table["off [sd]"].abs().max() <= 1.0
