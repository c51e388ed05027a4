"""Compile the packaged tables from raw facts, or check that they are what the facts give."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import aws, azure, facts, gcp, invariants, neoclouds, network, regions, shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = Path(__file__).parent.parent
PRICE_NAMES = [
    *("region", "node", "option", "usd_per_hour", "zones", "interruptions_per_month"),
    "valid_from",
    "source",
]


def compiled(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Every generated file's text by path, and what became of each row read."""
    ledger = facts.Ledger()
    known = shapes.shapes(folder)
    prices = {
        "aws": aws.prices(folder, known, ledger),
        "azure": azure.prices(folder, known, ledger),
        "gcp": gcp.prices(folder, known, ledger),
        **neoclouds.prices(folder, known, ledger),
    }
    sites = regions.all_sites(folder)
    homes = regions.regions(folder, sites, {who: {p.region for p in rows} for who, rows in prices.items()})
    transfers = network.transfers(folder, sites)
    files, lines = _network(network.measured(folder, sites))
    for who, rows in prices.items():
        now, before = dated(rows)
        own = sorted({p.node for p in rows})
        at = f"providers/{who}"
        files[f"{at}/nodes.csv"] = facts.written(shapes.NAMES[1:], [_shape(known[who, node]) for node in own])
        files[f"{at}/regions.csv"] = facts.written(regions.NAMES, homes[who])
        files[f"{at}/transfer.csv"] = facts.written(network.TRANSFER, transfers[who])
        files[f"{at}/prices.csv"] = facts.written(PRICE_NAMES, [_cells(p) for p in now])
        if before:
            files[f"{at}/history.csv"] = facts.written(PRICE_NAMES, [_cells(p) for p in before])
    return files, [*ledger.lines(), *lines]


def _network(pairs: list[network.Measured]) -> tuple[dict[str, str], list[str]]:
    fit = network.fitted(pairs)
    rows = [[p.a, p.b, facts.plain(p.ms), p.source] for p in pairs]
    files = {
        "round_trip.csv": facts.written(network.MEASURED, rows),
        "round_trip_fit.csv": facts.written(network.FIT, fit),
    }
    return files, [f"round trips: {len(pairs)} measured pairs", *(" ".join(row) for row in (network.FIT, *fit))]


def dated(prices: Sequence[facts.Price]) -> tuple[list[facts.Price], list[facts.Price]]:
    """Prices in force, and those a later one has replaced."""
    by_key: dict[tuple[str, str, str], list[facts.Price]] = defaultdict(list)
    for price in prices:
        by_key[price.key].append(price)
    now, before = [], []
    for key in sorted(by_key):
        in_order = sorted(by_key[key], key=lambda p: p.valid_from)
        if len({p.valid_from for p in in_order}) < len(in_order):
            raise SystemExit(f"two prices of one day: {key}")
        before += in_order[:-1]
        now.append(in_order[-1])
    return now, before


def _cells(p: facts.Price) -> list[str]:
    usd, often = facts.plain(p.usd_per_hour), facts.plain(p.interruptions_per_month)
    return [p.region, p.node, p.option, usd, str(p.zones), often, p.valid_from, p.source]


def _shape(row: facts.Row) -> list[str]:
    return [row[name] for name in shapes.NAMES[1:]]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the tables, or compare them, and run the invariants; 1 when something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m costdata.build", description=__doc__)
    parser.add_argument("--facts", type=Path, required=True, help="folder of raw facts")
    parser.add_argument("--check", action="store_true", help="compare with the packaged tables, write nothing")
    options = parser.parse_args(argv)
    files, lines = compiled(options.facts)
    differing = []
    for name, text in sorted(files.items()):
        path = PACKAGE / name
        if options.check:
            same = path.exists() and path.read_bytes() == text.encode()
            differing += [] if same else [name]
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    wrong = [*(f"differs: {name}" for name in differing), *invariants.faults()]
    sys.stdout.write("\n".join([*lines, *wrong, "unsound" if wrong else "sound"]) + "\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
