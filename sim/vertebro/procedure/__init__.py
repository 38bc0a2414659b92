"""The procedure: approach, needle, placement, schedule, injector; plain arrays in, small records out."""

from vertebro.procedure.approach import NeedlePath, parapedicular, transpedicular
from vertebro.procedure.approach_beside import anterolateral, posterolateral
from vertebro.procedure.breach import Breach, surface_points
from vertebro.procedure.gauges import GAUGES, Gauge
from vertebro.procedure.injector import SYRINGES, Injector, Syringe
from vertebro.procedure.needle import Needle
from vertebro.procedure.placement import Placement, check_placement
from vertebro.procedure.schedule import Inject, Limit, Step, Wait, check_schedule
from vertebro.procedure.tube import cannula_pressure_drop

__all__ = [
    "GAUGES",
    "SYRINGES",
    "Breach",
    "Gauge",
    "Inject",
    "Injector",
    "Limit",
    "Needle",
    "NeedlePath",
    "Placement",
    "Step",
    "Syringe",
    "Wait",
    "anterolateral",
    "cannula_pressure_drop",
    "check_placement",
    "check_schedule",
    "parapedicular",
    "posterolateral",
    "surface_points",
    "transpedicular",
]
