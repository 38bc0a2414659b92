"""The reconstructing scanner: CT numbers, cupping, dark bands, noise, needles; anchors from research/imaging.md 6.2."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from imaging.ct_phantom import Phantom, box, distance
from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging import (
    CTField,
    CTNeedle,
    ProjectionGeometry,
    Scanner,
    ct_body,
    ct_slice,
    project,
    scan_slice,
    scan_volume,
)
from vertebro.imaging.ct_body import ct_body as make_body
from vertebro.imaging.ct_rays import Rays
from vertebro.imaging.kernels_ct import LANES
from vertebro.materials.attenuation import MATERIALS, cement_material
from vertebro.materials.presets import CEMENTS, cement
from vertebro.scans import cement_matter

RAMP = Scanner(kernel="ramp")
GRID = VoxelGrid.around([-0.04, -0.04, -0.012], [0.04, 0.04, 0.012], 1e-3)
QUICK = Scanner(noise=0.0, views=240)
BALLS = ((-0.02, 0.0, 0.0075), (0.02, 0.0, 0.0075))
NEEDLES = ((-0.02, 0.0, 0.0015), (0.02, 0.0, 0.0015))


def test_water_cups_without_correction_and_not_with_it() -> None:
    """2.4 % or 25 HU from the centre to 2 cm under the surface; corrected, 0 everywhere."""
    r = distance()
    plain = Phantom().picture(replace(RAMP, water_correction=False))
    rise = plain[abs(r - 0.09) < 1e-3].mean() - plain[r < 0.01].mean()
    assert rise == pytest.approx(25, rel=0.05)
    straight = Phantom().picture(RAMP)
    assert abs(straight[r < 0.01].mean()) < 1
    assert abs(straight[abs(r - 0.09) < 3e-3].mean()) < 1


@pytest.mark.parametrize("kvp", [80, 100, 120, 140])
def test_water_is_0_at_every_voltage_thin_or_thick(kvp: float) -> None:
    for radius in (0.05, 0.12):
        picture = Phantom(water=radius).picture(replace(RAMP, kvp=kvp))
        assert abs(picture[distance() < 0.8 * radius].mean()) < 1


def test_a_bowtie_filter_leaves_water_at_0() -> None:
    picture = Phantom().picture(replace(RAMP, bowtie=True))
    assert abs(picture[distance() < 0.09].mean()) < 1


def test_tissue_keeps_its_ct_number_through_the_scanner() -> None:
    """Fat -100 and muscle 50 HU go in as fractions of water; cortical bone as bone, seen through 20 cm of water."""
    spots = {"fat": (0.05, 0.0), "muscle": (-0.05, 0.0), "bone": (0.0, 0.05)}
    phantom = Phantom(
        soft=(((*spots["fat"], 0.012), 0.9), ((*spots["muscle"], 0.012), 1.05)), bone=((*spots["bone"], 0.004),)
    )
    picture = phantom.picture(RAMP)
    assert picture[distance(*spots["fat"]) < 0.009].mean() == pytest.approx(-100, abs=3)
    assert picture[distance(*spots["muscle"]) < 0.009].mean() == pytest.approx(50, abs=3)
    assert picture[distance(*spots["bone"]) < 0.003].mean() == pytest.approx(1637, rel=0.05)


# The anchors of the research page were computed with rays of no width and a table of water that ended at 30 cm, and
# read in boxes of 12 x 4 mm between the objects; the picture was not clipped.
ANCHOR = Scanner(kernel="ramp", calibrated=0.3, electronic=0.0)
BAND = box(6e-3, 2e-3)


@pytest.mark.parametrize(("share", "centre", "rim", "band"), [(0.2, 3660, 3990, -340), (0.3, 4970, 5590, -1330)])
def test_balls_of_cement_harden_the_beam_and_are_joined_by_a_dark_band(
    share: float, centre: float, rim: float, band: float
) -> None:
    """15 mm balls, 40 mm apart in 20 cm of water: far below the 5100 and 8300 HU of a thin sample, least inside."""
    picture = Phantom(cement=BALLS, matter=cement_material(share=share), points=True).picture(ANCHOR)
    d = distance(0.02)
    assert picture[d < 3e-3].mean() == pytest.approx(centre, rel=0.05)
    assert picture[(d > 5e-3) & (d < 6e-3)].mean() == pytest.approx(rim, rel=0.05)
    assert picture[BAND].mean() == pytest.approx(band, rel=0.05)
    assert picture[d < 3e-3].mean() < 0.75 * ANCHOR.hu(cement_material(share=share))


def test_two_needles_are_joined_by_a_dark_band_and_noise() -> None:
    """-90 HU; with 1e5 photons 433 HU of streaks and noise between them, 59 HU far away."""
    phantom = Phantom(steel=NEEDLES, points=True)
    assert phantom.picture(ANCHOR)[BAND].mean() == pytest.approx(-90, rel=0.05)
    noisy = phantom.picture(ANCHOR, photons=1e5)
    assert noisy[BAND].std() == pytest.approx(433, rel=0.05)
    assert noisy[distance(0, 0.06) < 0.02].std() == pytest.approx(59, rel=0.05)


def test_a_correction_for_thicker_water_and_wide_rays_halve_the_dark_bands() -> None:
    """How far the anchors depend on their table: with one for 80 cm -1330 becomes -520, -340 becomes -300."""
    thick = [
        Phantom(cement=BALLS, matter=cement_material(share=share)).picture(RAMP)[BAND].mean() for share in (0.2, 0.3)
    ]
    assert thick == pytest.approx([-304, -517], rel=0.05)


def test_photons_starve_between_needles() -> None:
    """Of noise alone: a thirtieth of the photons makes more than the square root of thirty, as it does not in water."""
    near = box(5e-3, 1.6e-3)

    def noise(photons: float) -> float:
        one, two = (Phantom(steel=NEEDLES).picture(RAMP, photons=photons, seed=seed) for seed in (1, 2))
        return float((one - two)[near].std())

    assert noise(3e3) > 1.6 * noise(1e5) * np.sqrt(1e5 / 3e3)


def test_noise_falls_with_the_square_root_of_the_charge() -> None:
    near = distance() < 0.03
    quiet = Phantom().picture(RAMP)
    sd = [(Phantom().picture(RAMP, photons=photons) - quiet)[near].std() for photons in (1e5, 4e5, 16e5)]
    assert sd[0] / sd[1] == pytest.approx(2, rel=0.03)
    assert sd[1] / sd[2] == pytest.approx(2, rel=0.03)
    assert sd[0] == pytest.approx(59, rel=0.1)


def test_read_out_noise_counts_where_few_photons_are_left() -> None:
    """Between needles 1e4 photons shrink to a dozen: a cell's 8 photons of read-out noise show there, not in water."""
    phantom = Phantom(steel=NEEDLES)
    quiet = phantom.picture(RAMP)
    near, far = box(5e-3, 1.6e-3), distance(0, 0.08) < 0.008
    still, loud = (
        phantom.picture(replace(RAMP, electronic=sigma), photons=1e4, seed=3) - quiet for sigma in (0.0, 8.0)
    )
    assert loud[near].std() / still[near].std() > 1.1 * loud[far].std() / still[far].std()


