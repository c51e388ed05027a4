"""Histories from files: what is read, what is filled, and what is refused by file and row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from solver.errors import InputError
from solver.forecast import Event, Growth, History, read_history


def hours(count: int, *, skip: tuple[int, ...] = (), name: str = "") -> list[str]:
    """Rows of hours, the value their number."""
    times = np.datetime64("2026-03-01T00", "h") + np.arange(count)
    return [f"{t}:00Z,{name}{',' if name else ''}{i}" for i, t in enumerate(times) if i not in skip]


def written(folder: Path, lines: list[str], header: str = "time,value") -> Path:
    """A file of these lines."""
    file = folder / "demand.csv"
    file.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return file


def test_hours_and_series(tmp_path: Path) -> None:
    """Rows in any order; a series that begins later counts as nothing before."""
    lines = [*hours(30, name="chat"), *hours(30, name="search", skip=tuple(range(10)))]
    found = read_history(written(tmp_path, lines[::-1], "time,series,value"), unit="nodes")
    assert found.series == ("search", "chat")
    assert found.values[:, 1].tolist() == list(range(30))
    assert found.values[:, 0].tolist() == [0] * 10 + list(range(10, 30))
    assert found.times[0] == np.datetime64("2026-03-01T00", "h")
    assert not found.daily
    assert found.notes == ("search begins at 2026-03-01T10; before, it counts as 0.",)


def test_days(tmp_path: Path) -> None:
    """Days are those of the zone, whatever the offset they are written with."""
    plain = read_history(written(tmp_path, [f"2026-03-{d:02d},{d}" for d in range(1, 9)]))
    assert plain.daily
    assert plain.step_hours == 24
    lines = [f"2026-03-{d:02d}T00:00+01:00,{d}" for d in range(1, 29)]
    lines += ["2026-03-29T00:00+01:00,29", "2026-03-30T00:00+02:00,30", "2026-03-31T00:00+02:00,31"]
    found = read_history(written(tmp_path, lines), zone="Europe/Berlin")
    assert found.daily
    assert found.values[:, 0].tolist() == list(range(1, 32))
    with pytest.raises(InputError, match=r"24 hours apart.*--zone"):
        read_history(written(tmp_path, lines[:20]))


def test_clocks_of_a_zone(tmp_path: Path) -> None:
    """Without offsets hours are the zone's; the one that does not exist is named."""
    lines = [f"2026-03-28 {h:02d}:00,{h}" for h in range(24)] + [f"2026-03-29 {h:02d}:00,{h}" for h in (0, 1, 3, 4)]
    found = read_history(written(tmp_path, lines), zone="Europe/Berlin")
    assert found.times[0] == np.datetime64("2026-03-27T23", "h")
    assert found.values[-3:, 0].tolist() == [1, 3, 4]
    lines.insert(26, "2026-03-29 02:00,2")
    with pytest.raises(InputError, match=r"row 28, column time: 2026-03-29 02:00 is twice or never"):
        read_history(written(tmp_path, lines), zone="Europe/Berlin")


def test_few_missing_are_filled_and_said(tmp_path: Path) -> None:
    """By a line between their neighbours; as nothing where that is what it means."""
    file = written(tmp_path, hours(200, skip=(50, 51, 120)))
    found = read_history(file)
    assert found.values[:, 0].tolist() == list(range(200))
    assert found.notes == ("all: 3 missing filled by a line between their neighbours, first 2026-03-03T02.",)
    zero = read_history(written(tmp_path, hours(200, skip=tuple(range(40, 60)))), zero_fill=True)
    assert not zero.values[40:60].any()
    assert zero.notes == ("all: 20 missing counted as 0.",)


def test_parquet_is_the_same(tmp_path: Path) -> None:
    """Times as timestamps with and without a zone, or text; a bad value by its row."""
    import pandas as pd

    expected = read_history(written(tmp_path, hours(48)))
    times = pd.date_range("2026-03-01", periods=48, freq="h", tz="UTC")
    for column in (times, times.tz_localize(None), times.strftime("%Y-%m-%dT%H:%MZ")):
        pd.DataFrame({"time": column, "value": np.arange(48)}).to_parquet(tmp_path / "demand.parquet")
        found = read_history(tmp_path / "demand.parquet")
        assert np.array_equal(found.times, expected.times)
        assert np.array_equal(found.values, expected.values)
    values = np.where(np.arange(48) == 6, np.nan, 1.0)
    pd.DataFrame({"time": times, "value": values}).to_parquet(tmp_path / "demand.parquet")
    with pytest.raises(InputError, match=r"demand.parquet, row 7, column value: the cell is empty"):
        read_history(tmp_path / "demand.parquet")
    (tmp_path / "demand.parquet").write_bytes(b"PAR1 it is not")
    with pytest.raises(InputError, match="not a Parquet file"):
        read_history(tmp_path / "demand.parquet")


