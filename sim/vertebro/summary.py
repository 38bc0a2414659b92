"""A run in numbers (``summary.json``) and where they came from (``manifest.json``)."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro import __version__, _jit
from vertebro.build import Scene, body_frame, counted_compartments
from vertebro.case import Case
from vertebro.drainage import cement_in_voxels
from vertebro.leakage import LeakMonitor, WarningSign, measure_result
from vertebro.materials.marrow import MARROW_VISCOSITY
from vertebro.procedure.withdrawal import TAIL_NOTED
from vertebro.units import kPa, ml

if TYPE_CHECKING:
    from vertebro.record import Run


def summarise(
    run: Run,
    monitor: LeakMonitor,
    *,
    balance_error: float,
    status: str,
    seconds: dict[str, float],
    visible: dict[int, float],
    cement_volume: NDArray[np.float64],
    veins: NDArray[np.float64],
    outflow: float,
    deliveries: list[dict[str, Any]],
    signs: Sequence[WarningSign] = (),
    heat: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The numbers of a run as plain JSON values.

    Parameters
    ----------
    run : Run
    monitor : LeakMonitor
    balance_error : float
        Largest relative volume error of a flow round.
    status : str
        ``"finished"`` or ``"interrupted"``.
    seconds : dict
        Wall times by part [s].
    visible : dict
        Leak key to the time of the first frame that shows it [s].
    cement_volume : (nr, na, ns) array [m³]
        In the voxels.
    veins : (m,) array [m³]
        Cement in each segment of the veins.
    outflow : float [m³]
        Cement that left through the grid's exits and the veins' ends.
    deliveries : list of dict
        Each needle's syringe and cannula: dead volume, what is left in it, tail, ages.
    signs : sequence of WarningSign
        Limits of the risks that were crossed.
    heat : dict, optional
        Peaks, dwell times and doses by place.
    """
    injected = float(run.history["volume_injected_m3"][-1]) if run.history else 0.0
    volumes = monitor.compartment_volumes()
    body = volumes.get("body", 0.0)
    present = float(cement_volume.sum()) + float(veins.sum())
    total_error = abs(injected - present - outflow) / injected if injected > 0 else 0.0
    measures = measure_result(
        cement_in_voxels(run.anatomy, cement_volume, veins),
        grid=run.anatomy.grid,
        compartment=counted_compartments(run.scene),
        frame=body_frame(run.anatomy),
    )
    numbers = {
        "status": status,
        "title": run.case.title,
        "level": run.anatomy.level,
        "simulated_s": float(run.times[-1]),
        "wall_s": round(sum(seconds.values()), 3),
        "wall_parts_s": {name: round(value, 3) for name, value in seconds.items()},
        "volume_injected_ml": injected / ml,
        "volume_in_body_ml": body / ml,
        "body_volume_ml": run.anatomy.body_volume / ml,
        "fill_fraction": body / run.anatomy.body_volume,
        "volume_balance_error": max(balance_error, total_error),
        "compartments_ml": {name: volume / ml for name, volume in volumes.items()},
        "peak_syringe_pressure_kpa": _peak(run, "syringe_pressure_pa") / kPa,
        "peak_bone_pressure_kpa": _peak(run, "bone_pressure_pa") / kPa,
        "peak_temperature_c": max(heat["peak_c"].values()) if heat and heat["peak_c"] else None,
        "heat": heat,
        "leaks": [leak.to_dict() | {"t_visible_s": visible.get(leak.key)} for leak in monitor.leaks()],
        "embolic_load_ml": monitor.embolic_volume / ml,
        "result": measures.to_dict(),
        "warning_signs": [sign.to_dict() for sign in signs],
        "needles": [placement.to_dict() for placement in run.scene.placements],
        "deliveries": deliveries,
        "dose": _dose(run),
        "settings": _settings(run.case),
        "warnings": _warnings(run) + _delivery_warnings(deliveries),
    }
    return plain_json(numbers)


