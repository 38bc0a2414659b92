"""The fluoroscope: from layers of tissue, cement and steel to the frame the operator sees.

Tissue stands still, so its line integrals and its transmission in each energy bin are computed once per pose
(`Fluoroscope.prepare`). A frame then multiplies cement and steel in where they project, adds scatter, detector noise
and the display (`FluoroView.frame`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.basis import TissueLayer, project_layers
from vertebro.imaging.carm import CArm, ProjectionGeometry
from vertebro.imaging.detector import Detector, Lag, blurred, gaussian_taps
from vertebro.imaging.display import Display, Window, open_window
from vertebro.imaging.dose import exposure_dose
from vertebro.imaging.exposure import (
    ExposureControl,
    automatic_kvp,
    body_thickness,
    detector_kerma,
    measuring_field,
    open_field,
)
from vertebro.imaging.fluoro_view import CoarseField, FluoroView, Standing, add_scatter
from vertebro.imaging.kernels_detector import absorb
from vertebro.imaging.projector import Quality
from vertebro.imaging.scatter import Glare, Scatter, coarse_factor, coarsened
from vertebro.imaging.shadows import SHARP_FOCUS, focus_sigma
from vertebro.imaging.spectrum import EnergyBins, Spectrum, bin_spectrum, tube_spectrum
from vertebro.imaging.tube import FOCUS_TO_SHUTTER, Heel, lit_share
from vertebro.materials.attenuation import MATERIALS
from vertebro.products import product
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
PULSE_WIDTH = Constant(8e-3, "s", 4e-3, 12e-3, "vertebro", "ours", "pulse of fluoroscopy")
THIN = 0.02  # m of water, below which the beam is not harder than there
MOTION = Constant(4.0, "1", 2.0, 10.0, "vertebro", "ours", "change in standard deviations that counts as movement")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fluoroscope:
    """Settings of tube, detector and display. Every effect has its own switch.

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
        Full width at half maximum; 0 is a point.
    heel : Heel, optional
        Weaker, harder beam on the anode's side; None for an even field.
    shutter : float [m], optional
        Distance of the shutters from the focus, which makes their penumbra; None for sharp edges.
    scatter : Scatter, optional
        None switches it off.
    glare : Glare, optional
        Stray light; None switches it off.
    detector : Detector
    lag : Lag, optional
        What a picture leaves in the detector for later ones (in a `Stream`); None for nothing.
    pulse_width : float [s], optional
        Duration of a pulse, 0 to 0.05: what moves is smeared over its way; None for an instant.
    temporal : float, optional
        Share of the newest picture in the recursive filter of a `Stream`; None switches the filter off.
    motion : float, optional
        Where a pixel changed by more than this many standard deviations, the filter lets the new picture through;
        None filters everything alike.
    control : ExposureControl, optional
        Follows what comes into the field (in a `Stream`); None keeps voltage and charge.
    display : Display
    bins : int
        Energies that stand for the spectrum.

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
    heel: Heel | None = field(default_factory=Heel)
    shutter: float | None = FOCUS_TO_SHUTTER
    scatter: Scatter | None = field(default_factory=Scatter)
    glare: Glare | None = field(default_factory=Glare)
    detector: Detector = field(default_factory=Detector)
    lag: Lag | None = field(default_factory=Lag)
    pulse_width: float | None = PULSE_WIDTH
    temporal: float | None = TEMPORAL
    motion: float | None = MOTION
    control: ExposureControl | None = field(default_factory=ExposureControl)
    display: Display = field(default_factory=Display)
    bins: int = 10

    def __post_init__(self) -> None:
        for name in ("detector_dose", "pulse_limit"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CaseError("impossible exposure", where=name, value=value, allowed="> 0")
        if not 0 <= self.focal_spot <= 5e-3:
            raise CaseError("impossible focal spot", where="focal_spot [m]", value=self.focal_spot, allowed="0 to 5e-3")
        if self.shutter is not None and not 0.05 <= self.shutter <= 1.0:
            raise CaseError("impossible shutters", where="shutter [m]", value=self.shutter, allowed="0.05 to 1")
        if self.pulse_width is not None and not 0 < self.pulse_width <= 0.05:
            raise CaseError("impossible pulse", where="pulse_width [s]", value=self.pulse_width, allowed="0 to 0.05")
        if self.motion is not None and not self.motion > 0:
            raise CaseError("impossible threshold", where="motion", value=self.motion, allowed="> 0, or None")
        if self.temporal is not None and not 0 < self.temporal <= 1:
            raise CaseError("impossible recursive filter", where="temporal", value=self.temporal, allowed="0 to 1")
        tube_spectrum(80.0 if self.kvp is None else self.kvp, aluminium=self.aluminium, copper=self.copper)

    def prepare(
        self,
        pose: CArm | ProjectionGeometry,
        layers: Sequence[TissueLayer],
        *,
        collimation: tuple[int, int, int, int] | None = None,
        quality: Quality = "exact",
        window: Window | None = None,
    ) -> FluoroView:
        """Project the standing tissue and set exposure and window for a pose.

        Parameters
        ----------
        pose : CArm or ProjectionGeometry
        layers : sequence of TissueLayer
            From `tissue_layers`.
        collimation : (row, row, col, col) of int, optional
            First and last + 1 row and column that the collimator leaves open.
        quality : {"exact", "preview"}
            A preview for a C-arm that moves; when it has stopped, prepare the exact view with the preview's window: the
            picture sharpens and does not flicker.
        window : Window, optional
            Keep this one, as while the C-arm moves; default: a new one.

        Raises
        ------
        GeometryError
            If the collimator is closed or the source lies inside the patient, or the quality is unknown.
        """
        geometry = pose.geometry if isinstance(pose, CArm) else pose
        opening = open_field(geometry, collimation)
        soft, bone = project_layers(layers, geometry, quality=quality)
        return expose(self, geometry, soft, bone, opening, window)


def expose(
    fluoroscope: Fluoroscope,
    geometry: ProjectionGeometry,
    soft_line: Image,
    bone_line: Image,
    opening: NDArray[np.bool_],
    window: Window | None = None,
) -> FluoroView:
    """Automatic exposure control: set voltage, tube charge and display window for known tissue paths [m].

    Parameters
    ----------
    fluoroscope : Fluoroscope
    geometry : ProjectionGeometry
    soft_line, bone_line : (rows, cols) float32 arrays [m]
    opening : (rows, cols) bool array
        The pixels that the collimator leaves open.
    window : Window, optional
        Keep this one, as while the C-arm turns; default: a new one.
    """
    *_, view = exposing(fluoroscope, geometry, soft_line, bone_line, opening, window)
    return cast("FluoroView", view)  # the last piece


def exposing(
    fluoroscope: Fluoroscope,
    geometry: ProjectionGeometry,
    soft_line: Image,
    bone_line: Image,
    opening: NDArray[np.bool_],
    window: Window | None = None,
    bands: int = 1,
    standing: Standing | None = None,
) -> Iterator[FluoroView | None]:
    """`expose` in pieces, for a stream that has little time between two pictures.

    What does not depend on the tube is taken from `standing` if another view of the pose has it.

    Yields
    ------
    FluoroView or None
        None after every piece, of which there are about two and the `bands` of the picture; the view at last.
    """
    known = _stand(fluoroscope, geometry, soft_line, bone_line, opening) if standing is None else standing
    kvp = automatic_kvp(known.body) if fluoroscope.kvp is None else fluoroscope.kvp
    spectrum = tube_spectrum(kvp, aluminium=fluoroscope.aluminium, copper=fluoroscope.copper)
    kerma = float(np.mean(detector_kerma(spectrum, *known.measured[:2]) * known.measured[2]))
    mas = min(fluoroscope.detector_dose / kerma, fluoroscope.pulse_limit)
    scale = known.light * np.float32(mas * geometry.pitch[0] * geometry.pitch[1])
    yield None
    energy_bins, weight, open_quanta, water = _quanta(fluoroscope, geometry, spectrum, known.body, scale)
    tissue = np.empty((len(weight), *scale.shape), np.float32)
    primary = np.empty(scale.shape, np.float32)
    mu_soft, mu_bone = (energy_bins.attenuation(MATERIALS[name]) for name in ("water", "cortical bone"))
    edges = np.linspace(0, len(scale), bands + 1).astype(np.int64)
    for span in np.stack([edges[:-1], edges[1:]], axis=1):
        yield None
        mu = mu_soft.astype(np.float32), mu_bone.astype(np.float32)
        absorb(*known.lines, *mu, weight, scale, span, tissue, primary)
    yield None
    factor = coarse_factor(geometry.pitch[0])
    coarse = CoarseField(
        factor=factor,
        pitch=factor * geometry.pitch[0],
        gap=geometry.distance * (1 - 1 / geometry.magnification(geometry.isocentre)),
        water=water,
        bare=coarsened(open_quanta, factor),
    )
    if window is None:
        expected = add_scatter(fluoroscope, coarse, primary)
        still = blurred(expected, fluoroscope.detector.spread(geometry.pitch[0]))
        window = open_window(still, fluoroscope.display, opening, measuring_field(opening))
    yield FluoroView(
        fluoroscope=fluoroscope,
        geometry=geometry,
        soft_line=soft_line,
        bone_line=bone_line,
        spectrum=spectrum,
        energy_bins=energy_bins,
        tissue=tissue,
        primary=primary,
        open_quanta=open_quanta,
        coarse=coarse,
        focus=focus_sigma(fluoroscope.focal_spot, geometry),
        opening=opening,
        standing=known,
        dose=exposure_dose(spectrum, mas, geometry, open_share=float(opening.mean()), detector_air_kerma=kerma * mas),
        window=window,
    )


def _stand(
    fluoroscope: Fluoroscope,
    geometry: ProjectionGeometry,
    soft_line: Image,
    bone_line: Image,
    opening: NDArray[np.bool_],
) -> Standing:
    measuring, falloff = measuring_field(opening), _falloff(geometry)
    return Standing(
        body=body_thickness(soft_line, bone_line, measuring),
        measured=(soft_line[measuring], bone_line[measuring], falloff[measuring]),
        light=falloff * lit_share(opening, geometry, fluoroscope.focal_spot, fluoroscope.shutter),
        lines=_focused(fluoroscope, geometry, soft_line, bone_line),
    )


def _falloff(geometry: ProjectionGeometry) -> Image:
    """(rows, cols) fluence at each pixel over that at 1 m [1/m²]: inverse square of the distance, and slant."""
    distance, (down, across) = geometry.distance, geometry.pitch
    if abs(geometry.u @ geometry.v) > 1e-9 * down * across:
        return np.asarray(geometry.obliquity() ** 3 / distance**2, np.float32)
    foot = geometry.source - geometry.detector_origin
    y = np.arange(geometry.rows) * down - foot @ geometry.v / down
    x = np.arange(geometry.cols) * across - foot @ geometry.u / across
    square = (y**2 + distance**2).astype(np.float32)[:, None] + (x**2).astype(np.float32)
    return np.float32(distance) / (square * np.sqrt(square))


def retuning(view: FluoroView, kvp: float, bands: int = 8) -> Iterator[FluoroView | None]:
    """The same pose and window at another tube voltage [kV], in pieces; see `exposing`."""
    fluoroscope = replace(view.fluoroscope, kvp=kvp)
    lines = view.soft_line, view.bone_line
    return exposing(fluoroscope, view.geometry, *lines, view.opening, view.window, bands, view.standing)


def _focused(
    fluoroscope: Fluoroscope, geometry: ProjectionGeometry, soft_line: Image, bone_line: Image
) -> tuple[Image, Image]:
    """Tissue paths blurred by the focus as at the isocentre."""
    sigma = focus_sigma(fluoroscope.focal_spot, geometry)
    if sigma < SHARP_FOCUS:
        return soft_line, bone_line
    taps = gaussian_taps(round(sigma, 3))
    return blurred(soft_line, taps), blurred(bone_line, taps)


def _quanta(
    fluoroscope: Fluoroscope, geometry: ProjectionGeometry, spectrum: Spectrum, body: float, scale: Image
) -> tuple[EnergyBins, Image, Image, float]:
    """Energy bins, quanta in each over `scale`, quanta without a patient, attenuation of water [1/m].

    A quantum is the deposit that makes the variance of the signal equal to its mean: an energy-integrating detector
    counts sum(N E) with variance sum(N E²), so the unit is sum(N E²) / sum(N E) behind the body.
    """
    deposit = fluoroscope.detector.absorbed(spectrum.energy) * spectrum.energy
    behind = spectrum.behind(MATERIALS["water"], body).fluence * deposit
    quantum = float(behind @ spectrum.energy / behind.sum())
    energy_bins = bin_spectrum(spectrum, deposit / quantum, count=fluoroscope.bins)
    weight, bare = energy_bins.weight[:, None, None], spectrum.fluence * deposit / quantum
    lamp: NDArray[np.float64] = np.full((1, 1), bare.sum())
    if fluoroscope.heel is not None:
        heel = fluoroscope.heel.field(spectrum, geometry)
        weight = weight * energy_bins.average(heel)
        lamp = product(bare, heel.reshape(len(bare), -1)).reshape(heel.shape[1:])
    thick = max(body, THIN)
    left = spectrum.behind(MATERIALS["water"], thick).fluence @ deposit / (spectrum.fluence @ deposit)
    bare_field = np.asarray(lamp.astype(np.float32) * scale, np.float32)
    return energy_bins, weight.astype(np.float32), bare_field, -math.log(left) / thick
