"""The benchmark of bills: what it makes up is known exactly, and read so."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import bills, focus_bill
from solver.actuals import read_bill


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_made_up_is_known(tmp_path: Path, suffix: str) -> None:
    """Rows, repeated rows and sums, to the billionth; the files can be read."""
    known = bills.make(tmp_path, 3000, suffix)
    bill = read_bill(tmp_path)
    assert bill.reconciliation.kept.rows == known["rows"] == 3000
    assert bill.reconciliation.flagged["repeated"].rows == known["repeated"] == 1000
    for view, key in zip(bills.VIEWS, ("billed", "effective"), strict=True):
        assert Fraction(bill.total(key)["USD"]) * bills.NANO == known["sums"][view]
    assert {"usage", "credit", "tax", "adjustment"} == set(bill.cells["category"].tolist())


def test_decimals_without_a_float() -> None:
    """Both signs."""
    column = bills.decimals(np.array([1, -1, 10**18], dtype=np.int64))
    assert [str(v) for v in column.to_pylist()] == ["1E-9", "-1E-9", "1000000000.000000000"]
    assert bills.nano_sum(pa.chunked_array([column])) == 10**18


def test_rules_that_contradict_are_only_excused_when_shown() -> None:
    """Each names the rule that fails instead, and every rule above one of them names one of them."""
    assert set(focus_bill.ABOVE.values()) <= set(focus_bill.OTHER_WAYS)
    row = {"InvoiceId": "", "CommitmentDiscountStatus": ""}
    changed = Counter[str]()
    for _, _, change in focus_bill.OTHER_WAYS.values():
        changed.update(k for k, v in change(row).items() if v != row[k])
    assert changed == {"InvoiceId": 1, "CommitmentDiscountStatus": 1}
