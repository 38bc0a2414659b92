"""One look for every picture: colours a colour-blind reader can tell apart, type sizes, the display windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

INK: Final = "#1b2430"
MUTED: Final = "#5b6775"
RULE: Final = "#cfd6dd"
PAPER: Final = "#ffffff"
ACCENT: Final = "#1f4e79"

BONE: Final = "#d9c6a0"
CANAL: Final = "#e3c34a"
VEIN: Final = "#4a7fc1"
DISC: Final = "#8fa3b0"
STEEL: Final = "#b4bcc4"
LEAK: Final = "#d01c2f"
CEMENT: Final = "#2a7f6f"

# Okabe and Ito: distinct for every common kind of colour blindness
BLUE: Final = "#0072b2"
ORANGE: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#cc79a7"

# one per kind of leak, told apart also by lightness; every leak carries its letter as well (Okabe and Ito)
LEAK_COLOURS: Final = {
    "B": "#d55e00",
    "S": "#e69f00",
    "C": "#1d1d1d",
    "D": "#cc79a7",
    "track": "#56b4e9",
    "canal": "#78005a",
    "foramen": "#f0e442",
    "embolus": "#0072b2",
}
CLEFT: Final = "#5c4d7d"
LESION: Final = "#9c5a3c"
CRACK: Final = "#2f2440"
PLANE_COLOURS: Final = {"axial": ORANGE, "sagittal": "#f0e442", "coronal": GREEN}

TIME_MAP: Final = "viridis"
TIME_MAP_START: Final = 0.14  # its darkest end would be black behind glass
BONE_WINDOW: Final = (1800.0, 400.0)  # HU: width, level
SCALE_BAR: Final = 10.0  # mm

LEAK_WORDS: Final = {
    "B": "through the basivertebral vein into the epidural space",
    "S": "into a segmental vein",
    "C": "through a cortical defect into the tissue beside the bone",
    "D": "through an endplate into the disc",
    "track": "back along the needle track",
    "canal": "into the spinal canal",
    "foramen": "into a neural foramen",
    "embolus": "into veins that lead on to the lungs",
}


def leak_colour(kind: str) -> str:
    """Colour of a kind of leak."""
    return LEAK_COLOURS.get(kind, LEAK)


def time_map() -> Colormap:
    """Colours of injection times, early dark to late bright."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps[TIME_MAP](np.linspace(TIME_MAP_START, 1.0, 256)), name="injection time")


def age_map() -> Colormap:
    """Colours of ages: fresh cement as bright as late cement in `time_map`."""
    return time_map().reversed()


def heat_map() -> Colormap:
    """Colours of temperatures, cold dark to hot bright."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["inferno"](np.linspace(0.18, 0.95, 256)), name="temperature")


def cure_map() -> Colormap:
    """Colours of the degree of cure."""
    from matplotlib import colormaps

    return colormaps["cividis"]


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue from 0 to 1 of a ``#rrggbb`` colour."""
    return int(colour[1:3], 16) / 255, int(colour[3:5], 16) / 255, int(colour[5:7], 16) / 255
