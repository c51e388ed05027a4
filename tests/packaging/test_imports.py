"""What the quick doors may import: `import solver` and `autoparallel --help` stay light."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("ortools", "pandas", "pydantic", "pyarrow", "scipy", "ruamel", "jinja2", "xlsxwriter", "hypothesis")
HELP = "import sys; sys.argv = ['autoparallel', '--help']; from solver.cli import main; main()"
LOADED = f"import sys; print('loaded:', *(m for m in {HEAVY} if m in sys.modules))"


def python(code: str) -> str:
    """What the code prints in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def loaded(code: str) -> list[str]:
    """The heavy libraries that are there after running the code."""
    body = f"try:\n    {code}\nexcept SystemExit as end:\n    assert not end.code\n{LOADED}"
    return python(body).rpartition("loaded:")[2].split()


def seconds(code: str) -> float:
    """Least process time of five runs."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(took)


@pytest.mark.parametrize("code", ["import solver", "import solver, solver.plan, solver.problem", "import costdata"])
def test_imports_stay_light(code: str) -> None:
    """Nothing heavy is imported before it is used."""
    assert loaded(code) == []


def test_help_stays_light() -> None:
    """Asking for help loads neither engine nor tables."""
    assert loaded(HELP) == []


@pytest.mark.timing
@pytest.mark.parametrize(("code", "limit_s"), [("import solver", 0.3), (HELP, 0.5), ("import costdata", 0.3)])
def test_quick_doors_in_time(code: str, limit_s: float) -> None:
    """Process time of the whole interpreter."""
    assert seconds(code) < limit_s
