"""Names that are looked up: unknown ones are refused with the nearest that exist."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costdata import Catalog

SHOWN = 8  # names listed when there are few enough


def nearest(name: str, known: Iterable[str]) -> str:
    """A mend that suggests the nearest known names, or lists them."""
    every = sorted(set(known))
    by_fold = {k.casefold(): k for k in every}
    close = difflib.get_close_matches(name.casefold(), list(by_fold), n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(by_fold[c] for c in close)}?"
    return f"one of {', '.join(every[:SHOWN])}" + (" …" if len(every) > SHOWN else "") if every else "there are none"


def known(what: str, name: str, names: Collection[str], where: str) -> None:
    """Refuse a name that is not among those known."""
    if name not in names:
        raise InputError(f"unknown {what} {name!r:.80}", where=where, mend=nearest(name, names))


def check_filters(catalog: Catalog, where: str, filters: dict[str, Iterable[str]]) -> None:
    """Refuse filters of a workload that nothing in the catalogue can match.

    Args:
        catalog: what there is.
        where: the workload.
        filters: "residency", "regions", "providers" and "accelerators", each with its names.
    """
    from costdata.packaged import countries

    regions = catalog.regions.values()
    names = {
        "residency": set(countries()) | {row["jurisdiction"] for row in countries().values()},
        "regions": {r.name for r in regions} | {f"{r.provider}/{r.name}" for r in regions},
        "providers": {r.provider for r in regions},
        "accelerators": set(catalog.accelerators),
    }
    for field, wanted in filters.items():
        for name in wanted:
            if name not in names[field]:
                message = f"{field} names {name!r:.80}, which the catalogue does not have"
                raise InputError(message, where=where, mend=nearest(name, names[field]))


@contextmanager
def as_input(where: str) -> Iterator[None]:
    """Turn an error of the catalogue into one of the input, with its place."""
    from costdata.errors import DataError

    try:
        yield
    except DataError as error:
        raise InputError(error.message, where=where, mend=error.mend) from None
