"""The fluoroscope: from layers of tissue, cement and steel to the frame the operator sees.

Tissue stands still, so its line integrals and its transmission in each energy bin are computed once per pose
(`Fluoroscope.prepare`). A frame then multiplies cement and steel in where they project, adds scatter, detector noise
and the display (`FluoroView.frame`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.basis import TissueLayer
from vertebro.imaging.carm import CArm, ProjectionGeometry
from vertebro.imaging.detector import Detector, blurred
from vertebro.imaging.display import Display, open_window
from vertebro.imaging.dose import exposure_dose
from vertebro.imaging.exposure import BONE_AS_WATER, automatic_kvp, detector_kerma, measuring_field, open_field
from vertebro.imaging.fluoro_view import FluoroView, add_scatter
from vertebro.imaging.projector import project
from vertebro.imaging.scatter import Scatter
from vertebro.imaging.spectrum import EnergyBins, Spectrum, bin_spectrum, tube_spectrum
from vertebro.materials.attenuation import MATERIALS
from vertebro.sources import Constant

Image = NDArray[np.float32]
DETECTOR_DOSE = Constant(
    200e-9,
    "Gy",
    10e-9,
    2e-6,
    "vertebro",
    "ours",
    "air kerma at the panel that one shown frame rests on, about 4 pulses",
)
PULSE_LIMIT = Constant(20.0, "mAs", 1.0, 60.0, "vertebro", "ours", "largest tube charge of one exposure")
FOCAL_SPOT = Constant(0.6e-3, "m", 0.3e-3, 1.2e-3, "vertebro", "ours", "size of the focus (full width)")
TEMPORAL = Constant(0.4, "1", 0.05, 1.0, "vertebro", "ours", "share of the newest picture in the recursive filter")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fluoroscope:
    """Settings of tube, detector and display.

    Parameters
    ----------
    kvp : float [kV], optional
        40 to 150; None lets the thickness of the patient decide.
    aluminium, copper : float [m]
        Total filtration.
    detector_dose : float [Gy]
        Air kerma behind the patient per exposure that the exposure control aims at.
    pulse_limit : float [mAs]
        Largest tube charge of an exposure; thick patients are noisy.
    focal_spot : float [m]
    scatter : Scatter, optional
        None switches it off.
    detector : Detector
    display : Display
    bins : int
        Energy bins.
    temporal : float, optional
        Share of the newest picture in the recursive filter of a `Stream`; None switches the filter off.

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    kvp: float | None = None
    aluminium: float = 3e-3
    copper: float = 0.2e-3
    detector_dose: float = DETECTOR_DOSE
    pulse_limit: float = PULSE_LIMIT
    focal_spot: float = FOCAL_SPOT
    scatter: Scatter | None = field(default_factory=Scatter)
    detector: Detector = field(default_factory=Detector)
    display: Display = field(default_factory=Display)
    bins: int = 12
    temporal: float | None = TEMPORAL

    def __post_init__(self) -> None:
        for name in ("detector_dose", "pulse_limit"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CaseError("impossible exposure", where=name, value=value, allowed="> 0")
        if not 0 <= self.focal_spot <= 5e-3:
            raise CaseError("impossible focal spot", where="focal_spot [m]", value=self.focal_spot, allowed="0 to 5e-3")
        if self.temporal is not None and not 0 < self.temporal <= 1:
            raise CaseError("impossible recursive filter", where="temporal", value=self.temporal, allowed="0 to 1")
        tube_spectrum(80.0 if self.kvp is None else self.kvp, aluminium=self.aluminium, copper=self.copper)

    def prepare(
        self,
        pose: CArm | ProjectionGeometry,
        layers: Sequence[TissueLayer],
        *,
        collimation: tuple[int, int, int, int] | None = None,
    ) -> FluoroView:
        """Project the standing tissue and set exposure and window for a pose.

        Parameters
        ----------
        pose : CArm or ProjectionGeometry
        layers : sequence of TissueLayer
            From `tissue_layers`.
        collimation : (row, row, col, col) of int, optional
            First and last + 1 row and column that the collimator leaves open.

        Raises
        ------
        GeometryError
            If the collimator is closed or the source lies inside the patient.
        DataError
            If the tissue is not finite.
        """
        geometry = pose.geometry if isinstance(pose, CArm) else pose
        opening = open_field(geometry, collimation)
        soft, bone = (np.zeros((geometry.rows, geometry.cols), np.float32) for _ in range(2))
        for layer in layers:
            project(layer.soft, layer.grid, geometry, out=soft)
            project(layer.bone, layer.grid, geometry, out=bone)
        np.maximum(soft, 0, out=soft)
        np.maximum(bone, 0, out=bone)
        return expose(self, geometry, soft, bone, opening)


def expose(
    fluoroscope: Fluoroscope,
    geometry: ProjectionGeometry,
    soft_line: Image,
    bone_line: Image,
    opening: NDArray[np.bool_],
) -> FluoroView:
    """Automatic exposure control: set voltage, tube charge and display window for known tissue paths [m]."""
    measuring = measuring_field(opening)
    body = float(np.median((soft_line + np.float32(BONE_AS_WATER) * bone_line)[measuring]))
    kvp = automatic_kvp(body) if fluoroscope.kvp is None else fluoroscope.kvp
    spectrum = tube_spectrum(kvp, aluminium=fluoroscope.aluminium, copper=fluoroscope.copper)
    falloff = (geometry.obliquity() ** 3 / geometry.distance**2).astype(np.float32)
    kerma = float(np.mean(detector_kerma(spectrum, soft_line[measuring], bone_line[measuring]) * falloff[measuring]))
    mas = min(fluoroscope.detector_dose / kerma, fluoroscope.pulse_limit)
    energy_bins, tissue, open_quanta = _quanta(
        fluoroscope,
        spectrum,
        body,
        mas * falloff * opening * geometry.pitch[0] * geometry.pitch[1],
        soft_line,
        bone_line,
    )
    primary = tissue.sum(axis=0)
    expected = add_scatter(fluoroscope, geometry, primary, open_quanta, opening)
    still = blurred(expected, fluoroscope.detector.spread(geometry.pitch[0]))
    open_share = float(opening.mean())
    return FluoroView(
        fluoroscope=fluoroscope,
        geometry=geometry,
        soft_line=soft_line,
        bone_line=bone_line,
        spectrum=spectrum,
        energy_bins=energy_bins,
        tissue=tissue,
        primary=primary,
        open_quanta=open_quanta,
        opening=opening,
        dose=exposure_dose(spectrum, mas, geometry, open_share=open_share, detector_air_kerma=kerma * mas),
        window=open_window(still, fluoroscope.display, opening, measuring),
    )


def _quanta(
    fluoroscope: Fluoroscope,
    spectrum: Spectrum,
    body: float,
    scale: Image,
    soft_line: Image,
    bone_line: Image,
) -> tuple[EnergyBins, Image, Image]:
    """Energy bins, quanta per bin behind the tissue (bins, rows, cols), and quanta without a patient (rows, cols).

    A quantum is the deposit that makes the variance of the signal equal to its mean: an energy-integrating detector
    counts sum(N E) with variance sum(N E²), so the unit is sum(N E²) / sum(N E) behind the body.
    """
    deposit = fluoroscope.detector.absorbed(spectrum.energy) * spectrum.energy
    behind = spectrum.behind(MATERIALS["water"], body).fluence * deposit
    quantum = float(behind @ spectrum.energy / behind.sum())
    energy_bins = bin_spectrum(spectrum, deposit / quantum, count=fluoroscope.bins, body=body)
    tissue = _transmission(energy_bins, soft_line, bone_line)
    tissue *= energy_bins.weight.astype(np.float32)[:, None, None] * scale
    return energy_bins, tissue, np.asarray(np.float32(spectrum.fluence @ deposit / quantum) * scale, np.float32)


def _transmission(energy_bins: EnergyBins, soft_line: Image, bone_line: Image) -> Image:
    """(bins, rows, cols) share of each bin's photons behind the tissue."""
    soft = energy_bins.attenuation(MATERIALS["water"]).astype(np.float32)
    bone = energy_bins.attenuation(MATERIALS["cortical bone"]).astype(np.float32)
    transmission = np.empty((len(soft), *soft_line.shape), np.float32)
    for layer, mu_soft, mu_bone in zip(transmission, soft, bone, strict=True):
        np.multiply(soft_line, -mu_soft, out=layer)
        layer -= mu_bone * bone_line
        np.exp(layer, out=layer)
    return transmission
