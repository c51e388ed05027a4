"""Whole operators: thousands of pools and workloads, every hour of a year, many scenarios; with certificates."""

from .certify import FleetCertificate
from .fleet import Fleet, Slots
from .plan import FleetPlan, plan_fleet

__all__ = ["Fleet", "FleetCertificate", "FleetPlan", "Slots", "plan_fleet"]
