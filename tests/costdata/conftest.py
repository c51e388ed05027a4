"""The packaged catalogue, folders of overrides, and copies of the packaged tables to tamper with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import costdata
from costdata import mechanisms, network, packaged, percent_off, places

Writer = Callable[..., Path]
CACHED = (packaged.sources, packaged.options, packaged.countries, packaged.places, packaged.land)
CACHED_COMMITMENTS = (mechanisms.mechanisms, mechanisms.families, mechanisms._nodes, percent_off.programmes)
CACHED_NETWORK = (network._measured, network._fit, network._rates, places._index)


@pytest.fixture(scope="session")
def catalog() -> costdata.Catalog:
    """The newest prices."""
    return costdata.load()


@pytest.fixture
def folder(tmp_path: Path) -> Writer:
    """Write a folder of overrides: `folder(offers=text)` gives its path."""

    def write(**tables: str) -> Path:
        made = tmp_path / "own"
        made.mkdir(exist_ok=True)
        for stem, text in tables.items():
            (made / f"{stem}.csv").write_text(text, encoding="utf-8")
        return made

    return write


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the packaged tables that is loaded in their stead."""
    copy = tmp_path / "tables"
    shutil.copytree(packaged.FOLDER, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    monkeypatch.setattr(packaged, "FOLDER", copy)
    _forget()
    yield copy
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    for function in (*CACHED, *CACHED_COMMITMENTS, *CACHED_NETWORK):
        function.cache_clear()


@pytest.fixture(scope="session")
def facts() -> Path:
    """The folder of raw facts; tests that rebuild from it are skipped where it is not."""
    named = os.environ.get("AUTOPARALLEL_FACTS")
    found = Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data" / "prices"
    if not (found / "offers_facts.csv").is_file():
        pytest.skip(f"no raw facts at {found}; AUTOPARALLEL_FACTS names their folder")
    return found