def plain_json(data: Any) -> Any:
    """The same data with numpy's scalars and arrays as plain JSON values."""
    if isinstance(data, dict):
        return {str(key): plain_json(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain_json(value) for value in data]
    if isinstance(data, np.ndarray | np.generic):
        return data.tolist()
    return data


def manifest(case: Case, scene: Scene, seconds: dict[str, float]) -> dict[str, Any]:
    """Versions, seed, kernel hash and digests that made a run."""
    import numba
    import scipy

    return {
        "vertebro": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": numba.get_num_threads(),
        "kernel_hash": _jit.kernel_hash(),
        "seed": case.seed,
        "case_digest": hashlib.sha256(case.dumps().encode()).hexdigest()[:16],
        "anatomy": scene.anatomy.provenance,
        "wall_s": {name: round(value, 3) for name, value in seconds.items()},
    }


def _peak(run: Run, name: str) -> float:
    return float(run.history[name].max()) if run.history else 0.0


def _settings(case: Case) -> dict[str, Any]:
    """The settings that decide what a leak figure means (physics.md 7.9)."""
    return {
        "mode": case.flow.mode,
        "marrow": _marrow_words(case),
        "marrow_viscosity_pa_s": case.marrow.viscosity,
        "marrow_yield_stress_pa": case.marrow.yield_stress,
        "marrow_flow_index": case.marrow.flow_index,
        "marrow_residual": case.marrow.residual,
        "cement_rheology": case.cement.rheology,
        "cement_yield_stress_pa": case.cement.yield_stress,
        "shear_factor": case.cement.shear_factor,
        "venous_pressure_pa": case.anatomy.venous_pressure,
        "seed": case.seed,
    }


def _marrow_words(case: Case) -> str:
    """The displaced fluid in words: the most important unknown of a leak figure."""
    wish = case.marrow
    if wish.yield_stress == 0.0 and wish.flow_index == 1.0:
        kind = "liquid" if wish.viscosity <= MARROW_VISCOSITY.high else "tissue that resists like a thick liquid"
        return f"Newtonian, {wish.viscosity:g} Pa.s: {kind}"
    return (
        f"Herschel-Bulkley: yields at {wish.yield_stress:g} Pa, consistency {wish.viscosity:g} Pa.s^n, "
        f"n = {wish.flow_index:g}"
    )


def _delivery_warnings(deliveries: list[dict[str, Any]]) -> list[str]:
    found = [f"needle {row['needle']}: stuck in the cement" for row in deliveries if row["stuck"]]
    return found + [
        f"needle {row['needle']}: {row['tail_ml']:.3f} ml of cement left in its track"
        for row in deliveries
        if row["tail_ml"] * ml > TAIL_NOTED
    ]


def _dose(run: Run) -> dict[str, Any]:
    kerma = [picture.facts.get("reference_kerma_ugy", 0.0) for picture in run.pictures]
    area = [picture.facts.get("dap_ugy_m2", 0.0) for picture in run.pictures]
    return {
        "frames": len(run.pictures),
        "reference_kerma_mgy": sum(kerma) / 1e3,
        "dap_gy_cm2": sum(area) * 1e-2,
    }


def _warnings(run: Run) -> list[str]:
    found = [f"anatomy: {text}" for text in run.anatomy.provenance.get("warnings", [])]
    for placement in run.scene.placements:
        found += [
            f"needle {placement.needle}: breach into {breach.compartment}, {breach.depth * 1e3:.1f} mm, "
            f"grade {breach.grade}"
            for breach in placement.breaches
        ]
    for event in run.events:
        if event["event"] == "injection ends" and event["volume_ml"] == 0.0:
            found.append(f"needle {event['needle']}: nothing injected: {event['reason']}")
    if run.case.flow.mode == "cement-only":
        found.append("cement-only mode is blind to viscosity: do not read leak volumes as an effect of viscosity")
    return found
