"""The reference says what the schema says, and its example works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import solver.spec
from solver.spec.document import reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "spec.md"


@pytest.fixture(scope="module")
def text() -> str:
    """The document, where there is one (not in an installed package)."""
    if not DOCUMENT.exists():
        pytest.skip("no docs here")
    return DOCUMENT.read_text(encoding="utf-8")


def test_tables_are_those_of_the_schema(text: str) -> None:
    """`python -m solver.spec.document` made them."""
    assert text.endswith(reference())


def test_the_example_is_a_spec(text: str, tmp_path: Path) -> None:
    """The YAML in it makes a problem."""
    found = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert found
    path = tmp_path / "example.yaml"
    path.write_text(found.group(1), encoding="utf-8")
    assert len(solver.spec.load(path).candidates.pool)
