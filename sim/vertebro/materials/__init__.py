"""The pantry: what things are made of and how they behave; no geometry, no solver.

Cement: `cement`, `CEMENTS`, `Cement`, `load_cement`; marrow: `Marrow`. Bone and attenuation laws live in their modules.
"""

from vertebro.materials.cement import Cement
from vertebro.materials.marrow import MARROW_VISCOSITY, Marrow
from vertebro.materials.presets import CEMENTS, cement, load_cement

__all__ = ["CEMENTS", "MARROW_VISCOSITY", "Cement", "Marrow", "cement", "load_cement"]
