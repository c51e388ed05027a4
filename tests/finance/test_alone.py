"""The package stands alone: no plan, no catalogue, no solver, and nothing heavy until it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USE = """
import datetime, decimal, sys
{first}
day, D = datetime.date, decimal.Decimal
assert sum(a for _, a in finance.amortise(D("10.00"), day(2027, 1, 1), day(2028, 1, 1))) == 10
print("loaded:", *sorted(sys.modules))
"""
HEAVY = {"ortools", "pandas", "pyarrow", "pydantic", "scipy", "pyxirr", "costdata", "numpy", "joblib", "statsmodels"}


@pytest.mark.parametrize("first", ["from solver import finance", "import solver; finance = solver.finance"])
def test_nothing_else_is_loaded(first: str) -> None:
    """In a fresh process, of `solver` only money and errors beside it."""
    done = subprocess.run(
        [sys.executable, "-c", USE.format(first=first)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.rpartition("loaded:")[2].split()
    ours = {name for name in loaded if name.split(".")[0] == "solver"}
    assert {name for name in ours if not name.startswith("solver.finance")} == {
        "solver", "solver.errors", "solver.money"
    }  # fmt: skip
    assert not HEAVY.intersection(name.split(".")[0] for name in loaded)
