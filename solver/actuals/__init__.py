"""Actual bills: FOCUS in and out, joined to a plan, variance by cause, who pays for what, and what a unit cost."""

from .bill import Bill, read_bill
from .export import export_plan, planned_bill, write_rows
from .focus import faults_of
from .match import Matching, read_map
from .planned import forecast_rows, planned_rows
from .showback import Sharing, showback
from .units import planned_use, read_use, unit_costs
from .variance import CAUSES, Comparison, compare

__all__ = [
    "CAUSES",
    "Bill",
    "Comparison",
    "Matching",
    "Sharing",
    "compare",
    "export_plan",
    "faults_of",
    "forecast_rows",
    "planned_bill",
    "planned_rows",
    "planned_use",
    "read_bill",
    "read_map",
    "read_use",
    "showback",
    "unit_costs",
    "write_rows",
]
