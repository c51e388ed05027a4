"""Files from anybody: what is read, and what is refused in good time with a typed error."""

from __future__ import annotations

import datetime
import math
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.errors import InputError
from solver.spec.reader import MAX_BYTES, MAX_DEPTH, parse, read


def value(text: str | bytes, suffix: str = ".yaml") -> Any:
    """What a file with this content says."""
    content = text.encode() if isinstance(text, str) else text
    return parse(content, name="spec" + suffix, suffix=suffix).data


def refused(text: str | bytes, suffix: str = ".yaml") -> str:
    """The message that refuses it."""
    with pytest.raises(InputError) as caught:
        value(text, suffix)
    assert caught.value.where.startswith("spec" + suffix)
    return str(caught.value)


def fault(text: str | bytes, suffix: str) -> str:
    """What is wrong with what a file is read as: plain values, or one printable message that names the file; ""."""
    try:
        made = value(text, suffix)
    except InputError as error:
        return "" if str(error).isprintable() and error.where.startswith("spec" + suffix) else repr(error)
    return "" if plain(made) else repr(made)


def plain(made: Any) -> bool:
    """Whether it is of texts, finite numbers, truth values, days and nothing, in lists and under texts."""
    if isinstance(made, dict):
        return all(isinstance(key, str) and plain(v) for key, v in made.items())
    if isinstance(made, list):
        return all(map(plain, made))
    if isinstance(made, float):
        return math.isfinite(made)
    return made is None or isinstance(made, str | int | datetime.date)


def bomb() -> bytes:
    """Nine aliases of nine aliases and so on: some 300 bytes that stand for millions of values."""
    lines = [b"%c: &%c [%s]" % (97 + i, 97 + i, b",".join([b"*%c" % (96 + i)] * 9)) for i in range(1, 8)]
    return b"\n".join([b"a: &a [x,x,x,x,x,x,x,x,x]", *lines])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("5", 5),
        ("-3", -3),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.0e-6", 1e-6),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("2027-01-01", datetime.date(2027, 1, 1)),
        ("text", "text"),
        ("'5'", "5"),
        ('"true"', "true"),
    ],
)
def test_plain_scalars(written: str, read: object) -> None:
    """What YAML 1.1 and 1.2 agree on."""
    found = value(f"a: {written}")["a"]
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    "written",
    [
        *("NO", "no", "on", "off", "yes", "y", "010", "0o17", "0x1F", "0b1", "1_000", "12:30", "1e9", "1.5e9", "1e-5"),
        *(".nan", ".inf", "-.inf", "1.0e+999", "2027-02-30", "2027-1-1", "1,234.5", "2027-01-01T00:00:00Z", "9" * 30),
    ],
)
def test_ambiguous_scalars_stay_texts(written: str) -> None:
    """What readers of YAML disagree on is the text it is."""
    assert value(f"a: {written}")["a"] == written


def test_norway_is_a_country() -> None:
    """A list of countries holds what is written."""
    assert value("residency: [NO, SE]") == {"residency": ["NO", "SE"]}


def test_bomb() -> None:
    """Millions of values in 300 bytes are refused by count, before they cost anything."""
    assert len(bomb()) < 310
    value("warm: up")
    start = time.perf_counter()
    message = refused(bomb())
    assert "100,000 values" in message
    assert time.perf_counter() - start < 0.5  # 10 ms on a quiet machine


@pytest.mark.parametrize("depth", [MAX_DEPTH + 2, 500, 2_000, 100_000])
@pytest.mark.parametrize(
    ("suffix", "opening"),
    [
        (".yaml", "["),
        (".yaml", "[ "),
        (".yaml", "[x,"),
        (".yaml", "{a: "),
        (".yaml", "- "),
        (".json", "["),
        (".json", '{"a":'),
        (".toml", "["),
        (".toml", "{a="),
    ],
)
def test_depth(suffix: str, opening: str, depth: int) -> None:
    """A tower of brackets is refused with a typed error, and soon."""
    text = ("a = " if suffix == ".toml" else "") + opening * depth
    start = time.perf_counter()
    refused(text, suffix)
    assert time.perf_counter() - start < 2  # at most 0.2 s on a quiet machine


