"""What the patient receives: air kerma at the reference point and the dose-area product."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.spectrum import Spectrum

REFERENCE_OFFSET = 0.15  # m from the isocentre towards the tube: interventional reference point (IEC 60601-2-43)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dose:
    """Dose of one exposure.

    Attributes
    ----------
    kvp : float [kV]
    mas : float [mAs]
        Tube charge of the exposure.
    reference_air_kerma : float [Gy]
        At the reference point, 15 cm from the isocentre towards the tube.
    dose_area_product : float [Gy m²]
        Air kerma times field area; the same at every distance.
    detector_air_kerma : float [Gy]
        Behind the patient, mean of the measuring field, per exposure.
    """

    kvp: float
    mas: float
    reference_air_kerma: float
    dose_area_product: float
    detector_air_kerma: float

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return asdict(self)


def exposure_dose(
    spectrum: Spectrum, mas: float, geometry: ProjectionGeometry, *, open_share: float, detector_air_kerma: float
) -> Dose:
    """Dose of an exposure from tube output, geometry and collimation.

    Parameters
    ----------
    spectrum : Spectrum
    mas : float [mAs]
    geometry : ProjectionGeometry
    open_share : float
        Share of the detector's area that the collimator leaves open.
    detector_air_kerma : float [Gy]
    """
    at_one_metre = spectrum.air_kerma() * mas
    return Dose(
        kvp=spectrum.kvp,
        mas=mas,
        reference_air_kerma=at_one_metre / reference_distance(geometry) ** 2,
        dose_area_product=at_one_metre * field_area(geometry, 1.0) * open_share,
        detector_air_kerma=detector_air_kerma,
    )


def reference_distance(geometry: ProjectionGeometry) -> float:
    """Distance [m] from the focus to the interventional reference point."""
    to_isocentre = float((geometry.source - geometry.isocentre) @ geometry.normal)
    return max(to_isocentre - REFERENCE_OFFSET, 0.1)


def field_area(geometry: ProjectionGeometry, distance: float) -> float:
    """Area [m²] of the full field at a distance from the focus [m]."""
    height, width = geometry.pitch[0] * geometry.rows, geometry.pitch[1] * geometry.cols
    return height * width * (distance / geometry.distance) ** 2
