"""The pins: complete, hashed, without addresses, and in step with the project file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from solver import __version__
from solver.doctor import LIBRARIES

ROOT = Path(__file__).parents[2]
FILES = ("run.txt", "dev.txt", "pandas2.txt")


def text(name: str) -> str:
    """One file of pins."""
    return (ROOT / "requirements" / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    """Version by package."""
    return dict(re.findall(r"^([\w-]+)==(\S+)", text(name), flags=re.MULTILINE))


def project() -> dict[str, dict[str, object]]:
    """The project file."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FILES)
def test_no_addresses(name: str) -> None:
    """Only names, versions, markers and hashes: where to download from is the reader's business."""
    for line in text(name).splitlines():
        assert re.fullmatch(r"[\w-]+==[\w.+]+( ; [\w\s.'!=<>()]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


@pytest.mark.parametrize("name", FILES)
def test_every_pin_has_hashes(name: str) -> None:
    """At least one hash a package; several where there are wheels for several machines."""
    blocks = re.split(r"\n(?=\S)", text(name).strip())
    assert all("--hash=sha256:" in block for block in blocks)
    compiled = [block for block in blocks if block.startswith(("numpy==", "pandas==", "ortools=="))]
    assert all(block.count("--hash=") >= 12 for block in compiled)


def dependencies() -> set[str]:
    """Names of what the project needs."""
    lines = project()["project"]["dependencies"]
    assert isinstance(lines, list)
    return {re.split(r"[<>=~]", line)[0] for line in lines}


def test_run_pins_every_dependency_of_the_project() -> None:
    """By name; and all of run is in dev, at the same version."""
    assert {name.replace(".", "-") for name in dependencies()} <= set(pins("run.txt"))
    assert pins("run.txt").items() <= pins("dev.txt").items()


def test_doctor_looks_at_every_dependency() -> None:
    """None more, none less."""
    assert set(LIBRARIES) == dependencies()


def test_both_pandas_are_pinned() -> None:
    """The newest for daily work, the oldest supported for its own check."""
    assert pins("run.txt")["pandas"].startswith("3.")
    assert pins("pandas2.txt")["pandas"].startswith("2.2.")


def test_changelog_knows_this_version() -> None:
    """A heading of its own."""
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