def test_depth_of_dotted_keys_and_indents() -> None:
    """The other ways to go deep."""
    assert "dots" in refused(".".join(["a"] * 500_000) + " = 1", ".toml")
    assert "deep" in refused(".".join(["a"] * 100) + " = 1", ".toml")
    assert "deep" in refused("a:\n" + "".join(" " * i + "-\n" for i in range(1, 1000)))


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        ("a: 1\nb: 2\na: 3", ".yaml", "spec.yaml:3: 'a' stands there twice"),
        ('{"a": 1, "a": 2}', ".json", "'a' stands there twice"),
        ("a = 1\na = 2", ".toml", "is not TOML"),
        ('{"a": NaN}', ".json", "NaN is not a number"),
        ('{"a": -Infinity}', ".json", "-Infinity is not a number"),
        ('{"a": 1e999}', ".json", "inf is not a finite number"),
        ('{"a": ' + "9" * 5000 + "}", ".json", "too large"),
        ("a = nan", ".toml", "nan is not a finite number"),
        ("a = -inf", ".toml", "-inf is not a finite number"),
        ("a: !!python/object/apply:os.system ['true']", ".yaml", "tag"),
        ("a: !!int '5'", ".yaml", "tag"),
        ("!x {a: 1}", ".yaml", "tag"),
        ("a: &x [*x]", ".yaml", "stands for nothing"),
        ("a: *x", ".yaml", "stands for nothing"),
        ("a: &x {b: 1}\nc:\n  <<: *x", ".yaml", "merge keys"),
        ("? [1, 2]\n: 3", ".yaml", "key must be a plain text"),
        ("a: 1\n---\nb: 2", ".yaml", "second document"),
        ("a: 'x", ".yaml", "spec.yaml:1"),
        ("a: [1, 2", ".yaml", "spec.yaml:1"),
        ("\ta: 1", ".yaml", "spec.yaml:1"),
        (b"a: \x00", ".yaml", "NUL"),
        (b"\x00", ".json", "NUL"),
        (b"a: \xff\xfe", ".yaml", "not UTF-8"),
        ("name: x".encode("utf-16"), ".yaml", "not UTF-8"),
        (b"a: \x07", ".yaml", "not YAML"),
        (b" " * (MAX_BYTES + 1), ".yaml", "larger than"),
        ("{", ".json", "not JSON"),
        ("{} {}", ".json", "not JSON"),
        ("a", ".ini", "cannot read .ini"),
        ("a", "", "without suffix"),
    ],
)
def test_refused(text: str | bytes, suffix: str, message: str) -> None:
    """Each with a message that names the fault."""
    with pytest.raises(InputError) as caught:
        value(text, suffix)
    assert message in str(caught.value)


def test_lines_of_values() -> None:
    """A YAML document knows where each value is."""
    document = parse(b"a: 1\nb:\n  - c: 2\n  - d: 3\n", name="x.yaml", suffix=".yaml")
    assert document.lines["b", 1, "d"] == 4


def test_byte_order_mark_and_windows_lines() -> None:
    """Editors on Windows write these."""
    assert value("\ufeffa: 1\r\nb: x\r\n") == {"a": 1, "b": "x"}
    assert value("\ufeffa = 1\r\n", ".toml") == {"a": 1}
    assert value('\ufeff{"a": 1}', ".json") == {"a": 1}


def test_only_regular_files(tmp_path: Path) -> None:
    """No link, folder, device or pipe, and no path that is none."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("a: 1", encoding="utf-8")
    assert read(spec).data == {"a": 1}
    assert read(str(spec)).data == {"a": 1}
    (tmp_path / "link.yaml").symlink_to(spec)
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, message in (
        ("link.yaml", "symbolic link"),
        ("folder.yaml", "not a regular file"),
        ("pipe.yaml", "not a regular file"),
        ("none.yaml", "no such file"),
        ("nul\0.yaml", "NUL"),
        ("x" * 5000 + ".yaml", "cannot be opened"),
    ):
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)
    with pytest.raises(InputError, match="not a regular file"):
        read("/dev/zero")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "evil\x1b[31m\n.yaml")
    assert str(caught.value).isprintable()


@given(st.binary(max_size=200), st.sampled_from([".yaml", ".json", ".toml"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes(content: bytes, suffix: str) -> None:
    """Whatever a file holds, it is read as plain values or refused in a line, never worse."""
    assert not fault(content, suffix)


@given(st.text(alphabet="[]{}:,-?&*!|>'\"%@`# \n\tab01.<~=", max_size=60), st.sampled_from([".yaml", ".json", ".toml"]))
@settings(max_examples=500, deadline=None)
def test_any_punctuation(text: str, suffix: str) -> None:
    """The same for texts that nearly are YAML."""
    assert not fault(text, suffix)


@pytest.mark.parametrize(
    "text", ['"\\"' * 30_000, '"' * 100_000, "\\" * 100_000, "[" * 31 + " " * 100_000, "a:" * 50_000]
)
@pytest.mark.parametrize("suffix", [".yaml", ".json", ".toml"])
def test_no_text_takes_long(text: str, suffix: str) -> None:
    """The patterns are linear."""
    start = time.perf_counter()
    assert not fault(text, suffix)
    assert time.perf_counter() - start < 3
