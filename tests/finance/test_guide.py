"""The examples of the guide run as they stand, one after another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from solver import finance

GUIDE = (Path(__file__).parents[2] / "docs" / "finance.md").read_text("utf-8")
BLOCKS = re.findall(r"^## (.*?)\n```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What earlier examples have defined."""
    return {}


@pytest.mark.parametrize(("title", "code"), BLOCKS, ids=[title for title, _ in BLOCKS])
def test_examples(title: str, code: str, names: dict[str, Any]) -> None:
    """Each with its assertions."""
    assert "assert" in code, title
    exec(compile(code, title, "exec"), names)  # noqa: S102 (our own page)


def test_every_function_is_shown_or_named() -> None:
    """What can be called is in the guide; classes that only carry results go without saying."""
    functions = {name for name in finance.__all__ if name.islower()}
    missing = {name for name in functions if name not in GUIDE}
    assert missing <= {
        "add_months",
        "counted_hours",
        "exact_hours",
        "recurring",
        "term_end",
        "effective_rate",
        "payback_period",
    }
