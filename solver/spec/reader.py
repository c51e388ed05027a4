"""Reads a spec file from anybody: YAML, TOML or JSON into plain values, or one error that names file and line.

Of YAML only what its versions 1.1 and 1.2 read alike is taken for a number, a truth value or a day; `NO`, `on`, `010`,
`1_000`, `12:30` and `1e9` stay the texts they are, and the schema then says what to write. No tags, no merge keys.
"""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 100_000  # with every alias counted as what it stands for
MAX_DIGITS = 30
MAX_DOTS = 1000  # in a line of TOML
SUFFIXES = (".yaml", ".yml", ".toml", ".json")
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]{0,17})\.[0-9]{0,17}|\.[0-9]{1,17})(?:[eE][-+][0-9]{1,3})?", re.ASCII)
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
WORDS = {w: v for v, ws in ((True, "true True TRUE"), (False, "false False FALSE")) for w in ws.split()}
NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
TOO_DEEP = re.compile(r"(?:[\[{]\s*+){" + str(MAX_DEPTH + 1) + "}")
JSON_MARKS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, and on which line it says it (YAML only)."""

    data: Any
    name: str
    lines: dict[Place, int] = field(default_factory=dict)


def read(path: str | os.PathLike[str]) -> Document:
    """Read a file by its suffix.

    Raises:
        InputError: the file cannot be read, or not safely.
    """
    text = _bytes(path)
    return parse(text, name=_shown(path), suffix=Path(path).suffix.lower())


def parse(content: bytes, *, name: str, suffix: str) -> Document:
    """Read the content of a file of this suffix."""
    if suffix not in SUFFIXES:
        raise InputError(
            f"cannot read {suffix or 'a file without suffix'}", where=name, mend=f"use {', '.join(SUFFIXES)}"
        )
    if len(content) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES:,} bytes", where=name, mend="a spec is a short file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start} is not UTF-8", where=name, mend="save the file as UTF-8") from None
    if "\0" in text:
        raise InputError("holds a NUL character", where=name, mend="save the file as UTF-8 text")
    return {".toml": _toml, ".json": _json}.get(suffix, _yaml)(text, name)


def _shown(path: str | os.PathLike[str]) -> str:
    name = os.fsdecode(path)
    return name if name.isprintable() and len(name) <= MAX_DOTS else f"{name!r:.200}"


def _bytes(path: str | os.PathLike[str]) -> bytes:
    """Bytes of a regular file; no link, folder, device or pipe, not even one that appears while we look."""
    name = _shown(path)
    if "\0" in os.fsdecode(path):
        raise InputError("a path cannot hold NUL", where=name)
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        mend = "autoparallel init writes a starter spec"
        raise InputError("no such file", where=name, mend=mend) from None
    except (OSError, ValueError) as error:
        if os.path.islink(path):  # noqa: PTH114 (never raises)
            raise InputError("is a symbolic link", where=name, mend="name the file itself") from None
        raise InputError(f"cannot be opened: {getattr(error, 'strerror', error)}", where=name) from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError("is not a regular file", where=name, mend="name a .yaml, .toml or .json file")
    with os.fdopen(handle, "rb") as file:
        try:
            return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=name) from None


def _yaml(text: str, name: str) -> Document:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if TOO_DEEP.search(text):  # the parser would look far ahead first
        raise InputError(f"more than {MAX_DEPTH} levels deep", where=name, mend="a spec needs six")
    builder = _Builder(YAML(typ="safe", pure=True).parse(text), name)
    try:
        data = builder.document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark else name
        raise InputError(
            str(error.problem or "is not YAML"), where=place, mend="see the line and the one before"
        ) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"is not YAML: {str(error).splitlines()[0]:.200}", where=name) from None
    return Document(data, name, builder.lines)


class _Builder:
    """Builds plain values from the events of a YAML parser, so that depth and size are known before they cost."""

    def __init__(self, events: Iterator[Any], name: str) -> None:
        self.events, self.name = events, name
        self.lines: dict[Place, int] = {}
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0

    def document(self) -> Any:
        """The one document, None when there is none."""
        from ruamel.yaml.events import DocumentStartEvent, StreamEndEvent

        next(self.events)
        if isinstance(next(self.events), StreamEndEvent):
            return None
        data = self.node(next(self.events), ())
        next(self.events)
        following = next(self.events)
        if isinstance(following, DocumentStartEvent):
            raise self.wrong(following, "a second document begins", "keep one spec in a file")
        return data

    def node(self, event: Any, place: Place) -> Any:
        """The value that begins with this event."""
        from ruamel.yaml.events import AliasEvent, MappingStartEvent, ScalarEvent

        self.lines[place] = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            return self.alias(event)
        if event.tag is not None:
            raise self.wrong(event, f"tag {event.tag!s:.60} is not read", "write the plain value")
        if len(place) > MAX_DEPTH:
            raise self.wrong(event, f"more than {MAX_DEPTH} levels deep", "a spec needs six")
        before = self.count
        self.grow(event, 1)
        if isinstance(event, ScalarEvent):
            value: Any = _scalar(event.value) if event.style is None else event.value
        elif isinstance(event, MappingStartEvent):
            value = self.mapping(place)
        else:
            value = self.sequence(place)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.count - before)
        return value

    def alias(self, event: Any) -> Any:
        """What an alias stands for; a value that holds itself is never complete, hence unknown."""
        if event.anchor not in self.anchors:
            raise self.wrong(event, f"*{event.anchor:.60} stands for nothing above it", "write the value out")
        value, size = self.anchors[event.anchor]
        self.grow(event, size)
        return value

    def mapping(self, place: Place) -> dict[str, Any]:
        """Keys are texts, none twice."""
        from ruamel.yaml.events import MappingEndEvent, ScalarEvent

        made: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.tag is not None:
                raise self.wrong(event, "a key must be a plain text", "")
            if event.value == "<<":
                raise self.wrong(event, "merge keys (<<) are not read", "write the fields out")
            if event.value in made:
                raise self.wrong(event, f"{event.value!r:.80} stands there twice", "keep one of the two")
            self.grow(event, 1)
            made[event.value] = self.node(next(self.events), (*place, event.value))
        return made

    def sequence(self, place: Place) -> list[Any]:
        """Items in order."""
        from ruamel.yaml.events import SequenceEndEvent

        made: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            made.append(self.node(event, (*place, len(made))))
        return made

    def grow(self, event: Any, nodes: int) -> None:
        """Count values, with aliases written out."""
        self.count += nodes
        if self.count > MAX_NODES:
            raise self.wrong(event, f"more than {MAX_NODES:,} values once its aliases are written out", "")

    def wrong(self, event: Any, message: str, mend: str) -> InputError:
        """An error at the event's line."""
        return InputError(message, where=f"{self.name}:{event.start_mark.line + 1}", mend=mend)