def test_starved_rays_read_one_photon_not_infinity() -> None:
    picture = Phantom(steel=((-0.03, 0, 0.003), (0.03, 0, 0.003))).picture(RAMP, photons=50.0)
    assert np.isfinite(picture).all()
    assert picture[box(0.01, 1e-3)].std() > 300


# published CT numbers of cement in vertebrae: about 1600 to 5300 HU by product
@pytest.mark.parametrize("name", CEMENTS)
def test_cements_lie_in_the_published_range(name: str) -> None:
    """16 mm of set cement in 20 cm of water."""
    phantom = Phantom(cement=((0.0, 0.0, 0.008),), matter=cement_matter(cement(name)))
    picture = phantom.picture(replace(RAMP, kernel="soft"))
    assert 1400 < picture[distance() < 4e-3].mean() < 5300


def body_of(hu: Any, **more: Any) -> Any:
    return make_body(hu, GRID, **more)


def cylinder() -> np.ndarray:
    r, a, s = GRID.open_mesh()
    return np.where((r / 0.036) ** 2 + (a / 0.030) ** 2 + 0 * s < 1, 40.0, -1000.0)


def test_lines_are_those_of_the_houses_projector() -> None:
    """Against `project` with a source so far away that its rays are parallel."""
    rays = Rays(views=24, count=61, pitch=1.5e-3, axis=(0.003, -0.002))
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.random(GRID.shape), axis=2).astype(np.float32) / 24
    smooth[:] = smooth[:, :, 11:13].mean(axis=2)[:, :, None]
    body = body_of(np.zeros(GRID.shape))
    layer = replace(body.layers[0], soft=smooth, bone=np.zeros(GRID.shape, np.float32))
    out = np.empty((24, 61, LANES), np.float32)
    replace(body, layers=(layer,)).paths(np.array([0.0]), rays, out)
    for view in (0, 5, 13, 20):
        geometry = _parallel(rays, view)
        expected = project(smooth, GRID, geometry, method="joseph")[1]
        assert np.allclose(out[view, :, 0], expected, atol=4e-5)


