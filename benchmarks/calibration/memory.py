"""Constants of the memory model: the few that counting leaves open, fitted by group and judged on models left out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solver.perf.frames.memory import Calibration, calibration_of, measured_gib, predict_with
from solver.perf.frames.memory_reading import SEPARATOR, SERVING, TOTAL, read, with_setups
from solver.perf.frames.rows import Rows

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]
FRAMEWORK_GIB = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)  # tried
ROW, MODEL = "row", "model"  # what is left out
FRAMEWORK_PRIOR = 0.25  # groups, at no correction
SPREAD_PRIOR = 3.0  # rows, at the typical spread
MAD = 1.4826  # standard deviations a median absolute deviation is
LEAST_SPREAD = 0.01  # of rows and of groups, logarithm
COVERAGE = 0.9
EXPANDABLE_SHARE = 0.94  # stated: what runs with growing segments reach, less context and collectives
PLAIN_SHARE = 0.9  # before it is fitted
BELOW_FAILURES = 0.98  # of the least share at which a run failed
COUNTED_HALF_WIDTH = 0.03  # scales, padded vocabularies and tied matrices of what is only counted
SOURCE = "memory.csv: Megatron-Bridge and torchtitan documentation, Korthikanti et al. (arXiv 2205.05198), vLLM logs"


def fit(frame: pd.DataFrame) -> dict[str, Any]:
    """Fit on the rows of split "train" (all rows where there is no such column).

    Args:
        frame: columns of memory.csv.

    Returns:
        What fitted/memory.json holds: constants by name with value, unit and standard error, and provenance.
    """
    rows = _usable(frame)
    if rows.empty:
        raise ValueError("no row has a measured peak")
    framework_gib = min(FRAMEWORK_GIB, key=lambda x: _left_out_error(rows, x))
    known, new = (_conformal(*_left_out(rows, framework_gib, scheme)) for scheme in (ROW, MODEL))
    fitted = _effects(_log_ratios(rows, framework_gib), _groups(rows))
    widths = {group: known * spread for group, spread in fitted.spreads.items()}
    constants = {
        "framework_gib": _entry(framework_gib, "GiB", 0.25),
        "frameworks": _entry(fitted.frameworks, "log measured ÷ counted", fitted.group),
        "groups": _entry(fitted.groups, "log measured ÷ counted", fitted.row),
        "counted_half_width": _entry(COUNTED_HALF_WIDTH, "log", 0.0),
        "known_half_widths": _entry(widths, "log", fitted.row),
        "new_half_width": _entry(new * fitted.group, "log", fitted.group),
        "plain_share": _entry(PLAIN_SHARE, "share of HBM", 0.0),
        "expandable_share": _entry(EXPANDABLE_SHARE, "share of HBM", 0.0),
    }
    constants["plain_share"] = _entry(_plain_share(frame, constants), "share of HBM", 0.01)
    return {"constants": constants, "provenance": {"rows": len(rows), "source": SOURCE}}


def cross_validate(frame: pd.DataFrame) -> pd.DataFrame:
    """Held-out errors: a row each, predicted with its own row left out ("row") and its whole model left out ("model").

    Columns model, framework, kind, measured_gib, row_error, row_inside, model_error and model_inside; errors are
    predicted ÷ measured - 1.
    """
    import pandas as pd

    rows = _usable(frame)
    constants = fit(frame)["constants"]
    framework_gib = constants["framework_gib"]["value"]
    table = {
        "model": rows["model"].to_numpy(),
        "framework": [g.partition(SEPARATOR)[0] for g in _groups(rows)],
        "kind": rows["kind"].to_numpy(),
        "measured_gib": measured_gib(rows),
    }
    for scheme in (ROW, MODEL):
        residual, spread = _left_out(rows, framework_gib, scheme)
        table[f"{scheme}_error"] = np.expm1(-residual)
        table[f"{scheme}_inside"] = np.abs(residual) <= _conformal(residual, spread) * spread
    return pd.DataFrame(table, index=rows.index)


def summary(held: pd.DataFrame) -> pd.DataFrame:
    """Mean and median absolute error and coverage in %, by what was left out and kind of figure."""
    import pandas as pd

    lines = []
    for scheme in (ROW, MODEL):
        kinds = {"all": held, **{str(kind): part for kind, part in held.groupby("kind")}}
        for kind, part in kinds.items():
            error = 100.0 * part[f"{scheme}_error"].abs()
            figures = {"mape": error.mean(), "median": error.median(), "rows": len(part)}
            lines.append(
                {"left out": scheme, "kind": kind} | figures | {"coverage90": 100.0 * part[f"{scheme}_inside"].mean()}
            )
    return pd.DataFrame(lines)


def _entry(value: Any, unit: str, error: float) -> dict[str, Any]:
    def short(x: Any) -> Any:
        return {k: round(v, 5) for k, v in sorted(x.items())} if isinstance(x, dict) else round(float(x), 5)

    return {"value": short(value), "unit": unit, "standard_error": short(error)}


def _usable(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the fit: a measured peak of a training job whose model and layout can be read."""
    chosen = frame[frame["split"] == "train"] if "split" in frame.columns else frame
    rows = Rows(with_setups(chosen))
    found = read(rows)
    wanted = rows.good & np.isfinite(measured_gib(chosen))
    wanted &= np.array(
        [c == TOTAL and t != SERVING for c, t in zip(found.counts, found.tasks, strict=True)], dtype=bool
    )
    return chosen[wanted]


