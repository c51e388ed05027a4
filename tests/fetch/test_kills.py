"""A refresh that is killed leaves the old prices or the new ones in force, whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_killed_at_fifty_lines(tmp_path: Path) -> None:
    """With SIGKILL, at fifty of the lines that write; the next refresh mends whatever was left lying about."""
    command = [sys.executable, "-m", "tests.fetch.killed", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert [by for by, _, _ in made] == [signal.SIGKILL] * 50
    assert {left for _, left, _ in made} == {"old", "new"}
    assert all(mended for _, _, mended in made)