def _parallel(rays: Rays, view: int) -> ProjectionGeometry:
    """A source a kilometre away; the middle row of the detector lies in the slice."""
    cos, sin = rays.directions()[view]
    along, u, v = np.array([-sin, cos, 0.0]), rays.pitch * np.array([cos, sin, 0.0]), np.array([0.0, 0.0, -1e-4])
    axis = np.array([*rays.axis, 0.0])
    corner = axis + 0.1 * along - (rays.count - 1) / 2 * u - v
    return ProjectionGeometry(
        source=axis - 1e3 * along, detector_origin=corner, u=u, v=v, rows=3, cols=rays.count, isocentre=axis
    )


def test_fast_and_reconstructed_agree_on_plain_tissue() -> None:
    hu = cylinder()
    view = CTField(width=0.08, pixels=160)
    fast, whole = (ct_slice(view, hu, GRID, scanner=QUICK, mode=mode) for mode in ("fast", "reconstructed"))
    inside = np.hypot(*np.meshgrid(*2 * [np.arange(160) - 79.5])) < 40
    assert fast.hu[inside].mean() == pytest.approx(40, abs=0.1)
    assert whole.hu[inside].mean() == pytest.approx(40, abs=3)
    assert np.array_equal(fast.origin, whole.origin)
    assert np.array_equal(fast.row_step, whole.row_step)


@pytest.mark.parametrize("plane", ["axial", "sagittal", "coronal"])
def test_cement_lies_where_it_is_in_every_plane(plane: Any) -> None:
    cement_share = np.zeros(GRID.shape, np.float32)
    point = (0.012, 0.008, 0.004)
    i, j, k = GRID.nearest(point)
    cement_share[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3] = 1
    view = CTField(plane=plane, width=0.06, pixels=60, centre=point, thickness=1e-3)
    picture = ct_slice(view, cylinder(), GRID, cement_fraction=cement_share, scanner=QUICK, mode="reconstructed")
    offset = GRID.world((i, j, k)) - picture.origin
    row = round(float(offset @ picture.row_step / (picture.row_step @ picture.row_step)))
    col = round(float(offset @ picture.col_step / (picture.col_step @ picture.col_step)))
    found = np.average(np.indices(picture.hu.shape).reshape(2, -1), axis=1, weights=(picture.hu > 2000).ravel())
    assert found == pytest.approx([row, col], abs=0.7)


