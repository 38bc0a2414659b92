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


# one entry, one line: readable as a table, mergeable line by line
# fmt: off
SOURCES: dict[str, Source] = _table(
    ("vertebro", "vertebro authors: engineering choice, uncalibrated; treat as a setting", ""),
    ("baroud2004", "Baroud et al., J Biomech 37:189-196 (2004), permeability of lumbar cancellous cores", ""),
    ("nauman1999", "Nauman et al., Ann Biomed Eng 27:517-524 (1999), permeability of trabecular bone", ""),
    ("zhong2011", "Zhong and Akkus 2011, viscosity of human yellow marrow", "pubmed.ncbi.nlm.nih.gov/21811014"),
    ("bryant1988", "Bryant 1988, rheology of bovine bone marrow", ""),
    ("nicholas2007", "Nicholas et al., J Mater Sci Mater Med (2007), doi:10.1007/s10856-007-0125-2", ""),
    ("ferracane1981", "Ferracane and Greener 1981, rheology of acrylic bone cements", ""),
    ("silva1994", "Silva et al., J Orthop Res 12:409-414 (1994), shell and endplate thickness of 16 L1", ""),
    ("lee2017", "Lee et al., Bone 103:325-333 (2017), phantomless calibration of CT: air with aortic blood or fat", ""),
    ("kaesmacher2017", "Kaesmacher et al., J Comput Assist Tomogr 41:217-223 (2017), contrast medium and internal calibration", "PMC5359785"),
    ("lawlor2022", "Lawlor et al., J Frailty Sarcopenia Falls 7:38-46 (2022), psoas on CT without contrast, 193 adults of 19 to 40", "doi:10.22540/JFSF-07-038"),
    ("rollins2019", "Rollins et al. 2019, psoas and whole L3 muscle radiodensity, 150 portal venous CTs", "nottingham-repository.worktribe.com/output/2795947"),
    ("psoas2021", "CT-estimated density of lumbar vertebrae and psoas before and after contrast, 113 patients, Split 2021 (abstract)", ""),
    ("adipose2022", "CT-derived abdominal fat indices in a healthy young Midwestern US population, 193 CTs without contrast (abstract)", ""),
    ("aorta2022", "Aortic and caval density and haemoglobin, 151 of 423 unenhanced abdominal CTs (abstract)", ""),
    ("blood2022", "Evaluating anemia on non-contrast thoracic CT, Sci Rep 12:21380 (2022), 325 patients", "doi:10.1038/s41598-022-24265-8"),
    ("goodsitt1992", "Goodsitt, Bone Miner 19:145 (1992), conversion relations for quantitative CT", "c.coek.info"),
    ("firth1993", "Firth 1993, bias reduction of maximum likelihood estimates", ""),
    ("mckay1979", "McKay, Beckman and Conover 1979, Latin hypercube sampling", ""),
    ("saltelli2010", "Saltelli et al. 2010, variance based sensitivity analysis: design and estimator", ""),
    ("wilson1927", "Wilson 1927, probable inference: interval of a share", ""),
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
    (
        "bvf_drybone",
        "basivertebral foramina of 1561 dry vertebral bodies: one 45 %, two 37 %",
        "scribd.com/document/686095140",
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
    ("genant1993", "Genant et al., J Bone Miner Res 8:1137-1148 (1993), semiquantitative grades of vertebral fracture", ""),
    ("iop1981", "Lumbar intraosseous pressure follows the inferior vena cava, Spine 6:159 (1981)", "pubmed 6456552"),
    ("panjabi1992", "Panjabi et al., Spine 17:299-306 (1992), human lumbar vertebrae, 3-D anatomy", ""),
    ("panjabi1991", "Panjabi et al., Spine 16:888-901 (1991), thoracic human vertebrae, 3-D anatomy", "pubmed 1948374"),
    ("panjabi_cervical1991", "Panjabi et al., Spine 16:861-869 (1991), cervical human vertebrae, 3-D anatomy", ""),
    ("panjabi1991_uncus", "Panjabi et al. 1991, uncovertebral joints of the cervical spine; height about 5 mm", ""),
    ("panjabi1993", "Panjabi et al., Spine 18:1298-1310 (1993), articular facets of the human spine", ""),
    ("gilad1986", "Gilad and Nissan, Spine 11:154-157 (1986), vertebral and disc geometry from lateral radiographs", ""),
    ("biceps", "BICEPS and Clouthier open meshes of lumbar vertebrae: spinous and transverse extents measured here", ""),
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
    ("xu1995", "Xu et al., Spine 20:936 (1995), first sacral vertebra and the projection of its pedicle", ""),
    ("ebraheim1997", "Ebraheim et al. 1997, sacral foramina and pedicles, quantitative anatomy", ""),
    ("flander1978", "Flander, Am J Phys Anthropol 49:103 (1978), sex differences of the sacrum", ""),
    ("vialle2005", "Vialle et al., JBJS Am 87:260 (2005), sagittal alignment of 300 adults: slope, tilt, incidence", ""),
    ("vleeming2012", "Vleeming et al., J Anat 221:537 (2012), the sacroiliac joint: anatomy and function", ""),
    ("peretz1998", "Peretz et al., Spine 23:1971 (1998), internal bony architecture of the sacrum", ""),
    ("bell1990", "Bell et al., J Biomech 23:617 (1990), where the hip joint centres lie", ""),
    ("kohnlein2009", "Koehnlein et al., Clin Orthop 467:691 (2009), acetabular morphology", ""),
    ("noble1988", "Noble et al., Clin Orthop 235:148 (1988), anatomy of the proximal femur", ""),
    ("lequesne2004", "Lequesne et al., Ann Rheum Dis 63:1145 (2004), hip joint space in 223 normal adults", ""),
    ("murray1993", "Murray, JBJS Br 75:228 (1993), definition and measurement of acetabular orientation", ""),
    # cement, delivery, leak rules
    ("kyphon_ifu", "Medtronic Kyphon HV-R bone cement, instructions for use", "manualmachine.com/medtronic/c01b"),
    ("provenzano2004", "Provenzano et al., AJNR (2004), bone cements: physical and chemical properties", "PMC7976525"),
    ("habib2010", "Habib et al., SAS Journal 4 (2010), leaked mass against delay and cement", "ijssurgery.com/content/4/1/26"),
    ("deusser2011", "Deusser et al. 2011, rheology and curing of injectable bone cements", "hindawi.com/archive/2011/571728"),
    ("boger2011", "Boger and Wheeler 2011, a medium viscous cement for augmentation", "hindawi.com/journals/isrn/2011/780510"),
    ("krause1982", "Krause and Miller 1982, J Biomech Eng, viscosity of acrylic bone cements", ""),
    ("lewis2002", "Lewis and Carroll 2002, rheological properties of acrylic bone cement during curing", ""),
    ("trivedi2023", "Trivedi et al. 2023, Biomech Model Mechanobiol, upscaled cement flow in vertebrae", "PMC10366274"),
    ("carreau1972", "Carreau 1972, Trans Soc Rheol 16:99-127, rheological equations from molecular networks", ""),
    ("ostwald1929", "Ostwald 1929, Kolloid-Z 47:176, the power law", ""),
    ("castro1980", "Castro and Macosko 1980, viscosity rise of a gelling resin", ""),
    ("baliga1992", "Baliga et al. 1992, log-logistic conversion of acrylic bone cement", ""),
    ("huiskes1980", "Huiskes 1980, thermal properties of acrylic cement and bone", ""),
    ("cancellous_heat", "Thermal conductivity and heat capacity of cancellous bone, isotropic", "scilit.com/publications/888de23659e921f41dfe313e2e87cf8f"),
    ("cortical_heat", "Thermal conductivity of equine cortical bone, wet and dry", "vivo.library.tamu.edu/vivo/display/n173685SE"),
    ("marrow_pet", "Perfusion of lumbar vertebral marrow by PET, young adults", "ashpublications.org/blood/article/83/4/958"),
    ("marrow_dce", "Dynamic MRI: vertebral marrow enhancement falls to a third over 50 years of age", "pubmed 11426000"),
    ("sapareto1984", "Sapareto and Dewey 1984, thermal dose in equivalent minutes at 43 degC", ""),
    ("henriques1947", "Henriques and Moritz 1947, thermal injury: damage integral (skin)", ""),
    ("eriksson1983", "Eriksson and Albrektsson 1983, bone injury threshold 47 degC for 1 min", ""),
    ("yarmolenko2011", "Yarmolenko et al. 2011, thresholds for thermal damage to normal tissues", ""),
    ("belkoff2003", "Belkoff and Molloy 2003, temperatures in 24 vertebral bodies with 6 or 10 mL of Simplex P", "pubmed.ncbi.nlm.nih.gov/12865844"),
    ("anselmetti2009", "Anselmetti et al. 2009, peak temperatures of 11 cements in 22 lumbar vertebrae in vivo", "pubmed 19280257"),
    ("porcine2011", "BMC Musculoskelet Disord 12:116 (2011), temperatures in porcine vertebrae with and without canal leak", "doi:10.1186/1471-2474-12-116"),
    ("canal2012", "Int Orthop 36:1025 (2012), canal temperature in 25 vertebrae", "pubmed 22038442"),
    ("goat2003", "Goat vertebrae in vivo (2003), interface, epidural and disc temperatures", "pubmed.ncbi.nlm.nih.gov/14528454"),
    ("mould_effect", "Thermal characterisation of PMMA cement curing: PTFE and polyurethane moulds, 6 and 40 mm", "discovery.researcher.life"),
    ("papanastasiou1987", "Papanastasiou 1987, J Rheol 31:385-404, flows of materials with yield", ""),
    ("hirasaki1974", "Hirasaki and Pope 1974, SPE J 14:337-346, mobility of polymer solutions in rock: capillary bundle", ""),
    ("cannella1988", "Cannella, Huh and Seright 1988, SPE 18089, prediction of xanthan rheology in porous media", ""),
    ("lowviscosity_patent", "US patent 4341691: low-viscosity bone cement, below 150 Pa.s up to 6 to 7 min at 20 degC", "patentcut.com/4341691"),
    ("rabinowitsch1929", "Rabinowitsch 1929, Z Phys Chem 145A:1, flow of sols through a tube", ""),
    ("iso5833", "ISO 5833:2002, acrylic resin cements", ""),
    ("four_cements", "Handling time of Sulfix-6, CMW, Simplex, Palacos against temperature", "doi:10.1007/BF00419028"),
    ("stubs_gauge", "Stubs needle gauge of hypodermic tubing, regular wall", "wikipedia: Needle gauge comparison chart"),
    ("krebs2005", "Krebs et al., Spine 30:E118-E122 (2005), clinical measurement of injection pressure", ""),
    ("gertzbein1990", "Gertzbein and Robbins, Spine 15:11-14 (1990), accuracy of pedicular placement", ""),
    ("li2008", "Li and Lee 2008, SPE Reserv Eval Eng 11:750-758, discrete fractures beside a coarse grid", ""),
    ("venmans2011", "Venmans et al. 2011, VERTOS II, leakage on CT of 80 vertebrae", "PMC3016147"),
    ("ivc2021", "Intravertebral cleft and leak routes, case-control, 139 + 139 patients", "PMC8449924"),
    ("ivc_review", "Intravertebral vacuum cleft, review: avascular necrosis is the theory most supported", "PMC3669703"),
    ("krauss2006", "Krauss et al. 2006, Eur Radiol 16:1015-1021, clefts open prone and fill wherever the needle is", "doi:10.1007/s00330-005-0056-6"),
    ("endplate2020", "Endplate contact of cement and recompression (2020)", "doi:10.1186/s12891-020-03568-9"),
    ("openrad", "OpenRad teaching text, vertebroplasty technique", ""),
    ("albers", "Albers et al., vertebral body lavage before vertebroplasty: fall of arterial pressure (abstract)", ""),
    ("cta18", "Pfandler et al., Adv Simul (2018), cognitive task analysis of vertebroplasty, 10 observed procedures", "doi:10.1186/s41077-018-0077-2"),
    ("alpf", "alpfmedical.info, transpedicular and posterolateral approach in the prone position", ""),
    ("shepherd2011", "Shepherd et al. 2011, CT-guided spine injections: low-mA, short-range protocol", "PMC7966006"),
    ("heary2004", "Heary et al. 2004, grading of thoracic pedicle screws by place of the breach", ""),
    ("jp_tech", "Japanese technique paper: anterior quarter target, posterior-quarter stop", ""),
    ("gaughen2002", "Gaughen et al., AJNR 23:594 (2002), no benefit of venography: leaks in 22 of 42 with, 28 of 42 without", ""),
    ("phleb_de", "German series of vertebral phlebography: needle corrected in 34 of 247, treatment cancelled in 19", ""),
    ("gangi2008", "Gangi et al. 2008, percutaneous vertebroplasty: indications, technique, leak drill", ""),
    ("acr_qct", "Guidelines for QCT of the spine: osteopenia 80-120 mg/cm3, osteoporosis below 80 mg/cm3", "PMC7495321 table 2"),
    ("widmer2013", "Widmer and Ferguson, Comput Methods Biomech Biomed Engin 16:908-922 (2013), permeability and structure", "doi:10.1080/10255842.2011.643787"),
    ("ritzel1997", "Ritzel et al., J Bone Miner Res 12:89-95 (1997), vertebral cortical thickness C3 to L5, 37 spines", "doi:10.1359/jbmr.1997.12.1.89"),
    ("palepu2019", "Palepu et al., Int J Spine Surg 13:361 (2019), cortex, endplate and trabeculae, 80 lumbar vertebrae", "ijssurgery.com/content/13/4/361"),
    ("segami2021", "Segami et al. (2021), CT numbers across 308 lumbar endplates: rim 32.5 % above centre", "pubmed 34705863"),
    ("siewerdsen1999", "Siewerdsen and Jaffray 1999, Med Phys 26:1624-1641, lag of an amorphous silicon imager: first frame 2-10 %, then 0.7, 0.4, 0.3 %", "doi:10.1118/1.598657"),
    ("rose1948", "Rose 1948, J Opt Soc Am 38:196-208, the sensitivity of the eye on an absolute scale", ""),
    ("allen2022", "Allen, Clarke, Peters and Chen 2022, C-arm trainer on 3D Slicer (abstract)", "doi:10.1080/21681163.2022.2152374"),
    ("sp_vpkp", "StatPearls, Percutaneous Vertebroplasty and Kyphoplasty: true AP, endplates in line, spinous process midway", ""),
    ("cfr1020", "21 CFR 1020.32, performance standards for fluoroscopic equipment", "edocket.access.gpo.gov/cfr_2001/aprqtr/21cfr1020.32.htm"),
    ("iec60601_2_43", "IEC 60601-2-43, X-ray equipment for interventional procedures: reference point, dose display", ""),
    ("angio_sheets", "Data sheets of floor-mounted angiography systems with 30 cm panels: travel and speed of their axes", ""),
    ("fujii2009", "Fujii et al., Br J Radiol 82:1010-1018 (2009), 64-row scanners: CTDIvol and effective mAs of adult chest protocols at 120 kV (table 2)", "PMC3473380"),
    ("impact_ct", "ImPACT CT Patient Dosimetry Calculator: CTDIw of the 32 cm body phantom by voltage", ""),
    ("schauberger2012", "Schauberger et al., AJNR (2012), tube current of CT fluoroscopic lumbar nerve root blocks: 59 +- 20 mA, 10 s", "doi:10.3174/ajnr.A3096"),
    ("coolens2003", "Coolens and Childs, Phys Med Biol 48 (2003), extended CT scale for metal: -10240 to 30710 HU; cited from memory, to be checked", ""),
    ("meyer2010", "Meyer et al., Med Phys 37:5482-5493 (2010), normalised metal artefact reduction", ""),
    ("ncrp133", "NCRP Report 133 (2000), radiation protection for procedures outside the radiology department", ""),
    ("ijss_spinejack", "Vertebroplasty against SpineJack, Int J Spine Surg, table 2: dose-area product and time per procedure", "ijssurgery.com"),
    ("roldan2024", "Roldan et al. 2024, radiation dose of vertebral augmentation in cancer patients", "doi:10.3390/radiation4040028"),
    ("ortiz2006", "Ortiz et al., AJNR 27:989 (2006), fluoroscopy time of kyphoplasty and vertebroplasty by phase", "PMC7975715"),
    ("kopparapu", "Kopparapu et al., dose of vertebroplasty and kyphoplasty, 27 studies, to patient and operator", "pure.johnshopkins.edu"),
)
# fmt: on
