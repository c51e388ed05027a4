"""Actual bills: FOCUS in and out, joined to a plan, variance by cause, who pays for what, and what a unit cost."""

from .bill import Bill, read_bill
from .match import Matching

__all__ = ["Bill", "Matching", "read_bill"]
