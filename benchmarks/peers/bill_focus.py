"""Bills judged by the FinOps Foundation's validator: `python bill_focus.py ARRAYS.npz FOUND.json CRITERIA FILE …`.

Runs in an environment of its own (Python 3.12 or newer); knows nothing of this project. The rules are those that the
validator ships, so nothing is fetched. `CRITERIA` says what the provider supports, as the validator names it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import focus_validator
from focus_validator.validator import Validator

RULES = "1.2.0.1"


def judged(file: str, criteria: str) -> dict[str, Any]:
    """What the validator says of a file: rules that passed, failed and were left out, by name."""
    with contextlib.redirect_stdout(io.StringIO()):
        found = Validator(
            data_filename=file,
            output_destination=None,
            output_type="console",
            rules_version=RULES,
            rules_block_remote_download=True,
            focus_dataset="CostAndUsage",
            applicability_criteria=criteria,
        ).validate()
    said: dict[str, list[str]] = {"passed": [], "failed": [], "skipped": []}
    for rule, result in found.by_rule_id.items():
        details = result.get("details") or {}
        left_out = bool(result.get("skipped") or details.get("skipped"))
        said["skipped" if left_out else "passed" if result.get("ok") else "failed"].append(rule)
    return said | {"rows": found.data_row_count}


def main(found: str, criteria: str, files: list[str]) -> None:
    """Judge each file."""
    target, paths = Path(found).resolve(), [str(Path(file).resolve()) for file in files]
    os.chdir(Path(focus_validator.__file__).parents[1])  # the validator looks for its tables from there
    made: dict[str, Any] = {Path(file).name: judged(file, criteria) for file in paths}
    target.write_text(
        json.dumps({"version": f"focus-validator {version('focus-validator')}", "rules": RULES, "files": made}),
        encoding="utf-8",
    )


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3], sys.argv[4:])
