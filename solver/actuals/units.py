"""What a unit cost: dollars of a million tokens in and out, and of a training run, planned beside actual."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..table import Table
from .parse import EASY_NUMBER

if TYPE_CHECKING:
    from ..plan import Plan
    from ..problem import Problem
    from .variance import Comparison

OUTPUT_WEIGHT = 4  # input tokens that one output token counts as when a cost is split, as in the plan's own figures
MILLION = 10**6
COLUMNS = ("workload", "period", "input_tokens", "output_tokens", "runs")
LARGEST_BYTES = 50_000_000
UNITS = (
    *("period", "workload", "planned_micro_usd", "actual_micro_usd"),
    *("planned_micro_usd_per_1m_input", "actual_micro_usd_per_1m_input"),
    *("planned_micro_usd_per_1m_output", "actual_micro_usd_per_1m_output"),
    *("planned_micro_usd_per_run", "actual_micro_usd_per_run"),
)
NO_PRICE = -1  # where there is no unit to divide by


@dataclass(frozen=True, slots=True)
class Use:
    """What a workload did in a month."""

    input_tokens: Fraction = Fraction(0)
    output_tokens: Fraction = Fraction(0)
    runs: Fraction = Fraction(0)

    def __add__(self, other: Use) -> Use:
        """Both together."""
        return Use(
            self.input_tokens + other.input_tokens, self.output_tokens + other.output_tokens, self.runs + other.runs
        )

    def prices(self, micro: int) -> tuple[int, int, int]:
        """Micro-dollars of a million input tokens, of a million output tokens, and of a run; NO_PRICE for none.

        Where there are tokens of both kinds, an output token costs OUTPUT_WEIGHT times an input token, and the two
        prices together give the cost back.
        """
        weight = self.input_tokens + OUTPUT_WEIGHT * self.output_tokens
        per_input = MILLION * micro / weight if weight else None
        return (
            round(per_input) if per_input is not None and self.input_tokens else NO_PRICE,
            round(OUTPUT_WEIGHT * per_input) if per_input is not None and self.output_tokens else NO_PRICE,
            round(micro / self.runs) if self.runs else NO_PRICE,
        )


Uses = Mapping[tuple[str, str], Use]  # by workload and month


def planned_use(problem: Problem, plan: Plan) -> dict[tuple[str, str], Use]:
    """Tokens of the units that a plan serves, by workload and month (expected, where futures differ).

    A job is one run, spread over the months it works in by what it does in each.
    """
    work, blocks = problem.workloads, problem.blocks
    at = {str(name): i for i, name in enumerate(work.name.tolist())}
    weight = blocks.block_probability()
    units: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for row in plan.served.records() if len(plan.served) else ():
        block, rate = int(row["block"]), int(row["units_per_hour"])
        for period, hours in zip(blocks.periods, blocks.hours[block].tolist(), strict=True):
            if hours:
                units[str(row["workload"]), period] += weight[block] * rate * hours
    made = {}
    for (name, period), amount in units.items():
        w = at[name]
        if str(work.kind[w]) == "serving":
            made[name, period] = Use(amount * int(work.input_tokens[w]), amount * int(work.output_tokens[w]))
        else:
            whole = sum(v for (n, _), v in units.items() if n == name)
            made[name, period] = Use(runs=amount / whole)
    return made


def read_use(path: Path) -> dict[tuple[str, str], Use]:
    """A table of use: workload, period (a month or a day), and input_tokens, output_tokens or runs; days add up.

    Raises:
        InputError: no such table, or a cell that is no number of 0 or more.
    """
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"larger than {LARGEST_BYTES:,} bytes", where=path.name, mend="one row a month will do")
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            names = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        mend = f"a CSV with columns {', '.join(COLUMNS)}"
        raise InputError(f"cannot be read: {error}", where=path.name, mend=mend) from None
    if not {"workload", "period"} <= set(names) or not set(COLUMNS[2:]) & set(names):
        raise InputError("lacks columns", where=f"{path.name}, row 1", mend=f"of {', '.join(COLUMNS)}, the first two")
    made: dict[tuple[str, str], Use] = {}
    for i, row in enumerate(rows, start=2):
        where = f"{path.name}, row {i}"
        key = (row["workload"] or "").strip(), _month((row["period"] or "").strip(), where)
        numbers = (_number(row.get(name), f"{where}, column {name}") for name in COLUMNS[2:])
        made[key] = made.get(key, Use()) + Use(*numbers)
    return made


def _month(text: str, where: str) -> str:
    parts = text.split("-")
    fine = len(parts) in (2, 3) and all(p.isascii() and p.isdigit() for p in parts) and len(parts[0]) == 4  # noqa: PLR2004
    if not fine or not 1 <= int(parts[1]) <= 12:  # noqa: PLR2004
        raise InputError(f"{text!r:.40} is no month", where=f"{where}, column period", mend="such as 2027-03")
    return f"{parts[0]}-{int(parts[1]):02d}"


def _number(text: str | None, where: str) -> Fraction:
    if text is None or not text.strip():
        return Fraction(0)
    if not EASY_NUMBER.fullmatch(text.strip()):
        raise InputError(f"{text!r:.40} is no number of 0 or more", where=where, mend="write digits: 1200000")
    return Fraction(text.strip())


def unit_costs(comparison: Comparison, planned: Uses, actual: Uses) -> Table:
    """Unit costs by month and workload; -1 where there is no unit or no cost of it."""
    made = []
    for row in comparison.by("period", "workload").records():
        key = row["workload"], row["period"]
        if key not in planned and key not in actual:
            continue
        was, now = row["planned_micro_usd"], row["actual_micro_usd"]
        pairs = zip(planned.get(key, Use()).prices(was), actual.get(key, Use()).prices(now), strict=True)
        made.append((row["period"], row["workload"], was, now, *(price for pair in pairs for price in pair)))
    return Table.from_records(UNITS, sorted(made))
