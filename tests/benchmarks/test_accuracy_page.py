"""The page of accuracy says what the results say."""

from __future__ import annotations

import json

from benchmarks import accuracy_page
from benchmarks.accuracy import SUBJECTS


def test_the_page_is_that_of_the_results() -> None:
    """Nobody wrote in it by hand, and all four subjects are there."""
    found = json.loads(accuracy_page.FILE.read_text(encoding="utf-8"))
    assert set(found["subjects"]) == set(SUBJECTS)
    assert accuracy_page.PAGE.read_text(encoding="utf-8") == accuracy_page.page(found)


def test_a_page_by_hand() -> None:
    """Titles are all keys of the rows; what a row lacks stays empty; bad rows are shown."""
    made = {
        "kept_out": [{"kept out": "model", "mape": 12.345}, {"kept out": "deployment", "mape": 5.0, "halfwidth": 1.25}],
        "record": ["all  tpot  1.0"],
        "last": {},
        "worst": [{"metric": "tpot", "row": "s1, Llama", "measured": 10.0, "predicted": 1234.5}],
    }
    machine = {"cores": 2, "processor": "P", "system": "S"}
    text = accuracy_page.page({"subjects": {"serving": made}, "machine": machine})
    assert (
        "| kept out | mape | halfwidth |\n| --- | --- | --- |\n| model | 12.35 |  |\n| deployment | 5 | 1.25 |" in text
    )
    assert "| tpot | s1, Llama | 10 | 1,234 |" in text
    assert "```\nall  tpot  1.0\n```" in text
    assert "## Training" not in text
    assert text.endswith("Computed on 2 cores of P, S.\n")
