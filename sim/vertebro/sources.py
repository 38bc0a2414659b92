"""Where numbers come from: every physical constant cites a key of `SOURCES`.

Marks follow the research notes: ``seen`` (read in the source's abstract or text), ``recalled`` (from memory,
with citation), ``computed`` (derived here), ``ours`` (an engineering choice of this project, uncertain, a setting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mark = Literal["seen", "recalled", "computed", "ours"]


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of the bibliography: a readable reference and where it was found."""

    key: str
    text: str
    url: str = ""


class Constant(float):
    """A number that knows its unit, its plausible range and its source; behaves as a float.

    >>> k = Constant(0.05, "Pa.s", 0.04, 0.15, "zhong2011", "seen", "liquid yellow marrow at 37 degC")
    >>> k * 2
    0.1
    """

    unit: str
    low: float
    high: float
    source: str
    mark: Mark
    note: str

    def __new__(
        cls, value: float, unit: str, low: float, high: float, source: str, mark: Mark, note: str = ""
    ) -> Constant:
        if not low <= value <= high:
            raise ValueError(f"constant {value} lies outside its own range [{low}, {high}] {unit}")
        if source not in SOURCES:
            raise ValueError(f"unknown source key {source!r}; add it to vertebro/sources.py")
        self = super().__new__(cls, value)
        self.unit, self.low, self.high = unit, low, high
        self.source, self.mark, self.note = source, mark, note
        return self

    def __reduce__(self) -> tuple[type[Constant], tuple[float, str, float, float, str, Mark, str]]:
        return (Constant, (float(self), self.unit, self.low, self.high, self.source, self.mark, self.note))


def _table(*entries: tuple[str, str, str]) -> dict[str, Source]:
    return {key: Source(key, text, url) for key, text, url in entries}


# fmt: off  (one entry, one line: readable as a table, mergeable line by line)
SOURCES: dict[str, Source] = _table(
    ("vertebro", "vertebro authors: engineering choice, uncalibrated; treat as a setting", ""),
    ("baroud2004", "Baroud et al., J Biomech 37:189-196 (2004), permeability of lumbar cancellous cores", ""),
    ("nauman1999", "Nauman et al., Ann Biomed Eng 27:517-524 (1999), permeability of trabecular bone", ""),
    ("zhong2011", "Zhong and Akkus 2011, viscosity of human yellow marrow", "pubmed.ncbi.nlm.nih.gov/21811014"),
    ("bryant1988", "Bryant 1988, rheology of bovine bone marrow", ""),
    ("nicholas2007", "Nicholas et al., J Mater Sci Mater Med (2007), doi:10.1007/s10856-007-0125-2", ""),
    ("ferracane1981", "Ferracane and Greener 1981, rheology of acrylic bone cements", ""),
    ("silva1994", "Silva et al. 1994, thickness of the vertebral cortical shell", ""),
    (
        "yeom2003",
        "Yeom et al., J Bone Joint Surg Br 85:83-89 (2003), leakage types B, S, C",
        "pubmed.ncbi.nlm.nih.gov/12585583",
    ),
    (
        "wang2023",
        "basivertebral foramen in elderly fractures, CT, n = 107 (2023)",
        "www.chjcana.com/EN/10.13418/j.issn.1001-165x.2023.3.07",
    ),
    ("icru44", "ICRU Report 44 (1989), tissue substitutes", ""),
    ("icru46", "ICRU Report 46 (1992), photon data for body tissues", ""),
    ("xraydb", "Elam, Ravel and Sieber tables via the xraydb package", "xraypy.github.io/XrayDB"),
    ("spekpy", "Poludniowski et al., Med Phys 48:3630 (2021), SpekPy v2", "doi:10.1002/mp.14945"),
    ("lidc", "Armato et al. 2011, LIDC-IDRI, CC BY 3.0", "doi:10.7937/K9/TCIA.2015.LO9QL9SX"),
    (
        "kohles2001",
        "Kohles et al., J Biomech 34:1197-1202 (2001), direct perfusion of cancellous bone, Kozeny fit",
        "biomechanical.asmedigitalcollection.asme.org",
    ),
    (
        "lhdl2009",
        "LHDL trabecular biopsy 3155_D_4_bc (ciclope test data); permeability by lattice Boltzmann, this project",
        "",
    ),
    (
        "thomsen2013",
        "Thomsen et al. 2013, age-related changes of vertical and horizontal lumbar vertebral trabecular structure",
        "",
    ),
    (
        "hu_l1",
        "L1 trabecular CT numbers by decade and diagnosis (review of opportunistic screening)",
        "sindex.sdl.edu.sa",
    ),
    ("iop1981", "Lumbar intraosseous pressure follows the inferior vena cava, Spine 6:159 (1981)", "pubmed 6456552"),
    (
        "panjabi1992",
        "Panjabi et al., Spine 16:888 (1991), 17:299 (1992), 3-D anatomy of thoracic and lumbar vertebrae",
        "",
    ),
    (
        "zindrick1987",
        "Zindrick et al., Spine 12:160-166 (1987), morphometric characteristics of thoracic and lumbar pedicles",
        "",
    ),
    (
        "berry1987",
        "Berry et al., Spine 12:362-367 (1987), morphometric study of human lumbar and selected thoracic vertebrae",
        "",
    ),
)
# fmt: on
