"""The command that says what to commit to."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from . import guard, screen
from .planning import Search, load, read_plan, rebuild

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from costdata import Catalog

    from ..reserve.study import Study, Wish
    from ..reserve.usage import Pool

TABLES = (".csv", ".parquet")
SHORT_GAP = 1e-3
LEAST_MONTHS = 12
AS_BEFORE = 0.75  # chosen on backtests; see benchmarks/backtest.py
LAST_HOURS = 4 * 7 * 24
TEXTS = ("starts", "what", "where", "ends", "payback", "month", "demand")
PURCHASES = MappingProxyType(
    {
        "starts": "From", "what": "What", "where": "Where", "upfront": "Upfront", "hourly": "An hour",
        "saves": "Saves", "use": "In use", "break_even": "Break-even", "under_use": "Under-use", "payback": "Paid by",
    }
)  # fmt: skip
INVENTORY = MappingProxyType(
    {
        "what": "Held", "where": "Where", "ends": "Until", "quantity": "Quantity", "utilisation": "In use",
        "renewed": "Renewed", "let_go": "Let go",
    }
)  # fmt: skip
MONTHS = MappingProxyType(
    {
        "month": "Month",
        "cash_micro_usd": "Cash",
        "amortised_micro_usd": "Amortised",
        "commitments_micro_usd": "Commitments",
        "on_demand_micro_usd": "On demand",
        "lower_micro_usd": "5 %",
        "upper_micro_usd": "95 %",
        "all_on_demand_micro_usd": "All on demand",
    }
)
OTHERWISE = MappingProxyType(
    {"demand": "If demand is", "cost_usd": "Cost", "on_demand_usd": "Nothing bought", "saved_usd": "Saved"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How far to look, and at how many futures.

    Raises:
        InputError: a value out of its range.
    """

    months: int | None  # in view; None: as many as the longest commitment on offer runs, and no fewer than 12
    futures: int  # kept of the paths drawn
    paths: int
    beyond: str  # "repeat" or "end": what a plan is taken to need after its horizon
    overrides: Path | None
    as_of: str | None
    events: Sequence[str] = ()  # what is known of a history's future; see `autoparallel forecast`
    growth: Sequence[str] = ()
    holidays: str | None = None
    zone: str = "UTC"
    as_before: float | None = None  # probability that the last weeks come again; None: 0.75 unless a change is known

    def __post_init__(self) -> None:
        """Check the ranges."""
        months = LEAST_MONTHS if self.months is None else self.months
        ranges = (("months", months, 120), ("futures", self.futures, 200), ("paths", self.paths, 2000))
        for name, value, most in ranges:
            if not 1 <= value <= most:
                raise InputError(f"{value} {name}", where=f"--{name}", mend=f"1 to {most}")
        if self.as_before is not None and not 0 <= self.as_before <= 1:
            raise InputError(f"{self.as_before} is no probability", where="--as-before", mend="0 to 1")

    def of(self, catalog: Catalog, pools: Sequence[tuple[str, Pool]], options: Sequence[str] | None) -> int:
        """Months in view for these pools."""
        from ..reserve.study import longest_term

        return self.months or max(LEAST_MONTHS, longest_term(catalog, pools, options))


def commit(source: str, view: View, wish: Wish, search: Search, out: Path | None, style: str, limit: int) -> int:
    """Study, write and print; files are written before anything is printed."""
    table = Path(source).suffix.lower() in TABLES
    study = (_of_history if table else _of_plan)(source, view, wish, search)
    if out is not None:
        from ..report.portfolio import write_all

        paths = write_all(study, out)
        sys.stderr.write(f"wrote {len(paths)} files to {guard.plain(str(out))}\n")
    if style == "json":
        from ..report.portfolio import to_json

        sys.stdout.write(to_json(study))
    elif style == "csv":
        names = study.portfolio.purchases.names
        rows = [tuple(row.values()) for row in study.portfolio.purchases.records()]
        screen.print_rows([screen.Column(name, name) for name in names], rows, "csv")
    else:
        show(study, limit)
    return 0


def windows(texts: Sequence[str]) -> tuple[tuple[datetime.date, datetime.date], ...]:
    """Days of capacity blocks: "2027-03-01:2027-03-15", the second the day after the last."""
    import datetime

    made = []
    for text in texts:
        first, _, last = text.partition(":")
        try:
            made.append((datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)))
        except ValueError:
            mend = "write FIRST:END as YYYY-MM-DD:YYYY-MM-DD"
            raise InputError(f"{text!r:.60} is no window", where="--block", mend=mend) from None
    return tuple(made)


def _catalog(as_of: str | None, overrides: str | Path | None) -> Catalog:
    import costdata

    return costdata.load(as_of, overrides or None)


