"""The published record: `python -m benchmarks.accuracy_page [SUBJECT …] --data DIR` renews docs/accuracy.md.

For each subject: errors on rows that the fit has seen and, by cross-validation, on groups that it has not; every model
and accelerator; the worst rows. DIR holds SUBJECT.csv. Figures stand in benchmarks/results/accuracy.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .accuracy import SUBJECTS, Metric, judged
from .process import ROOT
from .results import FOLDER, machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

PAGE = ROOT / "docs" / "accuracy.md"
FILE = FOLDER / "accuracy.json"
WORST = 8
SHOWN = (
    *("row_id", "model", "system", "gpu", "engine", "software", "kind", "precision", "input_tokens", "output_tokens"),
    *("isl", "osl", "concurrency", "tensor_parallel", "tp", "pp", "n_gpus"),
)
TEXT = """# Accuracy

How far the performance model's predictions are from published measurements, bad rows included. Written by
`python -m benchmarks.accuracy_page --data DIR` from tables of public measurements that are not in this repository;
nobody writes here by hand. `python -m benchmarks.accuracy SUBJECT FILE` prints the record of any file.

MAPE and median are of |predicted ÷ measured − 1| in %; bias is the median of predicted ÷ measured − 1; "in 90 %" is how
many measurements lie in their interval; width is the median factor from its middle to its end.
"""


def measure(subject: str, folder: Path) -> dict[str, Any]:
    """What is published of a subject."""
    import pandas as pd

    frame = pd.read_csv(folder / f"{subject}.csv", low_memory=False)
    predict, score, _ = SUBJECTS[subject]
    found = predict(frame)
    lines, last = judged(subject, frame, found)
    module = importlib.import_module(f"benchmarks.calibration.{subject}")
    held = module.cross_validate(frame)
    if hasattr(module, "summary"):
        held = module.summary(held)
    return {
        "record": lines,
        "last": last,
        "kept_out": [{k: _plain(v) for k, v in row.items()} for row in held.to_dict("records")],
        "worst": _worst(frame, score(frame, found)),
    }


def _worst(frame: pd.DataFrame, metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    """The rows furthest off, by metric."""
    rows: list[dict[str, Any]] = []
    for name, metric in metrics.items():
        off = np.abs(np.log(metric.predicted / metric.measured))
        for i in np.argsort(-np.where(np.isfinite(off), off, -1.0))[:WORST]:
            what = {c: str(frame[c].iloc[i]) for c in SHOWN if c in frame.columns and frame[c].notna().iloc[i]}
            figures = {"measured": _plain(metric.measured[i]), "predicted": _plain(metric.predicted[i])}
            rows.append({"metric": name, "row": ", ".join(what.values())} | figures)
    return rows


def _plain(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, (float, np.floating)) else value


def page(found: Mapping[str, Any]) -> str:
    """The page of the results."""
    parts = [TEXT]
    for subject in SUBJECTS:
        if subject not in found["subjects"]:
            continue
        made = found["subjects"][subject]
        parts += [f"## {subject.capitalize()}", "", "Groups that the fit never saw:", "", *_table(made["kept_out"]), ""]
        parts += ["Rows of the file, most of which the fit has seen:", "", "```", *made["record"], "```", ""]
        parts += ["The rows furthest off:", "", *_table(made["worst"]), ""]
    m = found["machine"]
    return "\n".join([*parts, f"Computed on {m['cores']} cores of {m['processor']}, {m['system']}.", ""])


def _table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    listed = list(rows)
    titles = list(dict.fromkeys(key for row in listed for key in row))
    lines = [titles, ["---"] * len(titles), *([_cell(row.get(t)) for t in titles] for row in listed)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure and renew the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT")
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    found = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {"subjects": {}}
    found["machine"] = machine()
    for subject in options.subjects or SUBJECTS:
        found["subjects"][subject] = measure(subject, options.data)
        FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
