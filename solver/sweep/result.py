"""What came of a sweep, read from its store: a row for each scenario, in the order of their numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..money import to_micro
from ..report import sweep_files
from ..table import Table
from .fields import shown
from .store import MOST_ATTEMPTS, Store, StoreError

if TYPE_CHECKING:
    import os

    import pandas as pd

Status = Literal["done", "infeasible", "set aside", "not yet"]
NONE = -1  # micro-dollars of what has no price


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario. Money in whole micro-dollars, −1 where there is none; None where there is no other figure.

    `result` is what was kept of the plan, with its purchases, costs by workload and conflicts.
    """

    number: int
    key: str
    settings: dict[str, Any]
    status: Status
    result: dict[str, Any]
    error: str
    cost_micro_usd: int = NONE
    lower_micro_usd: int = NONE
    workloads: dict[str, int]

    @property
    def monthly_micro_usd(self) -> Fraction:
        """Cost of a month; only of scenarios with a plan."""
        return Fraction(self.cost_micro_usd, max(1, self.result["months"]))


@dataclass(frozen=True, slots=True)
class SweepReport:
    """All scenarios of a sweep.

    report.to_frame()       # one row a scenario, money as Decimal dollars
    report.write("out")     # sweep.csv, sweep.json, sweep.html
    """

    about: dict[str, Any]  # sweep, spec, name, fields, search, version and code
    rows: tuple[Row, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Paths of the fields that are set."""
        return tuple(self.about["fields"])

    def count(self, status: Status) -> int:
        """How many scenarios are so."""
        return sum(row.status == status for row in self.rows)

    @property
    def cheapest(self) -> Row | None:
        """The scenario of least cost a month; the first of several."""
        return min((r for r in self.rows if r.status == "done"), key=lambda r: r.monthly_micro_usd, default=None)

    @property
    def base(self) -> Row | None:
        """The spec as written, once it has a plan."""
        return next((r for r in self.rows if r.number == 0 and r.status == "done"), None)

    def change(self, row: Row, other: Row | None) -> float | None:
        """Percent that a month of a scenario costs more than one of another; None where one has no plan."""
        if row.status != "done" or other is None:
            return None
        if not other.monthly_micro_usd:
            return None if row.monthly_micro_usd else 0.0
        return 100 * float(row.monthly_micro_usd / other.monthly_micro_usd - 1)

    def table(self) -> Table:
        """One row a scenario."""
        rows, results = self.rows, [row.result for row in self.rows]
        cheapest, base = self.cheapest, self.base
        names = sorted({name for row in rows for name in row.workloads})
        columns: dict[str, Any] = {"scenario": np.array([row.number for row in rows], dtype=np.int64)}
        columns |= {path: _settings([row.settings.get(path) for row in rows]) for path in self.fields}
        columns |= {
            "status": _texts([row.status for row in rows]),
            "ended": _texts([r.get("termination", "") for r in results]),
            "months": np.array([r.get("months", 0) for r in results], dtype=np.int64),
            "total_micro_usd": _money([row.cost_micro_usd for row in rows]),
            "micro_usd_per_month": _money(
                [round(row.monthly_micro_usd) if row.status == "done" else NONE for row in rows]
            ),
            "lower_micro_usd": _money([row.lower_micro_usd for row in rows]),
            "gap": _floats([r.get("gap") for r in results]),
            "certificate": _texts([r.get("certificate", "") for r in results]),
            "above_cheapest_percent": _floats([self.change(row, cheapest) for row in rows]),
            "against_base_percent": _floats([self.change(row, base) for row in rows]),
            "seconds": _floats([r.get("seconds") for r in results]),
        }
        columns |= {f"micro_usd of {name}": _money([row.workloads.get(name, NONE) for row in rows]) for name in names}
        columns |= {
            "purchases": _texts([purchases(r) for r in results]),
            "in_the_way": _texts([in_the_way(r) for r in results]),
            "error": _texts([row.error for row in rows]),
            "key": _texts([row.key for row in rows]),
        }
        return Table(columns)

    def to_frame(self) -> pd.DataFrame:
        """The table as a DataFrame, money as Decimal dollars."""
        import pandas as pd

        from ..report.cells import columns

        return pd.DataFrame({c.name: pd.Series(c.values, dtype=_dtype(c.kind)) for c in columns(self.table())})

    def to_json(self) -> str:
        """Everything, as JSON."""
        return sweep_files.to_json(self)

    def write(self, out: str | os.PathLike[str]) -> list[Path]:
        """Write sweep.csv, sweep.json and sweep.html.

        Raises:
            InputError: they cannot be written.
        """
        return sweep_files.write_all(self, out)


def read_sweep(folder: str | os.PathLike[str]) -> SweepReport:
    """What is in the folder of a sweep, also while it runs.

    Raises:
        InputError: there is no sweep, or it is damaged.
    """
    with Store(Path(folder), new=False) as store:
        return read_store(store)


def read_store(store: Store) -> SweepReport:
    """What is in an open store.

    Raises:
        StoreError: what is in it is not what was written.
    """
    failures, errors = store.failures(), store.errors()
    try:
        about = store.about()
        rows = tuple(
            _row(number, key, json.loads(settings), result, failures.get(key, 0), errors.get(key, ""))
            for number, key, settings, result in store.rows()
        )
        if not about or not all(isinstance(path, str) for path in about["fields"]):
            raise StoreError("holds no run yet", where=str(store.path), mend="autoparallel sweep SWEEP.yaml --out DIR")
    except (KeyError, TypeError, ValueError, InvalidOperation, RecursionError) as error:
        mend = "move it away: a new sweep begins afresh"
        raise StoreError(f"is damaged: {error!r:.200}", where=str(store.path), mend=mend) from None
    return SweepReport(about, rows)


def _row(number: int, key: str, settings: dict[str, Any], text: str | None, failed: int, error: str) -> Row:
    if text is None:
        aside = failed >= MOST_ATTEMPTS
        status: Status = "set aside" if aside else "not yet"
        return Row(number=number, key=key, settings=settings, status=status, result={}, error=error, workloads={})
    result = json.loads(text)
    for name, kind in _KINDS.items():
        if not isinstance(result[name], kind):
            raise TypeError(f"{name} of a result")
    purchases(result), in_the_way(result)  # raise where these are not what they should be
    infeasible = result["termination"] == "infeasible"
    return Row(
        number=number,
        key=key,
        settings=settings,
        status="infeasible" if infeasible else "done",
        result=result,
        error="",
        cost_micro_usd=NONE if infeasible else _micro(result["cost_usd"]),
        lower_micro_usd=NONE if infeasible else _micro(result["lower_usd"]),
        workloads={name: _micro(usd) for name, usd in result["workloads"].items()},
    )


_KINDS: dict[str, Any] = {
    "termination": str,
    "certificate": str,
    "gap": (float, int, type(None)),
    "months": int,
    "seconds": (float, int),
    "workloads": dict,
    "purchases": list,
    "conflicts": list,
    "warnings": list,
}


def purchases(result: dict[str, Any]) -> str:
    """What is bought, as a line."""
    return "; ".join(
        f"{p['nodes']} × {p['provider']}/{p['region']}/{p['node']} {p['option']}" for p in result.get("purchases", ())
    )


def in_the_way(result: dict[str, Any]) -> str:
    """Which limits would have to give way, as a line."""
    return "; ".join(f"{c['limit']}: {c['relax_by']:,.6g} {c['unit']}" for c in result.get("conflicts", ()))


def _micro(usd: str) -> int:
    amount = Decimal(usd)
    if not amount.is_finite():
        raise ValueError("an amount of a result")
    return to_micro(amount)


def _settings(values: list[Any]) -> Any:
    """A column of settings: numbers where all are, else text; what is nowhere set is absent."""
    given = {type(v) for v in values if v is not None}
    if given == {bool} and None not in values:
        return np.array(values, dtype=bool)
    if given == {int} and None not in values and all(abs(v) < 2**63 for v in values):
        return np.array(values, dtype=np.int64)
    if given and given <= {int, float}:
        return _floats(values)
    return _texts(["" if v is None else shown(v) for v in values])


def _texts(values: list[str]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _floats(values: list[float | None]) -> Any:
    return np.array([math.nan if v is None else float(v) for v in values], dtype=np.float64)


def _money(values: list[int]) -> Any:
    return np.array(values, dtype=np.int64 if all(abs(v) < 2**63 for v in values) else object)


def _dtype(kind: str) -> Any:
    return {"int": "int64", "float": "float64", "bool": "bool"}.get(kind, object)