def _of_plan(source: str, view: View, wish: Wish, search: Search) -> Study:
    """Of a plan, or of the plan of a spec."""
    from ..finance import add_months
    from ..reserve.study import study
    from ..reserve.usage import of_plan

    path = Path(source)
    if source.startswith("@") or path.suffix.lower() in {".yaml", ".yml", ".toml"} or _is_spec(path):
        from ..solve import solve

        with screen.progress() as follow:
            problem = load(source)
            plan = solve(
                problem, time_limit_s=search.time_limit_s, gap=search.gap, seed=search.seed,
                deterministic=search.deterministic, progress=follow, memory_limit_gib=search.memory_limit_gib,
            )  # fmt: skip
    else:
        plan = read_plan(path)
        problem = rebuild(plan, path)
    if plan.termination == "infeasible":
        raise InputError(
            "there is no plan: its requirements contradict one another", where=source, mend="see its conflicts"
        )
    catalog = _catalog(view.as_of or plan.provenance.as_of, view.overrides or plan.provenance.overrides)
    names, usage = of_plan(plan, problem)
    pools = [("", pool) for pool in names]
    until = add_months(usage.start, view.of(catalog, pools, wish.options))
    notes = []
    if view.beyond == "repeat" and usage.day_of(usage.hours) < until:
        notes.append(f"from {usage.day_of(usage.hours)} on the last four weeks of the plan are taken to go on")
        names, usage = of_plan(plan, problem, until=until)
    return study(plan.name, catalog, pools, usage, wish, gap=SHORT_GAP, time_limit_s=search.time_limit_s, notes=notes)


def _is_spec(path: Path) -> bool:
    """Whether a JSON file is a spec: one that has workloads."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    from ..spec.reader import read

    try:
        data = read(path).data
    except InputError:
        return False
    return isinstance(data, dict) and "workloads" in data


def _of_history(source: str, view: View, wish: Wish, search: Search) -> Study:
    """Of a history of nodes, forecast from the day after it on."""
    import numpy as np

    from ..calendar import exact
    from ..finance import add_months
    from ..forecast import Event, Growth, forecast, read_history
    from ..reserve.study import study
    from ..reserve.usage import WEEK, as_before, names_of, of_paths

    history = read_history(source, unit="nodes", zone=view.zone)
    pools = names_of(history.series)
    catalog = _catalog(view.as_of, view.overrides)
    begins = history.after(1)[0]
    start: datetime.date = (begins + np.timedelta64(23, "h")).astype("datetime64[D]").item()
    hours = (add_months(start, view.of(catalog, pools, wish.options)) - start).days * 24
    skip = int((np.datetime64(start, "h") - begins) / np.timedelta64(1, "h"))
    found = forecast(
        history,
        -(-(hours + skip) // history.step_hours),
        events=[Event.parse(text) for text in view.events],
        growth=[Growth.parse(text) for text in view.growth],
        holidays=view.holidays,
        paths=view.paths,
        seed=search.seed,
    )
    paths = np.repeat(found.paths, history.step_hours, axis=1)[:, skip : skip + hours]
    chance = view.as_before if view.as_before is not None else 0.0 if view.events or view.growth else AS_BEFORE
    past = np.repeat(np.floor(history.values + 0.5).astype(np.int64), history.step_hours, axis=0)
    last = min(len(past), LAST_HOURS)
    last -= last % (WEEK if last >= WEEK else 24)
    past = np.roll(past[len(past) - last :], -skip, axis=0)  # its first hour is that of the day the usage begins
    usage = as_before(of_paths(start, paths, keep=view.futures), past, exact(chance))
    notes = [*history.notes, *found.notes]
    if chance:
        notes.append(f"with a probability of {chance:g} the last weeks are taken to come again; the rest is forecast")
    name = Path(source).stem
    return study(name, catalog, pools, usage, wish, gap=SHORT_GAP, time_limit_s=search.time_limit_s, notes=notes)


def show(study: Study, limit: int) -> None:
    """Print a study as tables."""
    from ..report import portfolio, words
    from ..report.terminal import plain_text

    console = screen.console()
    console.print(plain_text(f"{study.name}: commitments", "bold"))
    rows = portfolio.purchases(study)
    if rows:
        _table(PURCHASES, rows, limit)
    else:
        console.print(plain_text(portfolio.NOTHING))
    _table(INVENTORY, [_shown(r) | {"what": words.option(r["option"])} for r in study.portfolio.inventory.records()], 0)
    _table(MONTHS, [_shown(r) for r in study.portfolio.months.records()], limit)
    _table(OTHERWISE, [_shown(r) | {"demand": f"× {r['demand']:g}"} for r in study.otherwise.records()], 0)
    console.print(plain_text(portfolio.headline(study), "bold green"))
    for line in (portfolio.regret(study), *study.notes):
        if line:
            console.print(plain_text(line, "dim"))


def _shown(row: dict[str, Any]) -> dict[str, str]:
    """Dollars whole, shares in per cent, the rest as it is."""
    from ..report import words

    made = {}
    for key, value in row.items():
        if key.endswith("micro_usd"):
            made[key] = words.usd(value, 0)
        elif key.endswith("_usd"):
            made[key] = words.usd(round(value * 1e6), 0)
        else:
            made[key] = words.percent(100 * value, 0) if key == "utilisation" else str(value)
    return made


def _table(heads: Mapping[str, str], rows: Sequence[dict[str, str]], limit: int) -> None:
    """Texts to the left, figures to the right; nothing where there are no rows."""
    if rows:
        columns = [screen.Column(key, head, right=key not in TEXTS) for key, head in heads.items()]
        screen.print_rows(columns, [tuple(row[key] for key in heads) for row in rows], "table", limit=limit)
