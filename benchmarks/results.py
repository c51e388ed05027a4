"""Files of results: what was measured how, on which machine, with which versions, and one row for each thing measured.

A run replaces the rows it has measured again; rows of another machine, or measured in another way, go.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .process import PROC, ROOT

FOLDER = ROOT / "benchmarks" / "results"
PACKAGES = ("autoparallel-planner", "ortools", "numpy", "pandas", "scipy")


def save(folder: Path, name: str, protocol: dict[str, Any], rows: list[dict[str, Any]]) -> Path:
    """Write or renew `NAME.json`; each row has a `name`."""
    file = folder / f"{name}.json"
    head = {"benchmark": name, "protocol": protocol, "machine": machine()}
    kept = _rows(file, head)
    kept |= {row["name"]: row for row in rows}
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(head | {"rows": list(kept.values())}, indent=1) + "\n", encoding="utf-8")
    return file


def _rows(file: Path, head: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if not file.exists():
        return {}
    old = json.loads(file.read_text(encoding="utf-8"))
    if any(old.get(key) != value for key, value in head.items()):
        return {}
    return {row["name"]: row for row in old["rows"]}


def stamp() -> dict[str, Any]:
    """When, of what and with what a row is measured; to be taken before it is."""
    return {"measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "revision": revision(), "versions": versions()}


def machine() -> dict[str, Any]:
    """Processor, cores, memory and system."""
    lines = (PROC / "cpuinfo").read_text(encoding="utf-8").splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": next(names, platform.machine()),
        "cores": os.cpu_count(),
        "memory_gib": round(pages / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Python and the packages that do the work."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a checkout that is not installed
            found[package] = "not installed"
    return found


def revision() -> str:
    """The commit, with a + for changes to the code that are in none; "" outside a checkout."""
    commit = _git("rev-parse", "--short", "HEAD")
    return commit + "+" * bool(commit and _git("status", "--porcelain", "--", "solver", "costdata"))


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
