"""The command that asks aiconfigurator about the configurations of a file."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, significant
from . import guard, screen
from .screen import Column

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("model", "system", "engine", "concurrency")
WIDTH = 48  # characters of a remark in a table
HEADS = {
    "concurrency": "conc.",
    "aic_tpot_ms": "TPOT ms",
    "aic_ttft_ms": "TTFT ms",
    "tpot_ratio": "× ours",
    "ttft_ratio": "× ours",
    "tpot_inside": "in 90 %",
    "ttft_inside": "in 90 %",
    "aic_version": "release",
}
TABLE = ("aic_tpot_ms", "tpot_ratio", "tpot_inside", "aic_ttft_ms", "ttft_ratio", "ttft_inside", "aic_version")


def cross_check(path: Path, interpreter: str, out: Path | None, style: str, *, limit: int, time_limit_s: float) -> None:
    """Ask, write and print; the file is written before anything is printed."""
    from ..perf.crosscheck import cross_check

    if not 0 < time_limit_s < math.inf:
        raise InputError(f"{time_limit_s:g} is no time limit", where="--time-limit", mend="seconds above 0")
    frame = _read(path)
    found = cross_check(frame, interpreter, time_limit_s=time_limit_s)
    if out is not None:
        kept = [name for name in frame.columns if name not in found.columns]
        _write(frame[kept].join(found), out)
    table = frame[[name for name in NAMES if name in frame.columns]].join(found)
    if style == "table":
        table["remark"] = [_remark(*texts) for texts in zip(found["note"], found["error"], strict=True)]
        if "model" in table:
            table["model"] = [str(name).rpartition("/")[2] for name in table["model"]]
        table = table[[name for name in (*NAMES, *TABLE, "remark") if name in table]]
    columns = [Column(name, HEADS.get(name, name), _cell, right=name.endswith(("_ms", "_ratio"))) for name in table]
    cells = table.astype(object).where(table.notna(), None).to_numpy().tolist()
    screen.print_rows(columns, cells, style, limit=limit)
    if style == "table":
        screen.console().print(_summary(found))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, low_memory=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", where=str(path), mend="give a CSV with a heading") from None


def _write(table: pd.DataFrame, out: Path) -> None:
    try:
        table.to_csv(out, index=False)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror or error}", where=str(out)) from None
    sys.stderr.write(f"wrote {len(table):,} rows to {guard.plain(str(out))}\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return significant(value, 4) if isinstance(value, float) else str(value)


def _remark(note: str, error: str) -> str:
    """The note, or the error without its row, shortened to fit a table."""
    text = error.split(": ", 1)[-1].removeprefix("aiconfigurator: ") or note
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _summary(found: pd.DataFrame) -> str:
    answered = int(found["error"].eq("").sum())
    words = [f"{answered:,} of {len(found):,} rows answered."]
    for metric in ("tpot", "ttft") if answered else ():
        ratio, inside = found[f"{metric}_ratio"].median(), found[f"{metric}_inside"].mean()
        words.append(
            f"{metric.upper()}: aiconfigurator says {ratio:.2f} × ours in the median, "
            f"{100 * inside:.0f} % inside our 90 % intervals."
        )
    return " ".join(words)
