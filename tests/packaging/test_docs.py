"""What the README and the pages say of commands, options, names and files is so."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

import solver
from solver.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
COMMANDS: dict[str, Any] = dict(typer.main.get_group(app).commands)


def text(name: str) -> str:
    """A page."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Fenced blocks of one language, "" for none."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def calls(page: Path) -> list[list[str]]:
    """Every call of the command in a page: in blocks, whole, and in running text."""
    shell = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    lines = [line for line in shell.splitlines() if line.strip().startswith("autoparallel ")]
    lines += re.findall(r"`(autoparallel [^`]+)`", page.read_text("utf-8"))
    return [shlex.split(line, comments=True)[1:] for line in lines]


def test_every_command_has_its_row() -> None:
    """And every row its command."""
    rows = re.findall(r"^\| `([a-z-]+)", text("docs/command-line.md").split("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_calls_name_commands_and_options_that_are_there(page: Path) -> None:
    """As a reader would copy them."""
    for words in calls(page):
        if words[0].startswith("-") or words[0].isupper():  # of the whole program; COMMAND
            continue
        assert words[0] in COMMANDS, words
        group = [COMMANDS[words[0]], *getattr(COMMANDS[words[0]], "commands", {}).values()]
        known = {o for c in group for p in c.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known, words


def test_there_are_calls_to_look_at() -> None:
    """Most commands are shown somewhere."""
    shown = {words[0] for page in PAGES for words in calls(page)}
    assert len(shown & set(COMMANDS)) > len(COMMANDS) - 3


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "adding-a-rule.md"], ids=lambda page: page.name)
def test_python_blocks_name_what_is_there(page: Path) -> None:
    """Modules, names taken from them, and attributes of `solver`; the guide to rules has a test that follows it."""
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                module = importlib.import_module(node.module)
                for alias in node.names:
                    assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "solver":
                assert node.attr in solver.__all__


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Files beside the page, and headings in them; other sites are not asked, the reference is made with the site."""
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        name, _, heading = target.partition("#")
        if "://" in target:
            continue
        file = page.parent / name if name else page
        assert file.exists(), target
        titles = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE) if heading else []
        assert heading in {"", *(re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles)}, target


def test_the_picture_names_every_module() -> None:
    """Of `solver`, as files and folders."""
    picture = text("docs/architecture.md").split("```")[1]
    named = set(re.findall(r"\b([a-z]+)(?=\.py\b|/)", picture))
    there = {p.stem for p in (ROOT / "solver").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert named == there - {"__init__"}


def test_the_picture_has_the_layers_of_the_contract() -> None:
    """What may import what, from top to bottom."""
    picture = text("docs/architecture.md").split("```")[1].splitlines()
    row = {name: i for i, line in enumerate(picture) for name in re.findall(r"\b([a-z]+)(?=\.py\b|/)", line)}
    contracts = tomllib.loads(text("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = [[row[name] for name in re.findall(r"\w+", layer)] for layer in layers]
    assert all(max(above) < min(below) for above, below in pairwise(rows))


@pytest.mark.parametrize("package", ["engine", "sweep", "replay", "conflicts"])
def test_tables_of_files_name_every_file(package: str) -> None:
    """Where a package has its files told one by one, none is left out and none is made up."""
    title = {"engine": "The engine", "sweep": "Sweeps", "replay": "Spot", "conflicts": "Conflicts"}[package]
    part = text("docs/architecture.md").split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [row for row in part.splitlines() if row.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)\.py`", row.split("|")[1])}
    there = {p.stem for p in (ROOT / "solver" / package).glob("*.py")} - {"__init__"}
    assert named <= there
    assert there - named <= {"apart"}  # said above its table
