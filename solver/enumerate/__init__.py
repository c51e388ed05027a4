"""From a catalogue, workloads and limits to a Problem: every candidate and offer, and why the rest is none."""

from .build import DEFAULT_OPTIONS, enumerate_problem
from .limits import NamedLimits, NamedQuota, ServiceLevel
from .outages import NamedOutage

__all__ = ["DEFAULT_OPTIONS", "NamedLimits", "NamedOutage", "NamedQuota", "ServiceLevel", "enumerate_problem"]
