"""The procedure: approach, needle, placement, schedule, injector; plain arrays in, small records out."""

from vertebro.procedure.approach import NeedlePath, parapedicular, transpedicular
from vertebro.procedure.breach import Breach
from vertebro.procedure.column import Column
from vertebro.procedure.gauges import GAUGES, Gauge
from vertebro.procedure.injector import SYRINGES, Injector, Syringe
from vertebro.procedure.needle import Needle
from vertebro.procedure.placement import Placement, check_placement
from vertebro.procedure.schedule import FreshBatch, Inject, Limit, Retract, Step, Wait, Withdraw, check_schedule
from vertebro.procedure.tube import cannula_pressure_drop
from vertebro.procedure.withdrawal import Withdrawal, withdraw

__all__ = [
    "GAUGES",
    "SYRINGES",
    "Breach",
    "Column",
    "FreshBatch",
    "Gauge",
    "Inject",
    "Injector",
    "Limit",
    "Needle",
    "NeedlePath",
    "Placement",
    "Retract",
    "Step",
    "Syringe",
    "Wait",
    "Withdraw",
    "Withdrawal",
    "cannula_pressure_drop",
    "check_placement",
    "check_schedule",
    "parapedicular",
    "transpedicular",
    "withdraw",
]
