"""From a catalogue, workloads and limits to a Problem: every candidate and offer, and why the rest is none."""

from .build import DEFAULT_OPTIONS, enumerate_problem
from .forecast import Forecast, Growth
from .limits import Cvar, NamedLimits, NamedQuota, PriceRange, ServiceLevel
from .outages import NamedOutage

__all__ = [
    "DEFAULT_OPTIONS",
    "Cvar",
    "Forecast",
    "Growth",
    "NamedLimits",
    "NamedOutage",
    "NamedQuota",
    "PriceRange",
    "ServiceLevel",
    "enumerate_problem",
]
