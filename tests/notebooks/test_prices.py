"""The notebook on prices shows what the tables hold."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import costdata

from .played import Played, play

DAY = "2026-10-01"
TAIWAN = ("asia-east1", "spot")
GCP = Path(costdata.__file__).parent / "providers" / "gcp"
FACTS = {
    "counts": "[len(catalog.offers), len(h100.offers), len(h100.nodes)]",
    "by_provider": "by_provider['on_demand'].to_dict()",
    "least": "spread['min'].to_dict()",
    "spot": "[float(spot['discount'].min()), float(spot['discount'].max()), len(spot)]",
    "committed": "committed[['provider', 'region', 'node', 'option', 'discount']].values.tolist()",
    "history": "history['spot'].to_dict()",
    "together": "{str(day): int(n) for day, n in together.groupby('day')['offers'].sum().items()}",
    "moved_most": "moved_most['changes'].to_dict()",
    "ages": "ages['max'].to_dict()",
    "moved": "{'/'.join(k): v for k, v in moved.items()}",
    "mine": "mine.drop(columns='less, %').T.to_dict()",
    "discounted": "[before.to_dict(), after.to_dict()]",
}


@pytest.fixture(scope="module")
def prices() -> Played:
    """The notebook, run once."""
    return play("prices", FACTS)


@pytest.fixture(scope="module")
def catalog() -> costdata.Catalog:
    """The same day's catalogue."""
    return costdata.load(as_of=DAY)


def test_accelerator_hours_are_node_hours_by_accelerators(prices: Played, catalog: costdata.Catalog) -> None:
    """The least of each provider on demand, from the columns alone; and the table shows the same minimum twice."""
    o, least = catalog.offers, dict[str, float]()
    for i in np.flatnonzero(o.kind == "on_demand").tolist():
        node = catalog.nodes[o.provider[i], o.node[i]]
        if node.accelerator == "H100":
            usd = int(o.micro_usd_per_hour[i]) / 1e6 / node.accelerators
            least[node.provider] = min(least.get(node.provider, np.inf), usd)
    assert len(least) > 5
    shown = {k: v for k, v in prices.facts["by_provider"].items() if not np.isnan(v)}
    assert shown == {k: pytest.approx(v, abs=0.0051) for k, v in least.items()}
    assert prices.facts["least"] == pytest.approx(least)


def test_filters_and_their_refusals(prices: Played, catalog: costdata.Catalog) -> None:
    """Counts are of the whole catalogue; the wrong name is mended."""
    every, h100, machines = prices.facts["counts"]
    assert every == len(catalog.offers)
    assert 0 < h100 < every
    assert machines == sum(
        n.accelerator == "H100" and pair in {*zip(catalog.offers.provider, catalog.offers.node, strict=True)}
        for pair, n in catalog.nodes.items()
    )
    assert "did you mean H100" in prices.shown("H1000")


def test_spot_is_cheaper_than_on_demand_everywhere(prices: Played) -> None:
    """Or it would be no offer."""
    least, most, count = prices.facts["spot"]
    assert 0 < least < most < 1
    assert count > 1000
    assert prices.shown("the least spot discount") == f"the least spot discount: {least:.2%}\n"


def test_a_longer_commitment_takes_more_off(prices: Played) -> None:
    """On each of Google's machines that is sold both ways."""
    found = {(r[0], r[1], r[2], r[3]): r[4] for r in prices.facts["committed"]}
    pairs = [(found[*k[:3], "commit_1y"], found[*k[:3], "commit_3y"]) for k in found
             if k[0] == "gcp" and k[3] == "commit_1y" and (*k[:3], "commit_3y") in found]  # fmt: skip
    assert len(pairs) > 300
    assert all(0 < one < three for one, three in pairs)


def test_history_is_the_newest_row_not_later_than_the_day(prices: Played) -> None:
    """Read again from the two files of dated rows."""
    rows: list[tuple[date, float]] = []
    for name in ("history.csv", "prices.csv"):
        with (GCP / name).open(encoding="utf-8", newline="") as file:
            rows += [
                (date.fromisoformat(r["valid_from"]), float(r["usd_per_hour"]))
                for r in csv.DictReader(file)
                if (r["region"], r["node"], r["option"]) == ("asia-east1", "a3-highgpu-8g", "spot")
            ]
    shown = prices.facts["history"]
    assert len(shown) == 6
    for day, usd in shown.items():
        assert usd == pytest.approx(max(r for r in rows if r[0] <= date.fromisoformat(day))[1] / 8, abs=1e-6)
    assert shown["2025-06-01"] > 3 * shown["2025-12-01"]  # list prices of spot fell to a quarter in June 2025


def test_moves_are_counted_row_by_row(prices: Played) -> None:
    """Changes of Taiwan's spot prices, and of all prices on demand by day, from consecutive dated rows."""
    dated: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
    for name in ("history.csv", "prices.csv"):
        with (GCP / name).open(encoding="utf-8", newline="") as file:
            for r in csv.DictReader(file):
                row = (r["valid_from"], float(r["usd_per_hour"]))
                dated.setdefault((r["region"], r["node"], r["option"]), []).append(row)
    steps = {key: [b[0] for a, b in pairwise(sorted(rows)) if a[1] != b[1]] for key, rows in dated.items()}
    spot = {node: len(days) for (region, node, option), days in steps.items() if (region, option) == TAIWAN and days}
    assert prices.facts["moved_most"] == spot
    days = Counter(day for (_, _, option), found in steps.items() if option == "on_demand" for day in found)
    assert prices.facts["together"] == days
    assert days["2024-05-21"] == 36


def test_ages_and_the_oldest_price(prices: Played, catalog: costdata.Catalog) -> None:
    """The refusal names the oldest of all."""
    oldest = int(catalog.offers.age_days.max())
    assert max(prices.facts["ages"].values()) == oldest
    assert f"last seen {oldest} days ago" in prices.shown("catalog.not_older_than(OLD_DAYS)")


def test_data_stays_at_home_for_nothing(prices: Played, catalog: costdata.Catalog) -> None:
    """And leaves its provider for more than it moves within it."""
    moved = prices.facts["moved"]
    assert moved["aws/us-east-1"] == 0
    assert len(moved) == len(catalog.regions)
    assert moved["gcp/us-east4"] > moved["aws/us-east-2"] > 0


def test_discounts_stack_and_round_once(prices: Played) -> None:
    """By hand, in fractions: list × 0.88 × 0.95 + 0.25 on demand, list × 0.88 else."""
    before, after = prices.facts["discounted"]
    assert {"on_demand", "spot", "commit_1y"} <= set(before) == set(after)
    for option, micro in before.items():
        exact = Fraction(micro) * Fraction(88, 100)
        if option == "on_demand":
            exact = exact * Fraction(95, 100) + 250_000
        assert after[option] == round(exact)
        assert prices.facts["mine"][option] == {"list": micro / 1e6, "mine": after[option] / 1e6}
