"""A look at the installation: what is there, whether a solve works, how old the prices are."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from .errors import PlannerError

DISTRIBUTION = "autoparallel-planner"
SUPPORTED = ((3, 11), (3, 13))
LIBRARIES = (
    *("holidays", "jinja2", "joblib", "markupsafe", "numpy", "ortools", "pandas", "pyarrow", "pydantic", "pyxirr"),
    *(
        "rich",
        "ruamel.yaml",
        "ruptures",
        "scikit-learn",
        "scipy",
        "statsmodels",
        "threadpoolctl",
        "typer",
        "tzdata",
        "xlsxwriter",
    ),
)
TRIAL_SECONDS = 60
OLD_DAYS = 180
Verdict = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    verdict: Verdict
    what: str
    detail: str


def examine() -> Iterator[Finding]:
    """Everything, quick things first."""
    from . import __version__

    low, high = SUPPORTED
    fine = low <= sys.version_info[:2] <= high
    yield Finding("ok", "autoparallel", f"{__version__} in {Path(__file__).parent}")
    yield Finding("ok" if fine else "bad", "python", f"{platform.python_version()} on {platform.platform()}")
    yield from _libraries()
    yield _namesakes()
    yield from _folders()
    yield from _prices()
    yield trial()


def _libraries() -> Iterator[Finding]:
    for name in LIBRARIES:
        try:
            yield Finding("ok", name, metadata.version(name))
        except metadata.PackageNotFoundError:
            yield Finding("bad", name, f"not installed: pip install {name}")


def _namesakes() -> Finding:
    """Another distribution's folder `solver` would be found instead of ours, or overwrite it."""
    owners = set(metadata.packages_distributions().get("solver", ())) - {DISTRIBUTION}
    if owners:
        names = ", ".join(sorted(owners))
        return Finding("bad", "package solver", f"also shipped by {names}: keep them in another environment")
    return Finding("ok", "package solver", "shipped by no other distribution here")


def _folders() -> Iterator[Finding]:
    for what, folder in (("current folder", Path.cwd()), ("temporary folder", Path(tempfile.gettempdir()))):
        try:
            with tempfile.TemporaryFile(dir=folder):
                free = shutil.disk_usage(folder).free / 2**30
            yield Finding("ok", what, f"{folder} can be written, {free:,.1f} GiB free")
        except OSError as error:
            yield Finding("note", what, f"{folder} cannot be written ({error.strerror}): name another with --out")


def _prices() -> Iterator[Finding]:
    import costdata

    try:
        catalog = costdata.load()
    except costdata.DataError as error:
        yield Finding("bad", "prices", str(error))
        return
    ages = catalog.offers.age_days
    old = int((ages > OLD_DAYS).sum())
    detail = f"{len(ages):,} offers as of {catalog.as_of}; {old:,} older than {OLD_DAYS} days"
    yield Finding("note" if old else "ok", "prices", detail)
    for warning in catalog.warnings:
        yield Finding("note", "prices", warning)


def trial() -> Finding:
    """Plan a packaged example in a child process, so that a crash of the engine is a finding and not ours."""
    command = [sys.executable, "-m", "solver.cli", "plan", "@one-model", "--format", "json"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    try:
        done = subprocess.run(  # noqa: S603 (our own interpreter and module)
            command, capture_output=True, text=True, timeout=TRIAL_SECONDS, check=False,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding("bad", "trial solve", f"took more than {TRIAL_SECONDS} s")
    if done.returncode:
        return Finding("bad", "trial solve", f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    try:
        from .report.json import from_json

        plan = from_json(done.stdout)
    except (PlannerError, json.JSONDecodeError) as error:
        return Finding("bad", "trial solve", f"its plan cannot be read: {error}")
    proof = f"gap {100 * plan.certificate.gap:.2f} %" if plan.certificate.kind == "proved" else "no bound"
    return Finding("ok", "trial solve", f"{plan.provenance.engine}, {plan.provenance.seconds:.1f} s, {proof}")
