"""Plans of packaged examples: priced again from the raw catalogue, and added up wherever they are shown."""

from __future__ import annotations

import calendar
import csv
import datetime
import io
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from rich.console import Console

import costdata
import solver
from solver import examples
from solver.errors import InputError
from solver.report.excel import workbook
from solver.report.json import from_json, to_json
from solver.report.tables import to_csv
from solver.report.terminal import show

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from solver.plan import Plan
    from solver.problem import Problem

Day = datetime.date
Sums = dict[tuple[str, ...], int]
LINE = ("kind", "provider", "region", "node", "option", "period")
OWN_PRICES = """
name: own prices
horizon: {start: 2028-01-16, months: 3}
prices: {as_of: 2026-10-01, providers: [aws], options: [on_demand, commit_1y_all_upfront], overrides: own}
commitment_starts: [2028-02-01]
scenarios:
  - {name: expected, probability: 0.7, demand_factor: 1}
  - {name: hit, probability: 0.3, demand_factor: 1.7}
workloads:
  - name: chat
    kind: serving
    team: web
    model: llama-3.1-8b
    input_tokens: 1000
    output_tokens: 200
    ttft_ms: 5000
    tpot_ms: 200
    regions: [aws/eu-west-1]
    accelerators: [L4]
    traffic: [{origin: dublin, requests_per_hour: 40000, profile: consumer, weekend_factor: 0.5}]
  - name: archive
    kind: batch
    team: data
    model: llama-3.1-8b
    input_tokens: 1000
    output_tokens: 100
    requests: 3000001
    dataset_gb: 3000
    dataset_origin: gcp/europe-west4
    earliest_start: 2028-02-10
    deadline: 2028-03-10
    regions: [aws/eu-west-1]
    accelerators: [L4]
"""
OVERRIDES = {
    "offers": "provider,region,node,option,price_per_hour,upfront\n"
    "aws,eu-west-1,g6.xlarge,commit_1y_all_upfront,0,2000.01\n"
    "aws,eu-west-1,g6.xlarge,on_demand,0.912345,0\n",
    "commitments": "provider,region,node,option,nodes,price_per_hour,upfront,starts,ends\n"
    "aws,eu-west-1,g6.xlarge,commit_1y,1,0.123456,500,2027-03-05,2028-03-05\n",
}
LEAST = {  # kinds of line that each plan has, whatever it buys
    "batch": {"compute", "transfer", "carbon"},
    "training": {"compute", "transfer"},
    "eu-residency": {"compute", "transfer"},
    "one-model": {"compute"},
    "own prices": {"compute", "upfront", "transfer"},
}


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A plan with the problem and the catalogue behind it."""

    problem: Problem
    plan: Plan
    catalog: costdata.Catalog
    spec: dict[str, Any]


@pytest.fixture(scope="module", params=LEAST)
def planned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Planned:
    """Each spec, loaded and solved as a user would."""
    folder = tmp_path_factory.mktemp("spec")
    spec = OWN_PRICES if request.param == "own prices" else examples.example_text(request.param)
    own = write_overrides(folder / "own") if "overrides: own" in spec else None
    (folder / "fleet.yaml").write_text(spec, encoding="utf-8")
    problem = solver.load(folder / "fleet.yaml")
    plan = solver.solve(problem, time_limit_s=20, gap=0.05)
    facts = json.loads(plan.provenance.spec)
    catalog = costdata.load(as_of=Day.fromisoformat(facts["prices"]["as_of"]), overrides=own)
    return Planned(problem=problem, plan=plan, catalog=catalog, spec=facts)


def write_overrides(folder: Path) -> Path:
    """The user's own offers and commitments."""
    folder.mkdir()
    for name, content in OVERRIDES.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return folder


