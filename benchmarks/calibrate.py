"""Fit the constants that are shipped: `python -m benchmarks.calibrate [SUBJECT …] --data DIR [--check]`.

SUBJECT is serving, throughput, training or memory (all, without one); DIR holds SUBJECT.csv, whose rows with `split`
train are fitted. Writes solver/perf/fitted/SUBJECT.json; with --check says whether it is what would be written.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBJECTS = ("serving", "throughput", "training", "memory")
TARGET = Path(__file__).resolve().parent.parent / "solver" / "perf" / "fitted"


def fit(subject: str, folder: Path) -> str:
    """The text of a subject's fitted constants."""
    import pandas as pd

    frame = pd.read_csv(folder / f"{subject}.csv", low_memory=False)
    found = importlib.import_module(f"benchmarks.calibration.{subject}").fit(frame)
    return written(found)


def written(found: Mapping[str, Any]) -> str:
    """Constants as text, one line an entry of their second level."""
    lines = []
    for name, part in found.items():
        if isinstance(part, dict) and part:
            inner = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in part.items())
            lines.append(f" {json.dumps(name)}: {{\n{inner}\n }}")
        else:
            lines.append(f" {json.dumps(name)}: {json.dumps(part, ensure_ascii=False)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> int:
    """Fit, and write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", choices=[*SUBJECTS, []], metavar="SUBJECT")
    parser.add_argument("--data", type=Path, required=True, help="folder of the measurement files")
    parser.add_argument("--check", action="store_true", help="compare with what is shipped")
    options = parser.parse_args()
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # the same sums
    stale = []
    for subject in options.subjects or SUBJECTS:
        text, target = fit(subject, options.data), TARGET / f"{subject}.json"
        same = target.is_file() and target.read_text(encoding="utf-8") == text
        print(f"{subject}: {'as shipped' if same else 'differs from what is shipped' if options.check else 'written'}")
        if options.check:
            stale += [] if same else [subject]
        else:
            target.write_text(text, encoding="utf-8")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
