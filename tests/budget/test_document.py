"""The file of budgets: what it says, and each fault by file, line, path and mend."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from solver.budget import Budget, BudgetFile, Budgets, limits, read_budgets
from solver.budget.limits import check_names, simple
from solver.errors import InputError
from solver.money import MICRO
from tests.budget.plans import plan_of

YEAR = (date(2027, 1, 1), date(2028, 1, 1))
FULL = """\
name: fy27
currency: EUR
fiscal: {start_month: 2, pattern: 4-4-5}
rates:
- {currency: EUR, usd: 1.1, valid_from: 2026-01-01}
- {currency: EUR, usd: 1.25, valid_from: 2027-05-01}
projects: [{name: assistant, workloads: [chat, search]}]
alerts:
- {at_percent: 50, severity: info}
- {at_percent: 100, of: forecast, severity: critical}
budgets:
- {name: all, amount: 1200000.55, period: year, currency: USD}
- {name: web, team: web, amount: 100}
- {name: web in summer, team: web, amount: 300, only: FY2028-P07}
"""


def read(tmp_path: Path, text: str, name: str = "budgets.yaml") -> BudgetFile:
    """A file of this text."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_budgets(path)


def test_a_whole_file(tmp_path: Path) -> None:
    """Amounts are those written, exactly; what is not said has its default."""
    made = read(tmp_path, FULL).budgets
    assert made.budgets[0].exact == Decimal("1200000.55")
    assert (made.fiscal.start_month, made.fiscal.pattern, made.fiscal.week_ends_on) == (2, "4-4-5", "saturday")
    assert made.project_of == {"chat": "assistant", "search": "assistant"}
    assert [(a.at_percent, a.of, a.level) for a in made.alerts] == [
        (50, "actual", "info"),
        (100, "forecast", "critical"),
    ]
    toml = 'currency = "USD"\n[[budgets]]\nname = "all"\namount = 5\n'
    assert read(tmp_path, toml, "budgets.toml").budgets.budgets[0].exact == 5
    json = '{"budgets": [{"name": "all", "amount": 0.1}]}'
    assert read(tmp_path, json, "budgets.json").budgets.budgets[0].exact == Decimal("0.1")


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("amount: 100}", "amount: -1}", "budgets.yaml:13: budgets[1]: budget 'web': amount must be from 0"),
        ("amount: 100}", "amount: '100'}", "budgets.yaml:13: budgets[1].amount: must be a number"),
        ("amount: 100}", "amount: 123456789012.12345}", "more than 15 digits"),
        ("team: web, amount: 100", "tean: web, amount: 100", "did you mean team?"),
        ("name: web,", "name: all,", "budgets.yaml:13: budgets[1].name: name 'all' is also that of budgets[0]"),
        (", amount: 300, only: FY2028-P07", ", amount: 1", "budgets.yaml:14: budgets[2]: the scope and period is also"),
        (
            "{name: web, team: web", "{name: web, project: asistant",
            "budgets.yaml:13: budgets[1].project: there is no project 'asistant' (did you mean assistant?)",
        ),
        (
            "[chat, search]}]", "[chat]}, {name: b, workloads: [chat]}]",
            "budgets.yaml:7: projects[1].workloads[0]: workload 'chat' is also that of projects[0]",
        ),
        ("valid_from: 2027-05-01", "valid_from: 2026-01-01", "budgets.yaml:6: rates[1]: currency and day, EUR 2026-01"),
        ("usd: 1.25,", "usd: 0,", "usd must be above 0"),
        ("currency: EUR\n", "currency: euro\n", "three capital letters"),
        ("start_month: 2", "start_month: 13", "from 1 to 12"),
        ("4-4-5", "4-4-6", "must be one of calendar, 4-4-5"),
        ("at_percent: 50,", "at_percent: 0,", "at_percent must be above 0"),
        ("{at_percent: 100, of: forecast", "{at_percent: 50, of: actual", "threshold of 50 % of actual cost is also"),
        ("period: year", "period: yearly", "must be one of month, quarter, year, plan"),
        ("period: year", "period: plan, only: plan", "leave `only` out"),
    ],
)  # fmt: skip
def test_each_fault_names_line_path_and_mend(tmp_path: Path, was: str, now: str, said: str) -> None:
    """One change to a sound file."""
    assert FULL.count(was) >= 1
    with pytest.raises(InputError) as found:
        read(tmp_path, FULL.replace(was, now, 1))
    assert said in str(found.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    """No file, no fields, no budgets."""
    with pytest.raises(InputError, match=r"no such file.*docs/budgets\.md"):
        read_budgets(tmp_path / "nowhere.yaml")
    with pytest.raises(InputError, match="holds no fields"):
        read(tmp_path, "- 1\n")
    with pytest.raises(InputError, match="there is no budget"):
        read(tmp_path, "budgets: []\n")


def test_names_that_the_plan_does_not_have(tmp_path: Path) -> None:
    """Teams, workloads of projects, providers nobody has prices of, periods of another calendar; all at once."""
    plan = plan_of([("2027-01", "web", "chat", "aws", 1), ("2027-02", "lab", "search", "aws", 1)])
    check_names(read(tmp_path, FULL), plan)
    text = FULL.replace("team: web, amount: 100", "team: wob, amount: 100").replace("search]", "serch]")
    text += "- {name: more, provider: gcq, amount: 1, only: 2027-03}\n"
    with pytest.raises(InputError) as found:
        check_names(read(tmp_path, text), plan)
    assert str(found.value).splitlines()[1:] == [
        "  line 13: budgets[1].team: the plan has no team 'wob' (did you mean web?)",
        "  line 15: budgets[3].provider: the plan has no provider 'gcq' (did you mean gcp?)",
        "  line 15: budgets[3].only: the calendar has no month '2027-03' (write it as FY2027-P12)",
        "  line 7: projects[0].workloads[1]: the plan has no workload 'serch' (did you mean search?)",
    ]
    ignored = read(tmp_path, text.replace(", only: 2027-03", "") + "unknown: ignore\n")
    check_names(ignored, plan)


def test_currencies_convert_on_the_first_day_of_a_period() -> None:
    """100 euros a month: 110 dollars until April, 125 from May; with `rates_on` always those of that day."""
    rates = [
        {"currency": "EUR", "usd": 1.1, "valid_from": date(2026, 12, 1)},
        {"currency": "EUR", "usd": 1.25, "valid_from": date(2027, 5, 1)},
    ]
    data = {"currency": "EUR", "rates": rates, "budgets": [{"name": "all", "amount": 100}]}
    made = limits(read_budgets(data).budgets, [YEAR], YEAR)
    assert [x.amount_micro_usd for x in made] == [110 * MICRO] * 4 + [125 * MICRO] * 8
    fixed = limits(read_budgets(data | {"rates_on": date(2027, 6, 1)}).budgets, [YEAR], YEAR)
    assert {x.amount_micro_usd for x in fixed} == {125 * MICRO}
    with pytest.raises(InputError, match=r"'all'.*EUR/USD on 2027-01-01.*`rates`"):
        limits(read_budgets(data | {"rates": rates[1:]}).budgets, [YEAR], YEAR)
    with pytest.raises(InputError, match="days old"):
        limits(read_budgets(data | {"rates_max_age_days": 31}).budgets, [YEAR], YEAR)


def test_an_entry_for_one_period_takes_the_place_of_the_general_one() -> None:
    """Only there, and only of the same scope and kind."""
    data = {"budgets": [
        {"name": "a", "amount": 10}, {"name": "b", "amount": 25, "only": "2027-11"},
        {"name": "c", "amount": 7, "team": "web", "period": "quarter"},
    ]}  # fmt: skip
    made = limits(read_budgets(data).budgets, [YEAR], YEAR)
    said = sorted((x.where[2], x.budget.name) for x in made if x.budget.period == "month")
    assert said == [(f"2027-{m:02d}", "b" if m == 11 else "a") for m in range(1, 13)]
    assert [x.where for x in made if x.budget.name == "c"] == [("c", "team web", f"2027-Q{q}") for q in range(1, 5)]
    with pytest.raises(InputError, match="no budget has a period"):
        limits(Budgets(budgets=(Budget(name="b", amount=1, only="2029-11"),)), [YEAR], YEAR)


def test_an_amount_on_the_command_line() -> None:
    """Of the whole plan, or of each month, quarter or year of the calendar."""
    spans = [(date(2027, 1, 1), date(2027, 4, 1))]
    made = {text: limits(simple(text).budgets, spans, spans[0]) for text in ("500", "40.000001/month", "$9/quarter")}
    assert [(x.where[2], x.allowed_micro_usd) for x in made["500"]] == [("plan", Fraction(500 * MICRO))]
    assert [x.allowed_micro_usd for x in made["40.000001/month"]] == [40_000_001] * 3
    assert [(x.where[2], x.allowed_micro_usd) for x in made["$9/quarter"]] == [("2027-Q1", Fraction(9 * MICRO))]
    for text in ("a lot", "5%", "-3", "1e3", "5/week"):
        with pytest.raises(InputError, match="neither a file nor an amount"):
            simple(text)


def test_the_page_shows_a_sound_file(tmp_path: Path) -> None:
    """The YAML of docs/budgets.md, as a reader would copy it."""
    page = (Path(__file__).parents[2] / "docs" / "budgets.md").read_text(encoding="utf-8")
    (text,) = [b for b in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL) if "budgets:\n" in b]
    made = read(tmp_path, text).budgets
    assert [b.name for b in made.budgets] == ["all", "web", "web in autumn", "assistant", "web at aws"]
    assert set(limits(made, [YEAR], YEAR)[0].where) == {"all", "FY2027"}
