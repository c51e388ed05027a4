"""The benchmarks there are. A module of this package registers itself by naming a `CASE`, and that is all.

A case that is published has a place on docs/benchmarks.md between `<!-- NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Table = Callable[[list[dict[str, Any]]], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One benchmark."""

    name: str  # that of its module, and of its file of results
    measures: str  # in a line
    goal: str = ""
    main: Callable[[list[str]], None]  # measures, prints and saves; takes the command's further arguments
    table: Table | None = None  # lines of the page from the rows of its results; None is not published
    alone: bool = True  # needs no file and few minutes: one of those that run by default


def cases() -> dict[str, Case]:
    """All that register themselves, by name."""
    modules = (import_module(f"{__package__}.{m.name}") for m in pkgutil.iter_modules(_folder()) if m.name[0] != "_")
    found = (getattr(module, "CASE", None) for module in modules)
    return {case.name: case for case in found if isinstance(case, Case)}


def _folder() -> list[str]:
    return list(import_module(__package__ or "benchmarks").__path__)


def grid(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table as lines of Markdown."""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def named_faults(rows: list[dict[str, Any]]) -> list[str]:
    """Below a table, what was wrong with each problem of a row; nothing where all went well."""
    found = [f"- {r['name']}, {which}: {'; '.join(said)}" for r in rows for which, said in r["faults"].items()]
    return ["", *found] if found else []


def yes(value: bool | None) -> str:  # noqa: FBT001 (a cell)
    """A cell: – for what could not be said."""
    return "–" if value is None else "yes" if value else "**no**"


def when(row: dict[str, Any]) -> str:
    """When a row was measured, and of which revision."""
    return f"{row['measured']}, {row['revision']}"
