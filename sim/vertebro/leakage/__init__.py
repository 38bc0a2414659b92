"""Leakage: compartments over time, routes traced back on the grid, clinical kinds, result measures."""

from vertebro.leakage.bone_surface import face_conductance
from vertebro.leakage.events import LeakEvent, LeakSettings
from vertebro.leakage.frame import BodyFrame, place_in_words
from vertebro.leakage.measures import ResultMeasures, measure_result
from vertebro.leakage.monitor import LeakMonitor
from vertebro.leakage.risks import RiskSettings, RiskWatch, WarningSign
from vertebro.leakage.routes import EXIT_ROUTES, Place, Route, kind_of
from vertebro.leakage.veins import VEIN_PLACES, VeinCourse, VeinTracer

__all__ = [
    "EXIT_ROUTES",
    "VEIN_PLACES",
    "BodyFrame",
    "LeakEvent",
    "LeakMonitor",
    "LeakSettings",
    "Place",
    "ResultMeasures",
    "RiskSettings",
    "RiskWatch",
    "Route",
    "VeinCourse",
    "VeinTracer",
    "WarningSign",
    "face_conductance",
    "kind_of",
    "measure_result",
    "place_in_words",
]
