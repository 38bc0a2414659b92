"""The cement cards: complete, cited, consistent with their own composition."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertebro.errors import CaseError, DataError, VertebroError
from vertebro.materials import CEMENTS, cement, load_cement
from vertebro.sources import SOURCES

names = pytest.mark.parametrize("name", CEMENTS)
DENSITY = {"BaSO4": 4500.0, "ZrO2": 5680.0}
HYDROXYAPATITE = {"vertecem-v+": (0.11, 3160.0)}  # 15 % of the powder
POLYMER, MONOMER = 1160.0, 940.0  # kg/m³, between PMMA 1180 and styrene copolymer 1140


@names
def test_every_number_has_a_range_and_a_known_source(name: str) -> None:
    for key, constant in cement(name).rows():
        assert constant.low <= constant <= constant.high, key
        assert constant.source in SOURCES, key


@names
def test_shares_and_densities_follow_from_the_composition(name: str) -> None:
    """Ideal mixture without air: monomer share = liquid/total, 1/ρ = Σ w_i/ρ_i; cured, the monomer is polymer too."""
    card = cement(name)
    total = card.powder_mass + card.liquid_mass
    assert card.monomer_fraction == pytest.approx(card.liquid_mass / total, abs=0.01)
    opaque = card.opacifier_fraction
    ceramic, ceramic_density = HYDROXYAPATITE.get(name, (0.0, 1.0))
    polymer = 1.0 - opaque - ceramic - card.monomer_fraction
    fixed = opaque / DENSITY[card.opacifier] + ceramic / ceramic_density + polymer / POLYMER
    assert card.density_uncured == pytest.approx(1.0 / (fixed + card.monomer_fraction / MONOMER), rel=0.03)
    assert card.density_cured == pytest.approx(1.0 / (fixed + card.monomer_fraction / POLYMER), rel=0.03)


@names
def test_powder_adds_up_and_gives_the_share_of_opacifier(name: str) -> None:
    """Shares of the powder sum to one; opacifier in the mixed cement = its share of the powder · powder / total."""
    card = cement(name)
    parts = (card.polymer_in_powder, card.opacifier_in_powder, card.ceramic_in_powder, card.initiator_in_powder)
    assert sum(parts) == pytest.approx(1.0, abs=0.005)
    mixed = card.opacifier_in_powder * card.powder_mass / (card.powder_mass + card.liquid_mass)
    assert card.opacifier_fraction == pytest.approx(mixed, abs=0.002)


def test_opacifier_shares_of_the_mixed_cement() -> None:
    """physics.md 1.4: HV-R 20.7 %, Simplex 6.8 %, Osteopal V 33 % by mass."""
    shares = [float(cement(name).opacifier_fraction) for name in ("kyphon-hvr", "simplex-p", "osteopal-v")]
    assert shares == pytest.approx([0.207, 0.068, 0.33], rel=1e-6)
    assert cement("osteopal-v").opacifier == "ZrO2"


@names
def test_description_is_plain_and_complete(name: str) -> None:
    rows = cement(name).describe()
    assert len(rows) == len(cement(name).rows())
    assert all(type(row["value"]) is float and row["unit"] and row["mark"] for row in rows)


def test_unknown_cement_lists_the_known_ones() -> None:
    with pytest.raises(CaseError) as caught:
        cement("chewing-gum")
    assert "kyphon-hvr" in str(caught.value)


GOOD = """
base = "generic-medium"
name = "mine"
title = "Mine"
summary = "A variant."
[numbers]
set_time = { value = 9, unit = "min", low = 8, high = 10, source = "vertebro", mark = "ours" }
"""


def test_own_card_inherits_from_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    card = load_cement(path)
    assert (card.name, float(card.set_time)) == ("mine", 540.0)
    assert card.anchor_viscosity == cement("generic-medium").anchor_viscosity


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("[numbers]", "colour = 'blue'\n[numbers]", CaseError),
        ("set_time", "sett_time", CaseError),
        ("value = 9", "value = 99", CaseError),
        ("generic-medium", "generic-none", CaseError),
        ('name = "mine"', 'name = "mine"\nrheology = "bingham"', CaseError),
        ('source = "vertebro"', 'source = "hearsay"', CaseError),
        ('unit = "min", ', "", CaseError),
        ('name = "mine"', 'name = "mine"\nopacifier = "lead"', CaseError),
        ("[numbers]", "[numbers", DataError),
    ],
)
def test_bad_cards_are_refused_with_their_place(tmp_path: Path, old: str, new: str, kind: type[VertebroError]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(kind) as caught:
        load_cement(path)
    assert caught.value.where


def test_missing_card_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load_cement(tmp_path / "none.toml")
