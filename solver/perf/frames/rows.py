"""Shared row reading of the frame doors: columns as arrays, one error message a row, answers in the frame's order.

A missing column and an empty cell (NaN, None, "") mean "not stated". A stated cell that cannot be used fails its row,
and only its row: the row keeps its first error, and its predictions are NaN.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ...errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Codes = np.ndarray[Any, np.dtype[np.int64]]
T = TypeVar("T")
YES, NO = frozenset({"yes", "true", "y", "on", "1"}), frozenset({"no", "false", "n", "off", "0"})
SHOWN = 60  # characters of a cell that a message repeats


class Rows:
    """The rows of a frame, K of them, read column by column.

    Args:
        frame: one configuration a row; columns that are not read may hold anything.

    Raises:
        InputError: not a DataFrame, or a column name that is used twice.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        """Keep the frame; nothing is read yet."""
        import pandas as pd

        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"a DataFrame is wanted, not {type(frame).__name__}", where="frame")
        self._frame = frame
        self._twice = frozenset(frame.columns[frame.columns.duplicated()])
        self.index = frame.index
        self.errors = [""] * len(frame)

    def __len__(self) -> int:
        """Rows, K."""
        return len(self.errors)

    def __contains__(self, name: str) -> bool:
        """Whether the frame has a column of this name."""
        return name in self._frame.columns

    @property
    def good(self) -> Mask:
        """Which rows have no error so far, bool [K]."""
        return ~np.array(self.errors, dtype=bool)

    def numbers(
        self,
        name: str,
        default: float = math.nan,
        *,
        most: float = math.inf,
        zero: bool = False,
        whole: bool = False,
        required: bool = False,
    ) -> Array:
        """A column of numbers, float64 [K]: `default` where nothing is stated, NaN where the cell cannot be used.

        Args:
            name: column.
            default: stands for a cell that is not stated.
            most: largest sound value.
            zero: 0 is sound; without it only what is above.
            whole: only whole numbers are sound.
            required: a cell that is not stated is an error too.
        """
        values, unreadable = self._read(name)
        blank = np.isnan(values) & ~unreadable
        sound = np.isfinite(values) & ((values >= 0) if zero else (values > 0)) & (values <= most)
        sound &= values == np.round(values) if whole else True
        wrong = ~blank & ~sound
        what = _wanted(most, zero=zero, whole=whole)
        if wrong.any():
            cells = self._cells(name)
            for row in np.flatnonzero(wrong):
                self.fail(int(row), name, f"{cells[row]!r:.{SHOWN}} cannot be used", f"give {what}, or leave it empty")
        if required and blank.any():
            self.fail(blank, name, "is not stated", f"give {what}")
        return np.where(wrong, np.nan, np.where(blank, default, values))

    def texts(self, name: str, default: str = "", *, required: bool = False) -> list[str]:
        """A column of texts, stripped, K of them: `default` where nothing is stated. Whole numbers read as "8"."""
        found = [_text(cell) for cell in self._cells(name)]
        if required and not default:
            self.fail(np.array([not text for text in found], dtype=bool), name, "is not stated", "give a name")
        return [text or default for text in found]

    def codes(self, name: str, default: str = "") -> tuple[Codes, list[str]]:
        """A column of texts as (int [K], the distinct texts the integers count); for frames of many rows."""
        import pandas as pd

        if name in self._twice or name not in self._frame.columns:
            self._cells(name)
            return np.zeros(len(self), dtype=np.int64), [default]
        try:
            found, distinct = pd.factorize(self._frame[name], use_na_sentinel=False)
        except TypeError:  # lists and the like
            found, distinct = pd.factorize(np.array(self.texts(name), dtype=object))
        plain, texts = pd.factorize(np.array([_text(cell) or default for cell in distinct], dtype=object))
        return plain[found].astype(np.int64), list(texts)

    def flags(self, name: str, *, default: bool = False) -> Mask:
        """A column of yes and no (true and false, 1 and 0, on and off), bool [K]."""
        found = np.full(len(self), default)
        for row, text in enumerate(self.texts(name)):
            plain = text.lower()
            if plain in YES | NO:
                found[row] = plain in YES
            elif plain:
                self.fail(row, name, f"{text!r:.{SHOWN}} is neither yes nor no", "give true or false")
        return found

    def resolve(
        self, name: str, read: Callable[[str], T], default: str = "", *, required: bool = True
    ) -> list[T | None]:
        """What each text of a column stands for, K of them; None where it is not stated or cannot be read.

        Args:
            name: column.
            read: makes the value of a text, or raises InputError; called once for each distinct text.
            default: stands for a cell that is not stated.
            required: a cell that is not stated is an error too, unless there is a default.
        """
        known: dict[str, T | InputError | None] = {"": None}
        found: list[T | None] = []
        for row, text in enumerate(self.texts(name, default, required=required)):
            if text not in known:
                known[text] = _attempt(read, text)
            value = known[text]
            if isinstance(value, InputError):
                self.fail(row, name, value.message, value.mend)
                value = None
            found.append(value)
        return found

    def fail(self, rows: int | Mask, field: str, message: str, mend: str = "") -> None:
        """Note what is wrong with a row, or with every row of a bool [K] mask; the first error of a row stays."""
        for row in [rows] if isinstance(rows, int) else np.flatnonzero(rows):
            if not self.errors[row]:
                self.errors[row] = f"row {self.index[row]!s}: {field}: {message}" + (f" ({mend})" if mend else "")

    def answer(self, columns: Mapping[str, Array | Sequence[Any]], evidence: str | Sequence[str] = "") -> pd.DataFrame:
        """The frame of answers: the same index and order; rows with an error have NaN numbers and no evidence.

        Args:
            columns: arrays [K] by name; float arrays become NaN and others None where a row failed.
            evidence: one for all rows, or one a row.
        """
        import pandas as pd

        good = self.good
        said = [evidence] * len(self) if isinstance(evidence, str) else list(evidence)
        table = {name: _blanked(np.asarray(values), good) for name, values in columns.items()}
        table["evidence"] = np.array([e if g else "" for e, g in zip(said, good, strict=True)], dtype=object)
        table["error"] = np.array(self.errors, dtype=object)
        return pd.DataFrame(table, index=self.index)

    def _cells(self, name: str) -> list[Any]:
        """The raw cells of a column; None for each row when the frame has no such column."""
        if name in self._twice:
            raise InputError(f"column {name!r} stands in the frame more than once", where="frame")
        return self._frame[name].tolist() if name in self._frame.columns else [None] * len(self)

    def _read(self, name: str) -> tuple[Array, Mask]:
        """(float64 [K] with NaN for what is not stated or not readable, bool [K] for what is not readable)."""
        if name not in self._frame.columns:
            return np.full(len(self), np.nan), np.zeros(len(self), dtype=bool)
        if name not in self._twice and self._frame[name].dtype.kind in "fiu":
            values = self._frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            return values, np.zeros(len(values), dtype=bool)
        pairs = [_number(cell) for cell in self._cells(name)]
        values = np.array([math.nan if value is None else value for value, _ in pairs], dtype=np.float64)
        return values, np.array([bad for _, bad in pairs], dtype=bool)