def _neutral(framework_gib: float) -> Calibration:
    return Calibration(
        framework_gib=framework_gib,
        frameworks={},
        groups={},
        counted_half_width=0.0,
        known_half_widths={},
        new_half_width=0.0,
        plain_share=0.75,
        expandable_share=EXPANDABLE_SHARE,
    )


def _log_ratios(rows: pd.DataFrame, framework_gib: float) -> Array:
    counted = predict_with(rows, _neutral(framework_gib))["peak_gib"].to_numpy(dtype=np.float64)
    return np.asarray(np.log(measured_gib(rows) / counted))


def _groups(rows: pd.DataFrame) -> list[str]:
    return read(Rows(with_setups(rows))).groups


@dataclass(frozen=True, slots=True)
class Effects:
    """Log measured ÷ counted: means by framework, what groups add, and how far rows of a group lie apart."""

    frameworks: dict[str, float]
    groups: dict[str, float]
    spreads: dict[str, float]
    row: float  # typical spread inside a group
    group: float  # of groups around their framework

    def expected(self, group: str) -> float:
        """Of a row of a group, known or not."""
        return self.frameworks.get(group.partition(SEPARATOR)[0], 0.0) + self.groups.get(group, 0.0)

    def spread(self, group: str) -> float:
        """Of a further row of a group, known or not."""
        return self.spreads.get(group, self.group)


def _effects(y: Array, groups: list[str]) -> Effects:
    """Medians of groups by framework, and what each group adds, both shrunk.

    The median, because one group whose document leaves out its batch size would move the others.
    """
    names = sorted(set(groups))
    member = {g: y[[k == g for k in groups]] for g in names}
    row = max(LEAST_SPREAD, float(np.median([v.std(ddof=1) for v in member.values() if len(v) > 1] or [0.0])))
    of: dict[str, list[float]] = {}
    for g in names:
        of.setdefault(g.partition(SEPARATOR)[0], []).append(float(member[g].mean()))
    means = {f: float(np.median(v)) * len(v) / (len(v) + FRAMEWORK_PRIOR) for f, v in of.items()}
    away = np.concatenate([np.asarray(v) - means[f] for f, v in of.items()])
    group = max(LEAST_SPREAD, float(np.median(np.abs(away))) * MAD)
    wide = max(LEAST_SPREAD, float(np.sqrt(np.mean(away**2))))  # far groups are believed, not pulled in
    effects, spreads = {}, {}
    for g, v in member.items():
        trust = wide**2 / (wide**2 + row**2 / len(v))
        effects[g] = trust * float(v.mean() - means[g.partition(SEPARATOR)[0]])
        inside = float(np.sum((v - v.mean()) ** 2)) + SPREAD_PRIOR * row**2
        spreads[g] = float(np.sqrt(inside / (len(v) - 1 + SPREAD_PRIOR) * (1 + 1 / len(v))))
    return Effects(means, effects, spreads, row, group)


def _left_out(rows: pd.DataFrame, framework_gib: float, scheme: str) -> tuple[Array, Array]:
    """(log measured ÷ predicted, spread) of each row, fitted without the row, or without all rows of its model."""
    y, groups = _log_ratios(rows, framework_gib), _groups(rows)
    models = np.array([g.split(SEPARATOR)[1] for g in groups])
    residual, spread = np.empty(len(y)), np.empty(len(y))
    for i in range(len(y)):
        keep = np.arange(len(y)) != i if scheme == ROW else models != models[i]
        fitted = _effects(y[keep], [g for g, k in zip(groups, keep, strict=True) if k])
        residual[i], spread[i] = y[i] - fitted.expected(groups[i]), fitted.spread(groups[i])
    return residual, spread


def _left_out_error(rows: pd.DataFrame, framework_gib: float) -> float:
    return float(np.abs(_left_out(rows, framework_gib, MODEL)[0]).mean())


def _conformal(residual: Array, spread: Array) -> float:
    """Spreads that hold COVERAGE of the residuals."""
    rank = int(np.ceil(len(residual) * COVERAGE))
    return float(np.sort(np.abs(residual) / spread)[rank - 1])


def _plain_share(frame: pd.DataFrame, constants: dict[str, Any]) -> float:
    """Just below the least share of HBM, at the upper end of the interval, of a run that ran out of memory."""
    failed = frame[frame["oom"].astype("string").str.lower().str.startswith("yes").fillna(value=False)]
    fitted = calibration_of(constants)
    low, high = 0.0, PLAIN_SHARE
    for _ in range(40):  # bisect: `fits` is what must be false, whatever it is made of
        middle = (low + high) / 2
        fits = predict_with(failed, dataclasses.replace(fitted, plain_share=middle, expandable_share=middle))["fits"]
        low, high = (low, middle) if fits.fillna(value=False).astype(bool).any() else (middle, high)
    return low * BELOW_FAILURES
