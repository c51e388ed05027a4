"""A new provider is a new folder, and nothing else: the example of the documentation works as it stands there."""

from __future__ import annotations

import re
import textwrap
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import costdata
from costdata import DataError, mechanisms, packaged
from costdata.build import invariants

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = "acme-list,Acme list prices,2026-06-15,single published list prices,Acme price list\n"


def example() -> dict[str, str]:
    """The files of docs/adding-a-provider.md, by name."""
    text = (DOCS / "adding-a-provider.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^\d\. `([\w.]+)`.*?```\w+\n(.*?)    ```", text, re.DOTALL | re.MULTILINE)
    return {name: textwrap.dedent(block) for name, block in blocks}


def add(tables: Path, files: dict[str, str]) -> None:
    """Put the example's folder and its source into a copy of the tables."""
    folder = tables / "providers" / "acme"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with (tables / "sources.csv").open("a", encoding="utf-8") as file:
        file.write(SOURCE)


def test_the_documented_folder_is_found(tables: Path) -> None:
    """Its offers, shapes, regions and transfer prices are there, and the invariants hold."""
    files = example()
    assert set(files) == {"provider.toml", "nodes.csv", "regions.csv", "prices.csv", "transfer.csv"}
    add(tables, files)
    assert invariants.faults() == []
    catalog = costdata.load()
    assert list(catalog.where(provider="acme").offers.micro_usd_per_hour) == [18_400_000]
    assert catalog.regions["acme", "oslo-1"].jurisdiction == "NO"
    assert catalog.internet_egress_micro_usd_per_gb("paris")["acme", "oslo-1"] == 10_000


def test_its_commitments_are_the_documented_rows(tables: Path) -> None:
    """A contract without rows of its own; with them what they say."""
    add(tables, example())
    assert mechanisms.mechanism("acme", "commit_1y").title == "Contract"
    (block,) = re.findall(
        r"^provider,option,title.*?(?=```)",
        (DOCS / "adding-a-provider.md").read_text("utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    header, *rows = block.splitlines(keepends=True)
    assert header.strip().split(",") == list(mechanisms.NAMES)
    with (tables / "mechanisms.csv").open("a", encoding="utf-8") as file:
        file.writelines(rows)
    mechanisms.mechanisms.cache_clear()
    assert invariants.faults() == []
    assert mechanisms.mechanism("acme", "commit_1y").title == "Acme Reservation"
    plan = mechanisms.mechanism("acme", "savings_plan_1y")
    assert (plan.unit, plan.order, plan.smallest) == ("usd", 40, 10_000)
    assert plan.covers(("acme", "*", "*"), ("acme", "oslo-1", "h100.8x"))


def test_a_price_of_an_unknown_shape_stops_the_load(tables: Path) -> None:
    """Named, with the nearest."""
    files = example()
    add(tables, {**files, "prices.csv": files["prices.csv"].replace("h100.8x", "h100.x8")})
    with pytest.raises(DataError, match=r"unknown shape h100.x8.*h100.8x"):
        costdata.load()


def test_a_folder_without_its_toml_is_no_provider(tables: Path) -> None:
    """Half-made folders are passed over."""
    (tables / "providers" / "acme").mkdir()
    assert "acme" not in set(costdata.load().offers.provider)


def test_the_documented_counts_are_the_tables(catalog: costdata.Catalog) -> None:
    """Regions and offers by provider and by how they are bought, as docs/data.md has them."""
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z, ]+) \|((?: \d* ?\|){7})", text, re.MULTILINE)
    assert {name for names, _ in rows for name in names.split(", ")} == {p for p, _ in catalog.regions}
    for names, cells in rows:
        own = catalog.where(provider=names.split(", "))
        kind, months = own.offers.kind, own.offers.term_months
        bought = [
            kind == "on_demand",
            kind == "spot",
            months == 6,
            months == 12,
            months == 36,
            kind == "capacity_block",
        ]
        counts = [len(own.regions), *(int(mask.sum()) for mask in bought)]
        assert [int(cell.strip() or 0) for cell in cells.split("|")[:-1]] == counts, names


def test_documented_commitments(catalog: costdata.Catalog) -> None:
    """What each option is, counts and when it applies, and how many offers are computed, as docs/data.md has it."""
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    row = r"^\| (aws|gcp|azure|others) \| (`.*?`) \| (.*?) \| (nodes|dollars an hour) \|.*\((\d+)\)"
    rows = re.findall(row, text, re.MULTILINE)
    told = set()
    for who, options, title, counts, order in rows:
        for pattern in re.findall("`(.*?)`", options):
            every = mechanisms.mechanisms().values()
            own = [m for m in every if m.provider == who.replace("others", "*") and fnmatchcase(m.option, pattern)]
            assert own
            for m in own:
                told.add((m.provider, m.option))
                unit = "node" if counts == "nodes" else "usd"
                assert (m.title, m.unit, m.order) == (title, unit, int(order)), m.option
    assert told == set(mechanisms.mechanisms())
    for option in ("flexible_cud_1y", "flexible_cud_3y"):
        assert f"{len(catalog.where(option=option).offers)} each are flexible committed use discounts" in text


def test_other_documented_counts() -> None:
    """Pairs of regions that are measured, countries, cities, regions whose carbon figure is assumed."""
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    assert f"{len(packaged.records(packaged.FOLDER / 'round_trip.csv')):,} pairs of regions are measured" in text
    assert round(len(packaged.records(packaged.FOLDER / "countries.csv")), -2) == 200
    assert round(len(packaged.records(packaged.FOLDER / "places.csv")), -2) == 400
    folders = (packaged.FOLDER / "providers").glob("*/regions.csv")
    assumed = sum("assumed" in row["carbon_source"] for file in folders for row in packaged.records(file))
    assert f"({assumed} regions)" in text
