"""What the operator sees: fluoroscopy frames and CT slices from fields on voxel grids.

Beer and Lambert: a ray that crosses matter of attenuation mu(x, E) arrives with exp(-∫ mu dl) of its photons.
Bodies are written as a few basis materials, mu(x, E) = sum of f_m(x) mu_m(E), so the integrals ∫ f_m dl do not depend
on energy and are taken once per pose. A frame follows from them in four steps:

1. *Primary*: N = sum over energies of N_E eta_E exp(-sum of mu_m(E) L_m), with L_m = ∫ f_m dl for water-equivalent soft
   tissue, cortical bone, cement (minus the marrow it replaced) and steel.
2. *Scatter*: the primary, weighted by how much its body scatters, convolved with wide Gaussians.
3. *Detector*: counting noise with variance = mean, spread of light in the scintillator, read-out noise.
4. *Display*: logarithm, slow variations compressed, one window for the whole run; bone, cement and metal are dark.

Around the frame: `Gantry` is the machine with its limits, speeds, table and fields, `collimation` its shutters in mm,
`Biplane` two of them; `record` takes loops of pulses and `DoseLedger` adds up what they cost; `subtract` and `roadmap`
show contrast agent; `aim_view` and `view_quality` find and judge the square views of a vertebra; a `Spotter` says
whether a leak can be seen.

Frames of reference: the world is the vertebra's, metres, axes right, anterior, superior. Pictures: superior up; AP has
the patient's right on the viewer's left, lateral has anterior on the left.

>>> import numpy as np
>>> from vertebro.grid import VoxelGrid
>>> from vertebro.imaging import CArm, Fluoroscope, tissue_layers
>>> grid = VoxelGrid.around([-0.05] * 3, [0.05] * 3, 5e-3)
>>> view = Fluoroscope().prepare(CArm.lateral(rows=64, cols=64, pitch=1e-3), tissue_layers(np.zeros(grid.shape), grid))
>>> cement = np.zeros(grid.shape)
>>> cement[10, 10, 10] = 1.0
>>> bare, filled = view.expected(), view.expected(view.cement_line(cement, grid))
>>> bool(filled.min() < 0.9 * bare[32, 32])  # cement is dark
True
"""

from vertebro.imaging.acquisition import Acquisition, Shot, pulse_times, record, record_biplane
from vertebro.imaging.basis import TissueLayer, basis_from_hu, project_layers, tissue_layers
from vertebro.imaging.biplane import Biplane
from vertebro.imaging.carm import CArm, ProjectionGeometry
from vertebro.imaging.collimator import collimation
from vertebro.imaging.ct import ct_slice
from vertebro.imaging.ct_body import CTBody, CTNeedle, ct_body
from vertebro.imaging.ct_dose import CTDose, CTLedger, ct_dose
from vertebro.imaging.ct_field import CTField, CTSlice
from vertebro.imaging.ct_filter import filtered_back_projection
from vertebro.imaging.ct_scan import CTVolume, reformat, scan_slice, scan_volume
from vertebro.imaging.ct_shots import CTShot, ct_shots, shot_scanner
from vertebro.imaging.dose import Dose, DoseLedger, DoseSum
from vertebro.imaging.exposure import covered_field
from vertebro.imaging.fluoro_view import FluoroView, Frame
from vertebro.imaging.fluoroscope import Fluoroscope
from vertebro.imaging.gantry import Gantry, Position
from vertebro.imaging.matter import Matter
from vertebro.imaging.projector import project, project_box, project_matter
from vertebro.imaging.scanner import Scanner, window_level
from vertebro.imaging.shadows import Motions, Places, Shadow
from vertebro.imaging.shapes import balloon_path, ellipsoid_path, marker_path, wire_path
from vertebro.imaging.solids import cylinder_path, needle_path, needle_shadow
from vertebro.imaging.stream import Stream
from vertebro.imaging.subtraction import Mask, make_mask, roadmap, subtract
from vertebro.imaging.view_marks import ViewMarks
from vertebro.imaging.views import ViewQuality, aim_view, view_quality
from vertebro.imaging.visibility import Spotter, Visibility, measure_visibility

__all__ = [
    "Acquisition",
    "Biplane",
    "CArm",
    "CTBody",
    "CTDose",
    "CTField",
    "CTLedger",
    "CTNeedle",
    "CTShot",
    "CTSlice",
    "CTVolume",
    "Dose",
    "DoseLedger",
    "DoseSum",
    "FluoroView",
    "Fluoroscope",
    "Frame",
    "Gantry",
    "Mask",
    "Matter",
    "Motions",
    "Places",
    "Position",
    "ProjectionGeometry",
    "Scanner",
    "Shadow",
    "Shot",
    "Spotter",
    "Stream",
    "TissueLayer",
    "ViewMarks",
    "ViewQuality",
    "Visibility",
    "aim_view",
    "balloon_path",
    "basis_from_hu",
    "collimation",
    "covered_field",
    "ct_body",
    "ct_dose",
    "ct_shots",
    "ct_slice",
    "cylinder_path",
    "ellipsoid_path",
    "filtered_back_projection",
    "make_mask",
    "marker_path",
    "measure_visibility",
    "needle_path",
    "needle_shadow",
    "project",
    "project_box",
    "project_layers",
    "project_matter",
    "pulse_times",
    "record",
    "record_biplane",
    "reformat",
    "roadmap",
    "scan_slice",
    "scan_volume",
    "shot_scanner",
    "subtract",
    "tissue_layers",
    "view_quality",
    "window_level",
    "wire_path",
]