def test_a_needle_is_white_its_prolongation_dark() -> None:
    needle = CTNeedle(start=(0.0, -0.05, 0.0), end=(0.0, 0.0, 0.0), outer_radius=1.5e-3, inner_radius=1e-3)
    view = CTField(width=0.08, pixels=160)
    args = {"scanner": QUICK, "mode": "reconstructed", "needles": (needle,)}
    picture = ct_slice(view, cylinder(), GRID, **args).hu  # type: ignore[arg-type]
    assert picture[100:130, 77:83].max(axis=1).min() > 5000
    assert picture[58:75, 79:81].mean() < -100
    clipped = ct_slice(view, cylinder(), GRID, **args | {"scanner": replace(QUICK, extended=False)}).hu  # type: ignore[arg-type]
    assert clipped.max() == 3071


@pytest.mark.parametrize("method", ["linear", "normalised"])
def test_metal_reduction_lightens_the_band_between_two_rods(method: Any) -> None:
    """Rods across the slice."""
    rods = tuple(CTNeedle(start=(r, 0, -0.01), end=(r, 0, 0.01), outer_radius=1.5e-3) for r in (-0.015, 0.015))
    view = CTField(width=0.08, pixels=160)
    dark, light = (
        ct_slice(
            view,
            cylinder(),
            GRID,
            needles=rods,
            scanner=replace(QUICK, metal_reduction=choice),
            mode="reconstructed",
        ).hu
        for choice in ("none", method)
    )
    between = np.s_[78:82, 60:100]
    assert abs(light[between].mean() - 40) < 0.5 * abs(dark[between].mean() - 40)
    assert light[80, 110] > 3000  # the rods are put back


@pytest.mark.parametrize("method", ["linear", "normalised"])
def test_metal_reduction_lightens_the_shadow_before_a_long_needle_and_keeps_it(method: Any) -> None:
    """A cannula in the slice: its thin wall blooms, its lumen is dark, and its prolongation is starved."""
    needle = CTNeedle(start=(0.0, -0.05, 0.0), end=(0.0, 0.0, 0.0), outer_radius=1.6e-3, inner_radius=1.1e-3)
    view = CTField(width=0.08, pixels=160, centre=(0.004, -0.006, 0.0))
    dark, light = (
        ct_slice(
            view, cylinder(), GRID, needles=(needle,), scanner=replace(QUICK, metal_reduction=choice),
            mode="reconstructed",
        ).hu
        for choice in ("none", method)
    )  # fmt: skip
    across, row = 80 + 8, 80 - 12  # of the needle, and of its tip
    before = np.s_[row - 24 : row - 8, across - 2 : across + 3]
    assert dark[before].mean() < -250
    assert abs(light[before].mean() - 40) < 0.5 * abs(dark[before].mean() - 40)
    on = np.s_[row + 8 : row + 34, across - 3 : across + 4]
    assert np.array_equal(light[on].max(axis=1), dark[on].max(axis=1))


@pytest.mark.parametrize("method", ["linear", "normalised"])
def test_metal_reduction_leaves_pictures_without_metal_alone(method: Any) -> None:
    view = CTField(width=0.08, pixels=80)
    pictures = [
        ct_slice(view, cylinder(), GRID, scanner=replace(QUICK, metal_reduction=m), mode="reconstructed").hu
        for m in ("none", method)
    ]
    assert np.array_equal(*pictures)