class Raw:
    """The catalogue's own rows, and hours by month; nothing of what the planner made of them but the blocks."""

    def __init__(self, p: Planned) -> None:
        """Index them by name."""
        self.p, offers = p, p.catalog.to_frame("offers")
        self.offer = {(r.provider, r.region, r.node, r.option): r for r in offers.itertuples()}
        assert len(self.offer) == len(offers)
        self.start = Day.fromisoformat(p.spec["horizon"]["start"])
        self.end = later(self.start, p.spec["horizon"]["months"])
        self.months = self._months()
        self.hours: dict[tuple[int, str], int] = defaultdict(int)
        for r in p.problem.blocks.calendar.records():
            self.hours[r["block"], r["period"]] += r["hours"]

    def _months(self) -> dict[str, tuple[Day, Day]]:
        """First day of each month in the horizon, and the day after its last."""
        made, day = {}, self.start
        while day < self.end:
            following = later(day.replace(day=1), 1)
            made[f"{day:%Y-%m}"] = day, min(following, self.end)
            day = following
        return made

    def days(self, month: str, first: Day, last: Day) -> int:
        """Days of a span that lie in a month of the horizon."""
        start, end = self.months[month]
        return max(0, (min(end, last) - max(start, first)).days)

    def term(self, r: dict[str, Any]) -> tuple[Day, Day, int, int]:
        """First day and the day after the last of a commitment in the purchases; micro-dollars an hour, and upfront."""
        starts = Day.fromisoformat(r["starts"])
        place = tuple(r[n] for n in LINE[1:5])
        for c in self.p.catalog.commitments:
            if (c.provider, c.region, c.node, c.option) == place and c.starts == starts:
                return starts, c.ends, c.micro_usd_per_hour, c.upfront_micro_usd
        found = self.offer[place]
        return starts, later(starts, found.term_months), found.micro_usd_per_hour, found.upfront_micro_usd

    def per_month(self, block: int, amount: Fraction) -> dict[str, Fraction]:
        """Expected monthly amounts of an amount in each hour of a block."""
        blocks = self.p.problem.blocks
        weight = blocks.probability[blocks.scenario[block]]
        return {m: amount * weight * self.hours[block, m] for m in self.months}

    def transfer(self, workload: str, origin: str, place: tuple[str, str]) -> Fraction:
        """Micro-dollars of moving a unit: its bytes at the price of a GB, in whole pico-dollars, rounded up."""
        w = next(w for w in self.p.spec["workloads"] if w["name"] == workload)
        if w["kind"] == "serving":
            rate = self.p.catalog.internet_egress_micro_usd_per_gb(origin)[place]
            gb = Fraction(4 * (w["input_tokens"] + w["output_tokens"]), 10**9)
        elif w.get("dataset_gb"):
            rate = self.p.catalog.dataset_transfer_micro_usd_per_gb(w["dataset_origin"]).get(place, 0)
            gb = Fraction(str(w["dataset_gb"])) / (w["requests"] if w["kind"] == "batch" else w["tokens"])
        else:
            return Fraction(0)
        return Fraction(-(-(rate * gb * 10**6) // 1), 10**6)


def test_nobody_is_called_idle(tmp_path: Path) -> None:
    """A workload of that name would hide what nobody uses."""
    write_overrides(tmp_path / "own")
    (tmp_path / "fleet.yaml").write_text(OWN_PRICES.replace("name: chat", 'name: "(idle)"'), encoding="utf-8")
    with pytest.raises(InputError, match="nobody uses"):
        solver.load(tmp_path / "fleet.yaml")


def later(day: Day, months: int) -> Day:
    """The same day of a later month (none here is beyond the 28th)."""
    assert day.day <= 28
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return Day(year, month + 1, day.day)


def repriced(p: Planned) -> Sums:
    """The bill by LINE, from what is bought, placed and served, at the prices of the raw catalogue."""
    raw = Raw(p)
    exact: dict[tuple[Any, ...], Fraction] = defaultdict(Fraction)  # by line and by what is rounded by itself

    def add(key: tuple[Any, ...], part: Any, months: dict[str, Fraction]) -> None:
        for month, amount in months.items():
            exact[(*key, month), part] += amount

    for r in p.plan.purchases.records():
        place = tuple(r[n] for n in LINE[1:5])
        if r["kind"] == "on_demand":
            rate = Fraction(raw.offer[place].micro_usd_per_hour)
            add(("compute", *place), "", raw.per_month(r["block"], rate * r["nodes"]))
        elif r["kind"] == "commitment":
            first, last, hourly, upfront = raw.term(r)
            hours = {m: Fraction(24 * raw.days(m, first, last)) for m in raw.months}
            add(("compute", *place), r["offer"], {m: h * hourly * r["nodes"] for m, h in hours.items()})
            spread = Fraction(upfront * r["nodes"], 24 * (last - first).days)
            add(("upfront", *place), r["offer"], {m: h * spread for m, h in hours.items()})
    for r in p.plan.placements.records():
        place = tuple(r[n] for n in LINE[1:4])
        if r["market"] == "spot":
            rate = Fraction(raw.offer[*place, "spot"].micro_usd_per_hour)
            add(("compute", *place, "spot"), r["workload"], raw.per_month(r["block"], rate * r["nodes"]))
        node, region = p.catalog.nodes[place[0], place[2]], p.catalog.regions[place[0], place[1]]
        price = Fraction(str(p.spec["limits"].get("carbon_usd_per_kg", 0))) * 10**6
        kg = Fraction(node.power_w, 1000) * Fraction(region.g_co2_per_kwh) / 1000
        add(("carbon", *place, ""), r["workload"], raw.per_month(r["block"], kg * price * r["nodes"]))
    pools = p.problem.pool_names[p.problem.candidates.pool]
    for r in p.plan.served.records():
        node = pools[r["candidate"]].split("/", 2)[2]
        rate = raw.transfer(r["workload"], r["origin"], (r["provider"], r["region"]))
        place = r["provider"], r["region"], node, ""
        add(("transfer", *place), r["workload"], raw.per_month(r["block"], rate * r["units_per_hour"]))
    sums: Sums = defaultdict(int)
    for (key, _), amount in exact.items():
        sums[key] += round(amount)
    return {key: micro for key, micro in sums.items() if micro}


def test_the_bill_is_the_catalogue_s(planned: Planned) -> None:
    """Every month of every offer, transfer and emission, to the micro-dollar."""
    assert planned.plan.termination != "infeasible"
    assert planned.plan.accounting == "amortised"
    assert not len(planned.plan.unserved)
    found = summed(planned.plan.cost_lines.records(), LINE)
    assert {kind for kind, *_ in found} >= LEAST[planned.problem.name]
    assert found == repriced(planned)


@pytest.mark.parametrize("planned", ["own prices"], indirect=True)
def test_own_prices_reach_the_bill(planned: Planned) -> None:
    """A payment upfront that is spread, an owned commitment that ends within the horizon, and two teams."""
    lines = list(planned.plan.cost_lines.records())
    assert {r["option"] for r in lines} >= {"commit_1y", "commit_1y_all_upfront"}
    assert {r["team"] for r in lines} >= {"web", "data"}
    owned = summed((r for r in lines if r["option"] == "commit_1y"), ("kind", "period"))
    # 0.123456 in each hour of 16 days of January, 29 of February, 4 of March; 500 over the term's 366 days
    days = {"2028-01": 16, "2028-02": 29, "2028-03": 4}
    assert owned == {("compute", month): 123_456 * 24 * n for month, n in days.items()} | {
        ("upfront", month): round(Fraction(500 * 10**6 * n, 366)) for month, n in days.items()
    }


def test_the_calendar_has_every_hour_of_the_horizon(planned: Planned) -> None:
    """The hours the bill rests on: in each future, each hour of the weekdays and weekend days of each month."""
    raw, found, wanted = Raw(planned), Counter[Any](), Counter[Any]()
    for r in planned.problem.blocks.calendar.records():
        found[r["period"], r["day"], r["hour_utc"], r["scenario"]] += r["hours"]
    for month, (first, last) in raw.months.items():
        for day in range(first.day, first.day + (last - first).days):
            kind = "weekend" if calendar.weekday(first.year, first.month, day) > 4 else "weekday"
            futures = range(len(planned.problem.blocks.probability))
            wanted.update((month, kind, hour, s) for hour in range(24) for s in futures)
    assert found == wanted


def summed(rows: Iterable[dict[str, Any]], keys: tuple[str, ...]) -> Sums:
    """Micro-dollars of lines by some of their columns."""
    sums: Sums = defaultdict(int)
    for r in rows:
        sums[tuple(r[n] for n in keys)] += r["micro_usd"]
    return dict(sums)


def test_parts_add_up_to_the_bill(planned: Planned) -> None:
    """By region, month, workload, option, team, kind: the difference is 0.00 to the last digit, in dollars."""
    frame = planned.plan.to_frame("cost_lines")
    total = planned.plan.total_usd
    assert total == sum(frame["usd"], Decimal(0))
    assert total > 0
    for keys in (["region"], ["provider", "region"], ["period"], ["workload"], ["option"], ["team"], ["kind"]):
        parts = [sum(usd, Decimal(0)) for _, usd in frame.groupby(keys)["usd"]]
        assert len(parts) == len(frame[keys].drop_duplicates())
        assert sum(parts, Decimal(0)) == total


def test_json_and_csv_add_up(planned: Planned) -> None:
    """Decimal texts of every line, and the total beside them."""
    text = to_json(planned.plan)
    document = json.loads(text)
    table = document["tables"]["cost_lines"]
    usd = [Decimal(row[table["columns"].index("usd")]) for row in table["rows"]]
    assert sum(usd) == Decimal(document["total_usd"]) == planned.plan.total_usd
    again = from_json(text)
    assert again.total_micro_usd == planned.plan.total_micro_usd
    assert solver.check(planned.problem, again) == []
    rows = list(csv.DictReader(io.StringIO(to_csv(planned.plan.cost_lines))))
    assert sum(Decimal(r["usd"]) for r in rows) == planned.plan.total_usd


def test_the_workbook_adds_up(planned: Planned) -> None:
    """Its lines to the micro-dollar, and every block of totals by itself, in the values it was written with."""
    book = openpyxl.load_workbook(io.BytesIO(workbook(planned.plan)), data_only=True)
    *lines, (*_, total) = book["Bill"].iter_rows(min_row=2, values_only=True)
    assert sum(micro(row[-1]) for row in lines) == micro(total) == planned.plan.total_micro_usd
    blocks: dict[str, list[int]] = {}
    for title, _, usd, *_ in book["Totals"].iter_rows(values_only=True):
        if isinstance(title, str) and title.startswith("By "):
            blocks[title] = []
        elif usd is not None and title not in {"Sum", "Difference from the bill"}:
            list(blocks.values())[-1].append(micro(usd))
    assert set(blocks) == {"By month", "By region", "By workload", "By option"}
    assert {sum(parts) for parts in blocks.values()} == {planned.plan.total_micro_usd}


def micro(usd: float) -> int:
    """A cell's dollars as micro-dollars; a spreadsheet holds 15 digits."""
    return int(Decimal(f"{usd:.6f}").scaleb(6))


def test_the_terminal_says_the_same(planned: Planned) -> None:
    """The plan's cost of a month is the bill over its months."""
    console = Console(width=200, record=True, file=io.StringIO())
    show(planned.plan, console)
    shown = next(line for line in console.export_text().splitlines() if line.strip().startswith("This plan"))
    monthly = round(Fraction(planned.plan.total_micro_usd, len(planned.plan.periods) * 10**6))
    assert f"${monthly:,}" in shown
