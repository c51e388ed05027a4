"""Reading rows of a frame: what is stated, what is not, and what cannot be used."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solver.errors import InputError
from solver.perf.frames.rows import Rows


def test_numbers_of_every_spelling() -> None:
    """Numbers and their texts are read; NaN, None, NA and empty texts are not stated."""
    cells = [8, 8.0, "8", " 8 ", np.int64(8), np.float32(8), None, np.nan, pd.NA, "", "  ", "NaN"]
    rows = Rows(pd.DataFrame({"tp": pd.Series(cells, dtype=object)}))
    assert rows.numbers("tp", 1.0, whole=True).tolist() == [8.0] * 6 + [1.0] * 6
    assert rows.errors == [""] * 12
    assert Rows(pd.DataFrame({"x": [1]})).numbers("tp", 3.0).tolist() == [3.0]


@pytest.mark.parametrize("cell", [-1, 0, 1.5, "eight", "8,192", True, np.inf, "inf", -np.inf, 2j, [8], 17, np.bool_(1)])
def test_a_number_that_cannot_be_used_fails_its_row_only(cell: object) -> None:
    """Row, field and mend are named, and the value is NaN."""
    rows = Rows(pd.DataFrame({"tp": pd.Series([4, cell, 2], dtype=object, index=["a", "b", "c"])}))
    assert rows.numbers("tp", whole=True, most=16).tolist() == pytest.approx([4, np.nan, 2], nan_ok=True)
    assert rows.errors[0] == rows.errors[2] == ""
    assert rows.errors[1].startswith("row b: tp: ")
    assert rows.errors[1].endswith("(give a whole number above 0 up to 16, or leave it empty)")
    assert rows.good.tolist() == [True, False, True]


def test_zero_and_required() -> None:
    """0 is sound where it is said to be; an empty cell is an error where a number is required."""
    rows = Rows(pd.DataFrame({"wait": [0.0, np.nan]}))
    assert rows.numbers("wait", zero=True).tolist() == pytest.approx([0, np.nan], nan_ok=True)
    rows.numbers("wait", zero=True, required=True)
    assert rows.errors == ["", "row 1: wait: is not stated (give a number from 0)"]


def test_texts_and_flags() -> None:
    """Whole numbers lose their point; yes and no in the usual spellings."""
    rows = Rows(pd.DataFrame({"dtype": [" fp8 ", None, 8.0, 7], "sp": ["Yes", None, 0.0, "perhaps"]}, dtype=object))
    assert rows.texts("dtype", "bf16") == ["fp8", "bf16", "8", "7"]
    assert rows.flags("sp", default=True).tolist() == [True, True, False, True]
    assert rows.errors == ["", "", "", "row 3: sp: 'perhaps' is neither yes nor no (give true or false)"]


def test_resolve_reads_each_text_once() -> None:
    """An InputError becomes the row's error; the first error of a row stays."""
    asked: list[str] = []

    def read(text: str) -> int:
        asked.append(text)
        if text != "seven":
            raise InputError(f"unknown number {text!r}", mend="say seven")
        return 7

    rows = Rows(pd.DataFrame({"n": ["seven", "six", "seven", None, "six"]}))
    assert rows.resolve("n", read) == [7, None, 7, None, None]
    assert asked == ["seven", "six"]
    assert rows.errors[1] == "row 1: n: unknown number 'six' (say seven)"
    assert rows.errors[3] == "row 3: n: is not stated (give a name)"
    rows.fail(np.array([True, True, False, False, False]), "tp", "does not divide the heads")
    assert rows.errors[0] == "row 0: tp: does not divide the heads"
    assert rows.errors[1].startswith("row 1: n:")


def test_answer_blanks_what_failed() -> None:
    """Numbers become NaN, other values None, evidence empty; index and order are the frame's."""
    rows = Rows(pd.DataFrame({"x": [1, 2]}, index=[9, 9]))
    rows.fail(1, "x", "no")
    answer = rows.answer({"gib": np.array([1, 2]), "fits": np.array([True, False])}, "physics")
    assert answer.index.tolist() == [9, 9]
    assert answer["gib"].tolist() == pytest.approx([1, np.nan], nan_ok=True)
    assert answer["fits"].tolist() == [True, None]
    assert answer["evidence"].tolist() == ["physics", ""]
    assert answer["error"].tolist() == ["", "row 9: x: no"]


def test_a_frame_that_is_none() -> None:
    """Not a frame, and a column that stands twice, are errors of the call."""
    with pytest.raises(InputError, match="DataFrame is wanted, not list"):
        Rows([1])
    with pytest.raises(InputError, match="'tp' stands in the frame more than once"):
        Rows(pd.DataFrame([[1, 2]], columns=["tp", "tp"])).numbers("tp")


def test_no_rows() -> None:
    """An empty frame has an empty answer with its columns."""
    rows = Rows(pd.DataFrame({"tp": []}))
    answer = rows.answer({"gib": rows.numbers("tp")}, "physics")
    assert answer.columns.tolist() == ["gib", "evidence", "error"]
    assert len(answer) == 0


@given(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers())
    )
)
def test_no_cell_raises(cells: list[object]) -> None:
    """Every cell is a sound number, not stated, or its row's error."""
    rows = Rows(pd.DataFrame({"x": pd.Series(cells, dtype=object)}))
    found = rows.numbers("x", -1.0)
    assert (np.isnan(found) == ~rows.good).all()
    assert ((found[rows.good] > 0) | (found[rows.good] == -1)).all()
    rows.texts("x")
    rows.flags("x")
