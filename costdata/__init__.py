"""Dated cost tables of accelerators, node shapes, regions and offers; `load()` gives a catalogue of a day.

Knows nothing of the solver. Only numpy is imported with it.
"""

from . import mechanisms
from .catalog import Catalog
from .errors import DataError
from .load import load
from .packaged import land
from .schema import Accelerator, Node, Offers, OwnedCommitment, Place, Quota, Region, SpendCommitment

__all__ = [
    "Accelerator",
    "Catalog",
    "DataError",
    "Node",
    "Offers",
    "OwnedCommitment",
    "Place",
    "Quota",
    "Region",
    "SpendCommitment",
    "land",
    "load",
    "mechanisms",
]
