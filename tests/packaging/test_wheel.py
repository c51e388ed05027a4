"""The built wheel in an empty environment: everything it needs is inside, nothing else is."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("solver", "costdata")


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; its errors are shown when it fails."""
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    pytest.importorskip("hatchling", reason="the build back-end is not installed: pip install hatchling")
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a new environment that holds the wheel, and sees this one's dependencies but not the checkout.

    Lines of a .pth file are search paths only; .pth files found there, an editable install among them, are not read.
    """
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not installed here")
    home = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    options = ("--no-deps", "--no-index", "--no-compile", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, wheel, cwd=home)
    (site,) = home.glob("lib/python*/site-packages")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n", encoding="utf-8")
    return python.parent


def test_wheel_holds_the_packages_with_their_data_and_nothing_else(wheel: Path) -> None:
    """Every file of the packages by name; no tests, caches or other top-level folders."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(PACKAGES)
    files = {p.relative_to(ROOT).as_posix() for package in PACKAGES for p in (ROOT / package).rglob("*") if p.is_file()}
    wanted = {name for name in files if "__pycache__" not in name}
    assert wanted <= names
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_wheel_names_no_place_on_the_machine_it_was_built_on(wheel: Path) -> None:
    """Neither the checkout's folder nor the home folder is in any file."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert str(ROOT).encode() + b"/" not in content, name
            assert not re.search(rb"[\"'\s](/home|/root|/Users)/\w", content), name


def test_wheel_metadata(wheel: Path) -> None:
    """Name, licence, Python versions and the command."""
    with zipfile.ZipFile(wheel) as archive:
        info = next(name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name)
        metadata = archive.read(f"{info}/METADATA").decode()
        scripts = archive.read(f"{info}/entry_points.txt").decode()
    assert "Name: autoparallel-planner\n" in metadata
    assert "License-Expression: Apache-2.0\n" in metadata
    assert "Requires-Python: <3.14,>=3.11\n" in metadata
    assert "autoparallel = solver.cli:main" in scripts


def test_installed_modules_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    """Not from the checkout."""
    code = "import solver, costdata; print(solver.__file__, costdata.__file__)"
    places = run(installed / "python", "-I", "-c", code, cwd=tmp_path).split()
    assert all(str(installed.parent) in place for place in places)


def test_installed_data_is_read(installed: Path, tmp_path: Path) -> None:
    """Prices, model architectures and constants load from the installed files."""
    code = (
        "import costdata; from solver.perf import architecture; from solver.perf.constants import constants;"
        "print(len(costdata.load().offers), len(costdata.land()), architecture('llama-3.1-70b').name); constants()"
    )
    offers, rings, name = run(installed / "python", "-I", "-c", code, cwd=tmp_path).split()
    assert int(offers) > 1000
    assert int(rings) > 10
    assert "70b" in name.lower()


def test_installed_command(installed: Path, tmp_path: Path) -> None:
    """The version, and every packaged example by name."""
    from solver import __version__

    assert __version__ in run(installed / "autoparallel", "--version", cwd=tmp_path)
    examples = run(installed / "autoparallel", "init", "--list", cwd=tmp_path).split()
    assert examples
    for example in examples:
        assert "workloads" in run(installed / "autoparallel", "init", example, cwd=tmp_path)


def test_installed_command_plans(installed: Path, tmp_path: Path) -> None:
    """From the starter spec to a report, as a user does it."""
    spec = tmp_path / "fleet.yaml"
    spec.write_text(run(installed / "autoparallel", "init", cwd=tmp_path), encoding="utf-8")
    run(installed / "autoparallel", "plan", spec, "--out", tmp_path / "out", cwd=tmp_path)
    assert {"plan.json", "report.html"} <= {p.name for p in (tmp_path / "out").iterdir()}
