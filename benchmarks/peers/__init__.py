"""Other tools on the same numbers, each in an environment and a process of its own: never imported, nor needed.

`python -m benchmarks.peers` makes the environments from the pinned requirements beside this file. A benchmark without
its peer's environment says "peer absent".
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..process import ROOT, run

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent
ENVIRONMENTS = ROOT / ".venv-peers"
PEERS = ("linopy", "pulp", "skypilot", "focus")  # the last needs Python 3.12


def make(name: str, interpreter: str = sys.executable) -> Path:
    """An environment with a peer's pinned packages, from the index that pip is set up with."""
    folder = ENVIRONMENTS / name
    subprocess.run([interpreter, "-m", "venv", "--clear", str(folder)], check=True)  # noqa: S603
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "-r", str(HERE / f"{name}.txt"))
    subprocess.run([str(python(name)), "-m", "pip", "install", *options], check=True)  # noqa: S603
    (folder / "ready").touch()
    return folder


def python(name: str) -> Path:
    """The interpreter of a peer's environment."""
    return ENVIRONMENTS / name / "bin" / "python"


def present(name: str) -> bool:
    """Whether a peer's environment is there, made to its end."""
    return (ENVIRONMENTS / name / "ready").exists()


def ask(name: str, script: str, arrays: Mapping[str, Any], *arguments: str) -> dict[str, Any] | None:
    """What a peer's script says of some arrays; None when the peer is absent.

    Raises:
        RuntimeError: the script failed; with the end of what it said.
    """
    return _ask(python(name), script, arrays, *arguments) if present(name) else None


def ask_here(script: str, arrays: Mapping[str, Any], *arguments: str) -> dict[str, Any]:
    """The same of a script that needs no more than this environment."""
    return _ask(Path(sys.executable), script, arrays, *arguments)


def _ask(interpreter: Path, script: str, arrays: Mapping[str, Any], *arguments: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        given, found, log = (Path(folder) / file for file in ("arrays.npz", "found.json", "log"))
        kept: dict[str, Any] = dict(arrays)
        np.savez(given, **kept)
        cost = run((str(interpreter), str(HERE / script), str(given), str(found), *arguments), log)
        if cost.code:
            raise RuntimeError(f"{script}: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
        made: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
        return made
