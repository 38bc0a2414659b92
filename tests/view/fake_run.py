"""A small invented run: a vertebra of ellipsoids and boxes with a cement cloud, a disc leak and a venous leak.

Nothing here is simulated; it has the shape of a `vertebro.record.Run`, so that windows are tested without the house.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Exit, Landmarks, Pedicle, Surround
from vertebro.build import Scene
from vertebro.case import Case
from vertebro.grid import VoxelGrid
from vertebro.materials.presets import cement
from vertebro.observe import Picture
from vertebro.procedure import Inject, Limit, Needle, check_placement
from vertebro.record import Run
from vertebro.tissue import Compartment, Tissue

HALF = np.array([0.022, 0.015, 0.0125])
CANAL = np.array([0.0, -0.023, 0.003])
HU = {
    Tissue.MUSCLE: 55,
    Tissue.CANCELLOUS: 110,
    Tissue.CORTICAL: 750,
    Tissue.DISC: 80,
    Tissue.EPIDURAL: -60,
    Tissue.DURA: 30,
    Tissue.VEIN: 60,
}


def fake_anatomy(spacing: float = 1.5e-3) -> Anatomy:
    """A vertebra any radiologist would laugh at, but with every part in its place."""
    grid = VoxelGrid.around([-0.04, -0.062, -0.022], [0.04, 0.026, 0.022], spacing)
    r, a, s = grid.open_mesh()
    noise = np.random.default_rng(1).normal(size=grid.shape)

    def ball(centre: Any, half: Any) -> NDArray[np.float64]:
        return np.sqrt(sum(((x - c) / h) ** 2 for x, c, h in zip((r, a, s), centre, half, strict=True)))

    def box(low: Any, high: Any) -> NDArray[np.bool_]:
        inside = np.ones(grid.shape, bool)
        for x, lo, hi in zip((r, a, s), low, high, strict=True):
            inside &= (x >= lo) & (x <= hi)
        return inside

    column = np.sqrt((r / HALF[0]) ** 2 + (a / HALF[1]) ** 2) + 0 * s
    body = (column < 1) & (abs(s) < HALF[2])
    core = (column < 0.9) & (abs(s) < HALF[2] - 1.2e-3)
    ring = ball(CANAL, (0.018, 0.013, 0.011))
    pedicles = box((-0.017, -0.022, -0.002), (-0.010, -0.010, 0.008)) | box(
        (0.010, -0.022, -0.002), (0.017, -0.010, 0.008)
    )
    spine = box((-0.003, -0.058, -0.008), (0.003, -0.030, 0.004))
    wings = box((-0.036, -0.030, -0.001), (0.036, -0.024, 0.006))
    canal = (np.sqrt((r / 0.012) ** 2 + ((a - CANAL[1]) / 0.0085) ** 2) + 0 * s) < 1
    arch = (((ring < 1) & (a < -0.018)) | pedicles | spine | wings) & ~body & ~canal
    tissue = np.full(grid.shape, Tissue.MUSCLE, np.uint8)
    compartment = np.full(grid.shape, Compartment.PARAVERTEBRAL, np.uint8)
    disc_up, disc_down = (column < 1) & (s >= HALF[2]), (column < 1) & (s <= -HALF[2])
    for mask, t, c in (
        (canal, Tissue.EPIDURAL, Compartment.CANAL),
        (disc_up, Tissue.DISC, Compartment.DISC_SUPERIOR),
        (disc_down, Tissue.DISC, Compartment.DISC_INFERIOR),
        (arch, Tissue.CORTICAL, Compartment.ARCH),
        (body, Tissue.CORTICAL, Compartment.BODY),
        (core, Tissue.CANCELLOUS, Compartment.BODY),
    ):
        tissue[mask], compartment[mask] = t, c
    dura = (np.sqrt((r / 0.009) ** 2 + ((a - CANAL[1]) / 0.006) ** 2) + 0 * s) < 1
    tissue[dura] = Tissue.DURA
    vein = box((0.020, -0.003, -0.003), (0.034, 0.001, 0.001)) & ~body
    tissue[vein], compartment[vein] = Tissue.VEIN, Compartment.VEIN_SEGMENTAL
    hu = sum(np.where(tissue == t, v, 0) for t, v in HU.items()) + 25 * noise * (1 + 2 * (tissue == Tissue.CANCELLOUS))
    bone = np.clip(hu / 1500, 0, 0.6) * ((compartment == Compartment.BODY) | (compartment == Compartment.ARCH))
    wide = VoxelGrid.around([-0.1, -0.12, -0.05], [0.1, 0.1, 0.05], 3e-3)
    wr, wa, ws = wide.open_mesh()
    skin = np.sqrt((wr / 0.095) ** 2 + ((wa + 0.01) / 0.10) ** 2) + 0 * ws
    column_wide = np.sqrt((wr / HALF[0]) ** 2 + (wa / HALF[1]) ** 2) + 0 * ws
    around = np.where(skin < 1, 50, -1000)
    around[(column_wide < 1) & (abs(ws) > 0.018)] = 300
    left, right = (
        Pedicle(
            centre=np.array([x, -0.016, 0.003]),
            axis=np.array([-x * 20, 1, 0]) / np.hypot(x * 20, 1),
            half_width=3.5e-3,
            half_height=5e-3,
        )
        for x in (-0.0135, 0.0135)
    )
    return Anatomy(
        level="L1",
        grid=grid,
        tissue=tissue,
        compartment=compartment,
        hu=hu.astype(np.float32),
        bone_fraction=bone.astype(np.float32),
        porosity=(1 - bone).astype(np.float32),
        permeability=np.full((3, *grid.shape), 1e-9),
        face_resistance=None,
        exits=(Exit(name="segmental vein, right", route="segmental", cells=np.argwhere(vein)[-1:], pressure=1e3),),
        surround=Surround(grid=wide, hu=around.astype(np.int16)),
        landmarks=Landmarks(
            body_half_axes=HALF,
            anterior_wall=HALF[1],
            posterior_wall=-HALF[1],
            superior_endplate=HALF[2],
            inferior_endplate=-HALF[2],
            canal_centre=CANAL,
            canal_half_axes=np.array([0.012, 0.0085]),
            pedicle_left=left,
            pedicle_right=right,
            spinous_tip=np.array([0, -0.058, -0.004]),
            posterior_skin=-0.11,
        ),
        patient_from_world=np.eye(4),
        body_volume=float(body.sum() * grid.voxel_volume),
        provenance={"source": "invented for tests", "seed": 1},
    )


def fake_run(*, leaks: bool = True, spacing: float = 1.5e-3) -> Run:
    """A run of 80 s with (or without) a disc leak and a venous leak."""
    anatomy = fake_anatomy(spacing)
    r, a, s = anatomy.grid.open_mesh()
    tip = np.array([-0.006, 0.004, 0.001])
    distance = np.sqrt((r - tip[0]) ** 2 + ((a - tip[1]) / 0.9) ** 2 + (s - tip[2]) ** 2)
    reach = 1.3e3 * distance + 1.5 * np.sin(700 * r) * np.cos(600 * a) * np.sin(650 * s)
    inside = anatomy.compartment == Compartment.BODY
    if leaks:
        plume = (abs(r - tip[0]) < 4e-3) & (abs(a - tip[1]) < 4e-3) & (s > 0)
        inside = inside | (plume & (s < 0.0175)) | (anatomy.tissue == Tissue.VEIN)
        reach = np.where(anatomy.tissue == Tissue.VEIN, 14.0, reach)
    times = np.linspace(0, 80, 6)
    radius = 15 * np.cbrt(times / 80)
    saturation = np.stack([np.clip(radius_now - reach, 0, 1) * inside for radius_now in radius]).astype(np.float32)
    came = np.where(saturation[-1] > 0.02, 80 * np.clip(1 - np.clip(reach / 15, 0, 1) ** 3, 0, 1), np.nan)
    needle = Needle(name="left", gauge=11, entry=np.array([-0.02, -0.11, 0.004]), tip=tip)
    marks = anatomy.landmarks
    placement = check_placement(
        needle,
        anatomy.grid,
        anatomy.compartment,
        anterior_wall=marks.anterior_wall,
        posterior_wall=marks.posterior_wall,
    )
    case = Case.preset("first-injection")
    return Run(
        scene=Scene(
            case=case,
            anatomy=anatomy,
            cement=cement("generic-medium"),
            needles=(needle,),
            placements=(placement,),
            steps=(Inject(needle="left", rate=5e-8, until=Limit(volume=4e-6)),),
        ),
        times=times,
        saturation=saturation,
        injection_time=came.astype(np.float32),
        pressure=np.zeros(anatomy.grid.shape, np.float32),
        history=_history(),
        events=_events(leaks),
        pictures=_pictures(times),
        summary=_summary(leaks),
        manifest={
            "vertebro": "0.1.0", "python": "3.11", "seed": 1, "kernel_hash": "0123abcd",
            "packages": {"numpy": "2.4", "numba": "0.68"}, "files": {"case.toml": "feedbeef"}, "wall_s": 7.5,
        },
    )  # fmt: skip


def _history() -> dict[str, NDArray[np.float64]]:
    t = np.linspace(0, 80, 41)
    bone = 2e5 * (1 - np.exp(-t / 15)) + 2e3 * t
    return {
        "time_s": t,
        "volume_injected_m3": 5e-8 * t,
        "rate_m3_s": np.full_like(t, 5e-8),
        "bone_pressure_pa": bone,
        "syringe_pressure_pa": bone + 3e5 + 4e3 * t,
        "plunger_force_n": (bone + 3e5) * 7e-5,
        "viscosity_pa_s": 120 * np.exp(t / 120),
        "volume_in_body_m3": 4.6e-8 * t,
        "volume_leaked_m3": np.clip(t - 42, 0, None) * 8e-9,
    }


def _events(leaks: bool) -> list[dict[str, Any]]:
    found = [
        {"time_s": 0.0, "event": "injection starts", "step": 0, "needle": "left", "rate_ml_min": 3.0},
        {"time_s": 80.0, "event": "injection ends", "step": 0, "reason": "volume"},
    ]
    if leaks:
        found.insert(
            1, {"time_s": 42.0, "event": "leak", "kind": "D", "volume_ml": 0.01, "position_words": "upper disc"}
        )
    return found


def _summary(leaks: bool) -> dict[str, Any]:
    leak = [
        {
            "kind": "D", "compartment": "disc_superior", "volume_ml": 0.21, "t_leak_s": 42.0, "t_visible_s": None,
            "position_mm": [-6.0, 4.0, 14.0], "position_words": "left of the midline, above the superior endplate",
        },
        {
            "kind": "S", "compartment": "vein_segmental", "volume_ml": 0.09, "t_leak_s": 60.0, "t_visible_s": None,
            "position_mm": [24.0, -1.0, -1.0], "position_words": "right of the body, mid height",
        },
    ]  # fmt: skip
    return {
        "simulated_s": 80.0,
        "wall_s": 7.5,
        "volume_injected_ml": 4.0,
        "volume_in_body_ml": 3.7,
        "body_volume_ml": 25.1,
        "fill_fraction": 0.147,
        "volume_balance_error": 3.1e-12,
        "peak_syringe_pressure_kpa": 980.0,
        "peak_bone_pressure_kpa": 360.0,
        "peak_temperature_c": None,
        "leaks": leak if leaks else [],
        "dose": {"frames": 10, "dap_gy_cm2": 0.12, "reference_kerma_mgy": 1.4},
        "warnings": ["the marrow viscosity is uncertain by a factor of ten"] if leaks else [],
    }


def _pictures(times: NDArray[np.float64]) -> list[Picture]:
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    out = []
    for i, time in enumerate(times[:5]):
        for view in ("ap", "lateral"):
            bone = 42000 - 12000 * ((abs(x) < 0.5) & (abs(y) < 0.35)) - 18000 * (np.hypot(x + 0.1, y) < 0.05 * i)
            out.append(
                Picture(
                    name=f"{i:03d}-{view}",
                    time=float(time),
                    view=view,
                    display16=bone.astype(np.uint16),
                    facts={"pixel_at_isocentre_mm": 1.6},
                )
            )
    return out