def test_thick_slices_mix_what_thin_ones_separate_and_are_quieter() -> None:
    hu = cylinder()
    hu[:, :, GRID.shape[2] // 2 :] += 200.0
    view = CTField(width=0.04, pixels=40)
    body = body_of(hu)
    thick, low, high = (
        scan_slice(replace(view, thickness=t, centre=(0, 0, z)), body, QUICK).hu[10:30, 10:30].mean()
        for t, z in ((8e-3, 0.0), (2e-3, -3e-3), (2e-3, 3e-3))
    )
    assert high > 230
    assert low == pytest.approx(40, abs=3)
    assert thick == pytest.approx((low + high) / 2, abs=2)
    noisy = replace(QUICK, noise=1.0, mas=20)
    sd = [
        scan_slice(replace(view, thickness=t, centre=(0, 0, -6e-3)), body, noisy).hu[10:30, 10:30].std()
        for t in (1e-3, 4e-3)
    ]
    assert sd[0] / sd[1] == pytest.approx(2, rel=0.15)


def test_a_stack_is_the_same_for_any_number_of_threads() -> None:
    body = body_of(cylinder())
    view = CTField(width=0.06, pixels=32, thickness=2e-3)
    scanner = Scanner(views=60, detector_pitch=1e-3)
    told: list[float] = []
    stacks = [
        scan_volume(view, body, scanner, slices=5, spacing=2e-3, threads=n, progress=lambda _, done: told.append(done))
        for n in (1, 2, 3)
    ]
    assert all(np.array_equal(stacks[0].hu, stack.hu) for stack in stacks)
    assert not np.array_equal(stacks[0].hu[:, :, 1], stacks[0].hu[:, :, 2])
    assert told[-1] == 1
    other = scan_volume(view, body, scanner, slices=5, spacing=2e-3, seed=1)
    assert not np.array_equal(stacks[0].hu, other.hu)
    assert stacks[0].grid.world((15.5, 15.5, 2)) == pytest.approx([0, 0, 0], abs=1e-12)


def test_ctrl_c_ends_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def tell(_: str, share: float) -> None:
        done.append(1)
        raise KeyboardInterrupt

    view = CTField(width=0.06, pixels=16, thickness=2e-3)
    with pytest.raises(KeyboardInterrupt):
        scan_volume(
            view, body_of(cylinder()), Scanner(views=60, detector_pitch=2e-3), slices=200, spacing=1e-3, progress=tell
        )
    assert len(done) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"mas": 0.0},
        {"mas": -5.0},
        {"views": 8},
        {"views": 361},
        {"kernel": "sharp"},
        {"metal_reduction": "magic"},
        {"detector_pitch": 0.0},
        {"bins": 0},
        {"mas": float("nan")},
    ],
)
def test_impossible_scanners_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CaseError):
        Scanner(**wrong)


def test_bad_input_is_refused() -> None:
    hu = cylinder()
    with pytest.raises(CaseError, match="unknown mode"):
        ct_slice(CTField(), hu, GRID, mode="real")  # type: ignore[arg-type]
    hu[40, 40, 12] = np.nan
    with pytest.raises(DataError, match="NaN"):
        ct_slice(CTField(), hu, GRID, mode="reconstructed")
    bad = np.zeros(GRID.shape, np.float32)
    bad[1, 1, 12] = np.inf
    with pytest.raises(DataError, match="cement"):
        ct_body(cylinder(), GRID, cement_fraction=bad)
    with pytest.raises(GeometryError, match="cement_fraction"):
        ct_body(cylinder(), GRID, cement_fraction=np.zeros((2, 2, 2), np.float32))
    with pytest.raises(GeometryError, match="impossible needle"):
        ct_body(cylinder(), GRID, needles=(CTNeedle(start=(0, 0, 0), end=(0, 0, np.nan), outer_radius=1e-3),))
    with pytest.raises(CaseError, match="stack"):
        scan_volume(CTField(), body_of(cylinder()), QUICK, slices=0, spacing=1e-3)
    with pytest.raises(GeometryError, match="centre"):
        CTField(centre=(0.0, float("nan"), 0.0))


def test_steel_is_not_moved_by_being_looked_at() -> None:
    start, end = np.array([0.0, -0.03, 0.0]), np.array([0.0, 0.0, 0.0])
    body = body_of(cylinder(), needles=(CTNeedle(start=start, end=end, outer_radius=1e-3),))
    scan_slice(CTField(width=0.05, pixels=16), body, Scanner(views=24, detector_pitch=2e-3))
    assert start.tolist() == [0.0, -0.03, 0.0]
    assert MATERIALS["water"].density == 1000.0