def _number(cell: Any) -> tuple[float | None, bool]:
    """(the number of a cell or None, whether it is stated but unreadable)."""
    if isinstance(cell, float):
        return (None if math.isnan(cell) else cell), False
    if isinstance(cell, bool):
        return None, True
    try:
        if isinstance(cell, numbers.Real):
            return float(cell), False
        text = _text(cell)
        value = float(text) if text else None
    except (TypeError, ValueError, OverflowError):
        return None, True
    return value, value is not None and math.isnan(value)


def _text(cell: Any) -> str:
    """A cell as text; "" when nothing is stated."""
    if cell is None or type(cell).__name__ in {"NAType", "NaTType"}:
        return ""
    if isinstance(cell, float):
        return "" if math.isnan(cell) else str(int(cell)) if cell.is_integer() else repr(cell)
    text = str(cell).strip()
    return "" if text.lower() == "nan" else text


def _wanted(most: float, *, zero: bool, whole: bool) -> str:
    kind = "a whole number" if whole else "a number"
    return f"{kind} {'from' if zero else 'above'} 0" + ("" if math.isinf(most) else f" up to {most:.15g}")


def _attempt(read: Callable[[str], T], text: str) -> T | InputError:
    try:
        return read(text)
    except InputError as error:
        return error


def _blanked(values: np.ndarray[Any, Any], good: Mask) -> np.ndarray[Any, Any]:
    """Values where a row is good; NaN (numbers) or None (all else) where it is not."""
    if np.issubdtype(values.dtype, np.number):
        return np.where(good, values.astype(np.float64), np.nan)
    if good.all():
        return values
    found = values.astype(object)
    found[~good] = None
    return found
