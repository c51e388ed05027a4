"""How benchmarks register themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import benchmarks
from benchmarks import published
from benchmarks.__main__ import main
from benchmarks.cases import Case, cases

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = """
from benchmarks.cases import Case
CASE = Case(name="nothing", measures="nothing at all", goal="none", main=print, table=lambda rows: [], alone={alone})
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A further folder of the package."""
    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    yield tmp_path
    import sys

    sys.modules.pop("benchmarks.nothing", None)


def test_cases_are_named_as_their_modules() -> None:
    """So that NAME of the command, module and file of results are one."""
    known = cases()
    assert {"exactness", "solver_speed", "start_up"} <= set(known)
    for name, case in known.items():
        assert case.main.__module__ == f"benchmarks.{name}"


def test_module_is_all_a_new_case_needs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is found, listed, run with its arguments, and gets a place on the page."""
    (folder / "nothing.py").write_text(MODULE.format(alone=False))
    assert cases()["nothing"].measures == "nothing at all"
    main(["nothing", "a", "b"])
    assert capsys.readouterr().out == "['a', 'b']\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "nothing at all" in capsys.readouterr().out
    page = published.page(published.PAGE.read_text(encoding="utf-8"))
    assert "| `nothing` | nothing at all | none |" in page
    assert page.endswith("\n## nothing\nNothing at all.\n\n<!-- nothing -->\nNot measured yet.\n<!-- end -->\n")
    assert published.page(page) == page


def test_those_alone_run_without_a_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The others do not."""
    known = {str(alone): Case(name=str(alone), measures="", main=print, alone=alone) for alone in (True, False)}
    monkeypatch.setattr("benchmarks.__main__.cases", lambda: known)
    main([])
    assert capsys.readouterr().out == "[]\n"
