"""How a bill's rows are told apart: tags to workloads and teams, SKUs to nodes, names of providers and regions."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError

if TYPE_CHECKING:
    from ..plan import Plan

PROVIDERS = {  # beginnings of what bills call a provider
    "aws": "aws", "amazon": "aws", "microsoft": "azure", "azure": "azure", "google": "gcp", "gcp": "gcp",
    "oracle": "oci", "oci": "oci",
}  # fmt: skip
INSTANCE = re.compile(r"instance_?type|machine_?type|arm_?sku|vm_?size|^x_?shape$|^x_?node$", re.IGNORECASE)
DETAILS = ("instancetype", "machinetype", "node", "vmsize", "servicetype")  # keys of SkuPriceDetails, x_SkuDetails
WORDS = re.compile(r"[^\s:/,;()\"'{}\[\]]+")
SEPARATORS = re.compile(r"[\s_-]")
MAP_COLUMNS = ("from", "to")


@dataclass(frozen=True, kw_only=True)
class Matching:
    """What joins a bill to a plan.

    A tag key that is the name of a column (`x_Team`, `SubAccountName`) means that column; the first key that has a
    value counts. Keys are compared without case and without a vendor's prefix (`user:`, `labels.`).
    """

    workload_tags: tuple[str, ...] = ("workload", "app", "application", "service")
    team_tags: tuple[str, ...] = ("team", "owner")
    project_tags: tuple[str, ...] = ("project", "costcenter", "cost_center")
    nodes: Mapping[str, str] = field(default_factory=dict)  # SkuPriceId or SkuId or SkuMeter → node
    regions: Mapping[str, str] = field(default_factory=dict)  # RegionId → region of the plan
    commitments: Mapping[str, str] = field(default_factory=dict)  # CommitmentDiscountId → node
    known_nodes: tuple[str, ...] = ()  # looked for in meters and descriptions
    known_regions: tuple[str, ...] = ()
    known_workloads: tuple[str, ...] = ()

    def for_plan(self, plan: Plan) -> Matching:
        """The same, with the names of a plan."""
        lines = plan.cost_lines

        def names(column: str) -> tuple[str, ...]:
            return tuple(sorted({str(v) for v in lines[column]} - {""})) if len(lines) else ()

        return replace(
            self, known_nodes=names("node"), known_regions=names("region"), known_workloads=names("workload")
        )

    def node(self, value: str) -> str:
        """A node by what stands in a column of machine types: the plan's spelling where it knows it."""
        return self._by_node.get(_key(value), value)

    def node_within(self, text: str) -> str:
        """The node of the plan that a meter or a description is, or names; "" for none."""
        if whole := self._by_node.get(_key(text)):
            return whole
        return next((self._by_node[k] for w in WORDS.findall(text) if (k := _key(w)) in self._by_node), "")

    def node_of_details(self, text: str) -> str:
        """The machine type in a SKU's details; "" for none."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        pairs = found.items() if isinstance(found, dict) else ()
        by_key = {_key(str(k).removeprefix("x_")): str(v) for k, v in pairs if isinstance(v, str)}
        return next((self.node(by_key[k]) for k in DETAILS if k in by_key), "")

    def region(self, value: str) -> str:
        """A region in the plan's spelling."""
        return self.regions.get(value) or self._by_region.get(_key(value), value)

    def workload(self, value: str) -> str:
        """A workload in the plan's spelling."""
        return self._by_workload.get(value.casefold(), value)

    @cached_property
    def _by_node(self) -> dict[str, str]:
        names = (*self.nodes.values(), *self.known_nodes)
        return {_key(n.removeprefix("Standard_")): n for n in names} | {_key(n): n for n in names}  # Azure's meters

    @cached_property
    def _by_region(self) -> dict[str, str]:
        return {_key(r): r for r in (*self.regions.values(), *self.known_regions)}

    @cached_property
    def _by_workload(self) -> dict[str, str]:
        return {w.casefold(): w for w in self.known_workloads}


def _key(text: str) -> str:
    return SEPARATORS.sub("", text).casefold()


def provider(name: str) -> str:
    """A provider as the catalogue calls it: "Amazon Web Services, Inc." is aws; others keep their first word."""
    letters = name.strip().casefold()
    found = next((ours for start, ours in PROVIDERS.items() if letters.startswith(start)), "")
    return found or re.split(r"[\s,]", letters, maxsplit=1)[0]


def read_map(path: Path) -> dict[str, str]:
    """A table of two columns, `from` and `to`: SKUs to nodes, a bill's regions or commitments to a plan's.

    Raises:
        InputError: no such table, an empty cell, or one `from` with two meanings.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot be read: {error}", where=path.name, mend="a CSV with columns from,to") from None
    made: dict[str, str] = {}
    for i, row in enumerate(rows, start=2):
        cells = [(row.get(name) or "").strip() for name in MAP_COLUMNS]
        where = f"{path.name}, row {i}"
        if not all(cells):
            raise InputError("an empty cell, or no columns from and to", where=where, mend="fill both")
        if made.setdefault(cells[0], cells[1]) != cells[1]:
            raise InputError(f"{cells[0]!r:.80} has two meanings", where=where, mend="keep one")
    return made


Derive = Callable[[str], str]


def node_columns(names: Iterable[str], matching: Matching) -> Sequence[tuple[str, Derive]]:
    """Columns that may tell the node, the surest first, and how."""
    there = list(names)

    def mapped(value: str) -> str:
        return matching.nodes.get(value, "")

    own: list[tuple[str, Derive]] = [(c, mapped) for c in ("SkuPriceId", "SkuId", "SkuMeter") if matching.nodes]
    own += [("CommitmentDiscountId", lambda v: matching.commitments.get(v, ""))] if matching.commitments else []
    own += [(c, matching.node) for c in there if c[:2].lower() == "x_" and INSTANCE.search(c)]
    own += [(c, matching.node_of_details) for c in ("SkuPriceDetails", "x_SkuDetails")]
    within = (
        *("ResourceType", "SkuMeter", "x_SkuMeterName", "x_SkuOrderName", "SkuPriceId", "SkuId"),
        *("CommitmentDiscountName", "x_SkuDescription", "ChargeDescription"),
    )
    own += [(c, matching.node_within) for c in within]
    return [(c, derive) for c, derive in own if c in there]


def tag_columns(keys: Iterable[str], names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Keys apart: those that are columns of the bill (as spelled there), and those of tags."""
    by_letters: dict[str, Any] = {n.casefold(): n for n in names if n != "Tags"}
    columns = [by_letters[k.casefold()] for k in keys if k.casefold() in by_letters]
    return columns, [k.casefold() for k in keys if k.casefold() not in by_letters]
