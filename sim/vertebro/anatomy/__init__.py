"""A vertebra and its neighbourhood: what lies where, how porous and open it is, and how it looks to X-rays.

**Two sources, one path.** A patient's CT (`import_ct`) and a generated patient (`build_parametric`) both end in
`assemble`: tissue and compartment of every voxel, CT numbers, landmarks. From there on nothing knows the difference.

**Frame.** Voxels lie along the vertebra's own axes, ``[r, a, s]`` = patient right, anterior, superior, in metres from
the body's centre; left is negative. So the permeability tensor is diagonal, and `Anatomy.patient_from_world` leads
back to the scanner.

**Bone from CT numbers.** A voxel of spongy bone is a mixture of marrow and bone tissue, and CT numbers mix linearly:
BV/TV = (HU − HU_m)/(HU_b − HU_m), porosity φ = 1 − BV/TV. Rods of thickness t give K = φ³t²/(80(1−φ)²), 1.28 to 2
times larger along the spine than across, the more the more bone is lost; other laws go by name. An osteoporotic core
of 80 HU has φ ≈ 0.93 and K ≈ 4e-8 m², as measured.
Density explains little of the measured scatter, so K carries a log-normal multiplier that ensembles sample.

**Walls thinner than voxels.** The cortical shell (0.35 mm) and the endplates are layers in the faces between voxels:
a resistance thickness/permeability [1/m] from a thickness map, front thicker than back, endplates thinnest in the
middle. Faces of a staircase count by the surface they stand for. Veins cross them as ducts.

**What an operator reads.** `posterior_wall`, `endplate_planes` and `medial_pedicle_line` measure any anatomy;
`no_go_volumes` names what a needle must not meet.

**Ways out.** Marrow drains through a synthetic network of veins (`VeinNetwork`), drawn through the labels but
independent of the grid: radial sinusoids, one or two basivertebral trunks, the plexus in front of the dura, foraminal,
segmental and lumbar veins, and ducts of the whole length to the cava and the azygos, each end an outlet at a pressure.
Ducts in bone exchange with the voxels along them; the void of the basivertebral foramen is porous voxels. The shell
leaks slowly, and the grid's border is an `Exit`.

**The generated patient** is a stack of signed-distance vertebrae with published sizes, scaled by sex and stature, in
a trunk with muscles, ribs, organs and air. Its trabecular field is drawn once in space from the seed: a finer
grid samples the same bone.

Example
-------
>>> from vertebro.anatomy import ParametricSpec, build_parametric
>>> patient = build_parametric(ParametricSpec(level="L1", spacing=1.5e-3, surround_spacing=3e-3))
>>> 15e-6 < patient.body_volume < 30e-6                                     # m³
True
>>> float(patient.landmarks.pedicle_left.centre[0]) < 0                     # left is negative
True
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vertebro.anatomy.anatomy import Anatomy, Exit, Landmarks, Pedicle, SpineLevel, Surround
    from vertebro.anatomy.assemble import assemble
    from vertebro.anatomy.from_ct import import_ct
    from vertebro.anatomy.interior_settings import InteriorSettings
    from vertebro.anatomy.landmark_surfaces import endplate_planes, medial_pedicle_line, posterior_wall, wall_rule
    from vertebro.anatomy.network import VeinNetwork
    from vertebro.anatomy.network_settings import VeinSettings
    from vertebro.anatomy.no_go import no_go_volumes
    from vertebro.anatomy.parametric import ParametricSpec, build_parametric
    from vertebro.anatomy.sample import fetch_sample
    from vertebro.anatomy.store import load_anatomy, save_anatomy

# names load on first use: reading an anatomy file must not import the CT readers
_HOMES = {
    "Anatomy": "anatomy",
    "Exit": "anatomy",
    "Landmarks": "anatomy",
    "Pedicle": "anatomy",
    "SpineLevel": "anatomy",
    "Surround": "anatomy",
    "assemble": "assemble",
    "import_ct": "from_ct",
    "InteriorSettings": "interior_settings",
    "endplate_planes": "landmark_surfaces",
    "medial_pedicle_line": "landmark_surfaces",
    "posterior_wall": "landmark_surfaces",
    "wall_rule": "landmark_surfaces",
    "no_go_volumes": "no_go",
    "ParametricSpec": "parametric",
    "build_parametric": "parametric",
    "fetch_sample": "sample",
    "load_anatomy": "store",
    "save_anatomy": "store",
    "VeinNetwork": "network",
    "VeinSettings": "network_settings",
}
__all__ = [
    "Anatomy",
    "Exit",
    "InteriorSettings",
    "Landmarks",
    "ParametricSpec",
    "Pedicle",
    "SpineLevel",
    "Surround",
    "VeinNetwork",
    "VeinSettings",
    "assemble",
    "build_parametric",
    "endplate_planes",
    "fetch_sample",
    "import_ct",
    "load_anatomy",
    "medial_pedicle_line",
    "no_go_volumes",
    "posterior_wall",
    "save_anatomy",
    "wall_rule",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