def _scalar(text: str) -> Any:
    """A plain scalar: what YAML 1.1 and 1.2 agree on, or the text."""
    if text in NOTHING:
        return None
    if text in WORDS:
        return WORDS[text]
    if INTEGER.fullmatch(text):
        return int(text)
    if FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return _day(text) if DAY.fullmatch(text) else text


def _day(text: str) -> datetime.date | str:
    """A day, or the text of one that no calendar has."""
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return text


def _json(text: str, name: str) -> Document:
    depth = 0
    for mark in JSON_MARKS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark.group()[0], 0)
        if depth > MAX_DEPTH:
            raise InputError(f"more than {MAX_DEPTH} levels deep", where=name, mend="a spec needs six")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) < len(items):
            twice = next(key for i, (key, _) in enumerate(items) if key in dict(items[:i]))
            raise InputError(f"{twice!r:.80} stands there twice", where=name, mend="keep one of the two")
        return made

    def constant(word: str) -> Any:
        raise InputError(f"{word} is not a number", where=name, mend="write a finite number")

    def whole(digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            raise InputError(f"{digits:.40}… is too large a number", where=name)
        return int(digits)

    def load() -> Any:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=constant, parse_int=whole)

    return _sound(load, name, "JSON")


def _toml(text: str, name: str) -> Document:
    if any(line.count(".") > MAX_DOTS for line in text.splitlines()):
        raise InputError(f"a line has more than {MAX_DOTS} dots", where=name)
    return _sound(lambda: tomllib.loads(text), name, "TOML")


def _sound(load: Callable[[], Any], name: str, language: str) -> Document:
    """What a parser gives, within the caps."""
    try:
        data = load()
    except RecursionError:
        raise InputError(f"more than {MAX_DEPTH} levels deep", where=name, mend="a spec needs six") from None
    except ValueError as error:
        raise InputError(f"is not {language}: {error!s:.200}", where=name) from None
    waiting, count = [(data, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH or count > MAX_NODES:
            limit = f"{MAX_DEPTH} levels deep" if depth > MAX_DEPTH else f"{MAX_NODES:,} values"
            raise InputError(f"more than {limit}", where=name)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{value} is not a finite number", where=name, mend="write a finite number")
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(item, depth + 1) for item in items]
    return Document(data, name)
