"""Fresh prices: importers of price lists, and the refresh that puts what they give beside the packaged tables.

One file a source, with a `SOURCE`; nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import DataError, nearest, shown

if TYPE_CHECKING:
    from .rows import Source

NAMES = ("aws", "gcp", "azure", "skypilot", "gpuhunt")  # in the order of a refresh of all: providers' own lists first
BY_NAME = ("aws-list",)  # read in no refresh of all: gigabytes


def source(name: str) -> Source:
    """A source by its name.

    Raises:
        DataError: there is none of this name.
    """
    if name not in {*NAMES, *BY_NAME}:
        raise DataError(f"unknown source {shown(name)}", where="refresh", mend=nearest(name, (*NAMES, *BY_NAME)))
    made: Source = import_module(f".{name.replace('-', '_')}", __name__).SOURCE
    return made
