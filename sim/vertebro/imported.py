"""From a CT and a label map to a case folder (case.toml and anatomy.h5), whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from vertebro import units
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.from_ct import import_ct
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.segment_import import import_point
from vertebro.anatomy.shape_ct import ShapeInterior
from vertebro.anatomy.shape_import import ShapeSource, import_shape
from vertebro.anatomy.store import save_anatomy
from vertebro.case import Case
from vertebro.case_anatomy import AnatomyInput
from vertebro.errors import CaseError
from vertebro.record import check_free, whole_or_nothing
from vertebro.sources import Constant

K_SIGMA_BELOW_CT = Constant(
    0.5, "1", 0.0, 0.8, "baroud2004", "ours", "sd of ln K: what a CT's slices blur away and density cannot tell"
)


def import_case(
    ct: str | Path,
    labels: str | Path | None,
    level: str,
    out: str | Path,
    *,
    seed_point: ArrayLike | None = None,
    spacing: str | float = 0.8e-3,
    scheme: str = "auto",
    resample_labels: bool = False,
    subregions: str | Path | None = None,
    calibration: str = "auto",
    seed: int = 1,
    title: str = "",
    licence: str = "",
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Import one level of a CT as a ready case folder.

    Parameters
    ----------
    ct, labels : path
        CT file or DICOM folder; label map in TotalSegmentator or VerSe numbers, or a folder of masks; no labels with
        a `seed_point`.
    level : str
        ``"L1"`` …
    out : path
        New folder.
    seed_point : (3,) float [m], optional
        Inside the vertebral body, scanner RAS: the built-in segmentation starts there.
    spacing : float [m] or text
        Edge of a simulation voxel, 0.4 to 1.5 mm.
    scheme, resample_labels, subregions, calibration, progress
        As `vertebro.anatomy.from_ct.import_ct`.
    seed : int
        Of what a CT cannot show: the veins and the scatter of permeability.
    title, licence : str
        For the case and the provenance.

    Returns
    -------
    dict
        Facts as plain JSON values.

    Raises
    ------
    DataError, CaseError
        If the CT, the labels, the level or the folder cannot be used.
    """
    folder, edge = check_free(out), _edge(spacing)
    if (labels is None) == (seed_point is None):
        raise CaseError(
            "give labels or a seed point",
            where="labels, seed_point",
            value="both" if labels is not None else "neither",
            allowed="a label map, or one point inside the vertebral body",
            hint='--labels FILE, or --seed-point "r, a, s mm"',
        )
    settings = InteriorSettings(k_sigma=K_SIGMA_BELOW_CT)
    shared: dict[str, Any] = {"spacing": edge, "settings": settings, "seed": seed, "calibration": calibration}
    shared |= {"licence": licence or None, "progress": progress}
    if seed_point is not None:
        anatomy = import_point(Path(ct), seed_point, level, **shared)
    else:
        anatomy = import_ct(
            Path(ct),
            Path(str(labels)),
            level,
            label_scheme=scheme,
            resample_labels=resample_labels,
            subregions=subregions,
            **shared,
        )
    return _store(anatomy, folder, title or f"{anatomy.level} of {Path(ct).name}", edge)


def import_shape_case(
    source: ShapeSource,
    level: str,
    out: str | Path,
    *,
    interior: ShapeInterior | None = None,
    spacing: str | float = 0.8e-3,
    seed: int = 1,
    title: str = "",
    licence: str = "",
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Import a bone's shape (surface or label map) with a synthetic interior as a ready case folder.

    Parameters
    ----------
    source : ShapeSource
    interior : ShapeInterior, optional
        Density and texture of the bone.
    level, out, spacing, seed, title, licence, progress
        As `import_case`.

    Returns
    -------
    dict
        Facts as plain JSON values.

    Raises
    ------
    DataError, CaseError
        If the shape, the level or the folder cannot be used.
    """
    folder, edge = check_free(out), _edge(spacing)
    anatomy = import_shape(
        source, level, spacing=edge, interior=interior, seed=seed, licence=licence or None, progress=progress
    )
    return _store(anatomy, folder, title or f"{anatomy.level} of {source.name}, synthetic interior", edge)


def _edge(spacing: str | float) -> float:
    edge = units.parse(spacing, "m", where="spacing")
    if not 0.4e-3 <= edge <= 1.5e-3:
        raise CaseError("spacing out of range", where="spacing", value=spacing, allowed="0.4 to 1.5 mm")
    return edge


def _store(anatomy: Anatomy, folder: Path, title: str, edge: float) -> dict[str, Any]:
    """Write the case folder, whole or not at all; returns its facts."""
    case = imported_case(anatomy.level, title=title, spacing=edge)
    with whole_or_nothing(folder) as partial:
        save_anatomy(anatomy, partial / "anatomy.h5")
        case.save(partial / "case.toml")
    return {
        "folder": str(folder),
        "level": anatomy.level,
        "shape": list(anatomy.grid.shape),
        "spacing_mm": edge * 1e3,
        "body_volume_ml": anatomy.body_volume * 1e6,
        "mean_body_hu": anatomy.provenance["quality"]["core_hu_mean"],
        "levels": [level.name for level in anatomy.spine],
        "calibration": anatomy.provenance["calibration"],
        "segmentation": anatomy.provenance.get("segmentation"),
        "warnings": list(anatomy.provenance.get("warnings", [])),
    }


def imported_case(level: str, *, title: str, spacing: float) -> Case:
    """The first-injection schedule on an imported anatomy that lies beside the case file."""
    wish = AnatomyInput(source="folder", folder=".", level=level, spacing=spacing)
    return Case.preset("first-injection").model_copy(update={"title": title, "anatomy": wish})