@pytest.mark.parametrize(
    ("row", "line", "said"),
    [
        (4, "yesterday,1", r"row 5, column time: 'yesterday' is no time"),
        (4, "2026-02-30T00:00Z,1", r"row 5, column time: '2026-02-30T00:00Z' is no time"),
        (4, ",1", r"row 5, column time: the cell is empty"),
        (4, "2026-03-01T03:30Z,1", r"row 5, column time: 2026-03-01T03:30Z is within an hour"),
        (4, "2026-03-01T03:00,1", r"row 5, column time: an offset in some rows"),
        (4, "2026-03-01T02:00Z,1", r"row 5: 2026-03-01T02:00Z of all also stands in row 4"),
        (4, "2026-03-01T02:00+00:00,1", r"row 5: .* also stands in row 4"),
        (4, "2026-03-01T03:00Z,", r"row 5, column value: the cell is empty"),
        (4, "2026-03-01T03:00Z,-3", r"row 5, column value: '-3' is negative"),
        (4, "2026-03-01T03:00Z,NaN", r"row 5, column value: 'NaN' is not a plain number"),
        (4, "2026-03-01T03:00Z,1e16", r"row 5, column value: '1e16' is more than"),
        (4, '2026-03-01T03:00Z,"1,5"', r"row 5, column value: '1,5' is not a plain number"),
        (4, "2026-03-01T03:00Z,1,5", r"row 5: 3 cells where the header has 2"),
        (4, '2026-03-01T03:00Z,"1', r"not a CSV table"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: int, line: str, said: str) -> None:
    """File, row and column."""
    lines = hours(300)
    lines[row - 1] = line
    with pytest.raises(InputError, match=r"demand\.csv.*" + said):
        read_history(written(tmp_path, lines))


@pytest.mark.parametrize(
    ("lines", "header", "said"),
    [
        (hours(30), "time,valeu", "unknown column 'valeu'"),
        (hours(30), "time,time", "column time twice"),
        ([], "time,value", "there is no row"),
        (hours(1), "time,value", "one time says nothing"),
        (hours(300, skip=tuple(range(20, 30))), "time,value", "10 hours missing from 2026-03-01T20"),
        (hours(300, skip=tuple(range(20, 200, 20))), "time,value", "9 of 300 hours missing"),
        ([f"{n},7" for n in hours(3)], "time,value,series,", "unknown column"),
        (hours(30, name="=cmd"), "time,series,value", "row 2, column series: '=cmd' is no name"),
        (["2026-03-01,1", "2026-03-08,2", "2026-03-15,3"], "time,value", "mostly 7 days apart"),
        (hours(200, name="a") + hours(100, name="b"), "time,series,value", "b: ends before 2026-03-05T04"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, lines: list[str], header: str, said: str) -> None:
    """With the mend."""
    with pytest.raises(InputError, match=said) as found:
        read_history(written(tmp_path, lines, header))
    assert found.value.mend


def test_no_file_no_zone(tmp_path: Path) -> None:
    """Nor anything but a file."""
    with pytest.raises(InputError, match="no such file"):
        read_history(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no such file"):
        read_history(tmp_path)
    with pytest.raises(InputError, match="unknown time zone 'Mars/Olympus'"):
        read_history(written(tmp_path, hours(30)), zone="Mars/Olympus")


def test_arrays_are_checked() -> None:
    """A history made in Python is held to the same."""
    times = np.datetime64("2026-03-01T00", "h") + np.arange(5)
    good = {"times": times, "series": ("a",), "values": np.ones((5, 1))}
    History(**good)  # type: ignore[arg-type]
    for bad, said in (
        ({"values": np.ones((4, 1))}, "values for"),
        ({"values": -np.ones((5, 1))}, "-1.0 is no amount"),
        ({"series": ("a", "a"), "values": np.ones((5, 2))}, "name of their own"),
        ({"times": times[[0, 1, 2, 4, 5 - 1]]}, "not evenly spaced"),
    ):
        with pytest.raises(InputError, match=said):
            History(**{**good, **bad})  # type: ignore[arg-type]


def test_words_for_events_and_growth() -> None:
    """As the command line takes them."""
    event = Event.parse("2027-03-01:chat: +64 / 30d")
    assert (event.series, event.units, event.factor, event.ramp_days) == ("chat", 64, 1, 30)
    event = Event.parse("2027-11-20:eu:shop:x1.5..2027-12-01")
    assert (event.series, event.factor, str(event.until)) == ("eu:shop", 1.5, "2027-12-01")
    assert Event.parse("2027-06-01:x0.8").series == ""
    growth = Growth.parse("chat: x2 by 2027-12 / 50%")
    assert (growth.series, growth.factor, str(growth.by), growth.weight) == ("chat", 2, "2028-01-01", 0.5)
    assert str(Growth.parse("x1.5 by 2027-06-30").by) == "2027-06-30"
    for parse, texts in (
        (Event.parse, ("soon", "2027-13-01:+4", "2027-03-01:+0", "2027-03-01:x1", "2027-03-01:x2..2027-02-01")),
        (Growth.parse, ("x1.5", "x0 by 2027-12", "x2 by 2027-13", "x2 by 2027-12/150%")),
    ):
        for text in texts:
            with pytest.raises(InputError):
                parse(text)
