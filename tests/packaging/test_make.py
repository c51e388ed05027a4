"""`make plan` on a fresh machine: set-up once, said plainly when it cannot be done."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
case "$*" in
*"import venv"*) exit {venv} ;;
-c*) exit {fits} ;;
--version) echo "Python {version}" ;;
"-m venv"*) mkdir -p .venv/bin && cp python .venv/bin/python && cp command .venv/bin/autoparallel ;;
*) echo "$*" >>calls ;;
esac
"""
COMMAND = '#!/bin/sh\necho "$*" >>calls\n'
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def script(path: Path, text: str) -> None:
    """An executable file."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make reads, with a Python that only writes down what it is asked."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    script(tmp_path / "python", PYTHON.format(venv=0, fits=0, version="3.11.7"))
    script(tmp_path / "command", COMMAND)
    return tmp_path


def make(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code, and all that is printed."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    command = ["make", f"PYTHON={folder / 'python'}", *arguments]
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def calls(folder: Path) -> list[str]:
    """What Python and the command were asked since the last look."""
    file = folder / "calls"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return lines


def test_second_plan_does_no_set_up_again(checkout: Path) -> None:
    """The first installs the pins by hash, then the project; the second only plans."""
    assert make(checkout, "plan")[0] == 0
    first = calls(checkout)
    assert sum("--require-hashes" in line for line in first) == 1
    assert sum("--editable ." in line for line in first) == 1
    assert first[-1] == "plan @one-model --out out"
    assert make(checkout, "plan")[0] == 0
    assert calls(checkout) == ["plan @one-model --out out"]


@pytest.mark.parametrize("name", ["pyproject.toml", "requirements/run.txt"])
def test_changed_pins_or_project_set_up_again(checkout: Path, name: str) -> None:
    """By content: a new time stamp alone changes nothing."""
    make(checkout, "plan")
    calls(checkout)
    (checkout / name).touch()
    make(checkout, "plan")
    assert not any("pip" in line for line in calls(checkout))
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    make(checkout, "plan")
    assert any("pip" in line for line in calls(checkout))


def test_old_python_is_named_with_the_mend(checkout: Path) -> None:
    """Its version, those that fit, and how to name another."""
    script(checkout / "python", PYTHON.format(venv=0, fits=1, version="3.9.2"))
    code, said = make(checkout, "plan")
    assert code
    assert re.search(r"Python 3\.9\.2.*3\.11, 3\.12 or 3\.13.*PYTHON=", said)


def test_missing_venv_is_named_with_the_mend(checkout: Path) -> None:
    """As on Debian without python3-venv."""
    script(checkout / "python", PYTHON.format(venv=1, fits=0, version="3.11.7"))
    code, said = make(checkout, "plan")
    assert code
    assert "python3-venv" in said


def test_failed_install_is_tried_again(checkout: Path) -> None:
    """A set-up that broke off leaves no stamp."""
    broken = PYTHON.format(venv=0, fits=0, version="3.11.7").replace('echo "$*" >>calls', "exit 1")
    script(checkout / "python", broken)
    assert make(checkout, "plan")[0]
    script(checkout / "python", PYTHON.format(venv=0, fits=0, version="3.11.7"))
    assert make(checkout, "plan")[0] == 0
    assert any("--require-hashes" in line for line in calls(checkout))


def test_readme_names_targets_that_exist() -> None:
    """Every `make x` in the guides."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    guides = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        t
        for guide in guides
        for t in re.findall(r"(?:`|^    |^)make ([a-z][a-z0-9-]*)", guide.read_text("utf-8"), re.MULTILINE)
    }
    assert named
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in named), named
