"""Attenuation tables against XCOM values (xraylib, as tabulated in the project's research notes), and mixtures."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.materials.attenuation import (
    MATERIALS,
    Material,
    cement_material,
    mass_attenuation,
    material,
    mixture,
    photon_tables,
)

# 1/cm at 40, 60, 80 keV
XCOM = {
    "water": (0.268, 0.206, 0.184),
    "adipose": (0.228, 0.188, 0.171),
    "soft tissue": (0.285, 0.217, 0.193),
    "muscle": (0.282, 0.215, 0.191),
    "blood": (0.288, 0.218, 0.194),
    "red marrow": (0.263, 0.207, 0.186),
    "yellow marrow": (0.233, 0.193, 0.176),
    "spongiosa": (0.458, 0.281, 0.230),
    "cortical bone": (1.278, 0.605, 0.428),
    "cartilage": (0.312, 0.229, 0.202),
    "PMMA": (0.277, 0.227, 0.207),
    "iohexol 300": (6.898, 2.484, 1.242),
    "Ti-6Al-4V": (9.411, 3.278, 1.747),
    "steel 304": (28.33, 9.425, 4.671),
}
CEMENTS = {
    ("barium sulfate", 0.10): (1.274, 2.138, 0.872, 0.508),
    ("barium sulfate", 0.20): (1.384, 4.320, 1.629, 0.862),
    ("barium sulfate", 0.30): (1.515, 6.915, 2.530, 1.283),
    ("barium sulfate", 0.40): (1.674, 10.05, 3.619, 1.792),
    ("zirconium dioxide", 0.15): (1.339, 1.975, 0.786, 0.464),
    ("zirconium dioxide", 0.30): (1.548, 4.202, 1.519, 0.802),
    ("zirconium dioxide", 0.45): (1.835, 7.252, 2.523, 1.265),
}


@pytest.mark.parametrize("name", XCOM)
def test_attenuation_of_materials_matches_xcom_within_1_percent(name: str) -> None:
    assert MATERIALS[name].linear_attenuation([40, 60, 80]) / 100 == pytest.approx(np.array(XCOM[name]), rel=0.01)


@pytest.mark.parametrize("mixed", CEMENTS, ids=lambda mixed: f"{mixed[1]:.0%} {mixed[0]}")
def test_cements_match_xcom_within_1_percent(mixed: tuple[str, float]) -> None:
    density, *expected = CEMENTS[mixed]
    cement = cement_material(*mixed)
    assert cement.density / 1000 == pytest.approx(density, rel=1e-3)
    assert cement.linear_attenuation([40, 60, 80]) / 100 == pytest.approx(np.array(expected), rel=0.01)


@pytest.mark.parametrize("name", MATERIALS)
def test_attenuation_of_every_material_matches_xraydb_from_20_to_120_kev(name: str) -> None:
    """Within 1 % at every half keV away from absorption edges; the shipped table knows whole keV only."""
    xraydb = pytest.importorskip("xraydb")
    energy = np.arange(20.0, 120.5, 0.5)
    entry = MATERIALS[name]
    for element, _ in entry.fractions:
        edges = [edge.energy / 1e3 for edge in xraydb.xray_edges(element).values()]
        energy = energy[[min(abs(e - edge) for edge in edges) > 1 for e in energy]]
    expected = sum(share * xraydb.mu_elam(element, energy * 1e3) for element, share in entry.fractions)
    assert entry.linear_attenuation(energy) == pytest.approx(entry.density * expected * 0.1, rel=0.01)


def test_elements_match_published_mass_attenuation() -> None:
    """NIST, cm²/g, at 60 keV hydrogen 0.3260, oxygen 0.1907, iron 1.205, at 40 keV calcium 1.830."""
    for element, energy, value in (("H", 60, 0.3260), ("O", 60, 0.1907), ("Fe", 60, 1.205), ("Ca", 40, 1.830)):
        assert mass_attenuation(element)[energy - 10] * 10 == pytest.approx(value, rel=0.01)


# NIST XAAMDI (Hubbell and Seltzer), cm²/g
KEV = (20, 30, 40, 50, 60, 80, 100)
NIST = {
    "water": (0.8096, 0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707),
    "adipose": (0.5677, 0.3063, 0.2396, 0.2123, 0.1974, 0.1800, 0.1688),
    "muscle": (0.8205, 0.3783, 0.2685, 0.2262, 0.2048, 0.1823, 0.1693),
    "cortical bone": (4.001, 1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855),
    "PMMA": (0.5714, 0.3032, 0.2350, 0.2074, 0.1924, 0.1751, 0.1641),
    "Ca": (13.06, 4.080, 1.830, 1.019, 0.6578, 0.3656, 0.2571),
    "Fe": (25.68, 8.176, 3.629, 1.958, 1.205, 0.5952, 0.3717),
    "I": (25.43, 8.561, 22.10, 12.32, 7.579, 3.510, 1.942),
}


@pytest.mark.parametrize("name", NIST)
def test_mass_attenuation_is_that_of_the_nist_tables_from_20_to_100_kev(name: str) -> None:
    if name in MATERIALS:
        ours = MATERIALS[name].linear_attenuation(KEV) / MATERIALS[name].density
    else:
        ours = mass_attenuation(name)[np.array(KEV) - 10]
    assert ours * 10 == pytest.approx(np.array(NIST[name]), rel=0.01)


def test_at_least_20_materials_are_checked_from_20_to_120_kev() -> None:
    """All of `MATERIALS` against xraydb, above; here is how many that are."""
    assert len(MATERIALS) >= 20


def test_barium_keeps_its_edge() -> None:
    """The K edge of barium lies at 37.44 keV: a jump upwards, taken as a step and not as a slope."""
    barium = Material(name="barium", density=3500, fractions=(("Ba", 1.0),))
    below, above = barium.linear_attenuation([37.0, 38.0])
    assert above > 4 * below
    near_below, near_above = barium.linear_attenuation([37.4, 37.6])
    assert near_below == pytest.approx(below)
    assert near_above == pytest.approx(above)


def test_interpolation_between_whole_energies_is_a_power_law() -> None:
    """Photoelectric absorption falls as a power of the energy, so log-log interpolation is the natural one."""
    water = MATERIALS["water"]
    low, middle, high = water.linear_attenuation([30.0, np.sqrt(30.0 * 31.0), 31.0])
    assert middle == pytest.approx(np.sqrt(low * high), rel=1e-9)


def test_volumes_of_a_mixture_add() -> None:
    """1 g of each: 2 g in (1/ρ1 + 1/ρ2) cm³."""
    both = mixture("half", [(MATERIALS["water"], 0.5), (MATERIALS["barium sulfate"], 0.5)])
    assert both.density == pytest.approx(2 / (1 / 1000 + 1 / 4500))
    assert sum(share for _, share in both.fractions) == pytest.approx(1)


def test_every_material_is_made_of_tabulated_elements_and_cites_a_source() -> None:
    for entry in MATERIALS.values():
        assert entry.table().shape == (141,)
        assert np.all(entry.table() > 0)


def test_tables_are_small_and_say_where_they_come_from() -> None:
    tables = photon_tables()
    assert "spekpy" in str(tables["provenance"])
    assert tables["mass_attenuation"].shape == (len(tables["elements"]), 141)
    assert tables["spectra"].shape == (111, 141)


@pytest.mark.parametrize("energy", [9.9, 150.1, np.nan])
def test_energies_outside_the_table_are_refused(energy: float) -> None:
    with pytest.raises(CaseError, match="10 to 150 keV"):
        MATERIALS["water"].linear_attenuation(energy)


def test_wrong_materials_are_refused() -> None:
    with pytest.raises(CaseError, match="unknown material"):
        material("kryptonite")
    with pytest.raises(CaseError, match="no table"):
        mass_attenuation("Xx")
    with pytest.raises(CaseError, match="impossible material"):
        Material(name="half", density=1000, fractions=(("H", 0.5),))
    with pytest.raises(CaseError, match="add up to 1"):
        mixture("too much", [(MATERIALS["water"], 1.5)])
    with pytest.raises(CaseError, match="opacifier share"):
        cement_material(share=0.9)
