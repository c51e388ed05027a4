"""The file of a sweep: a spec, and which of its fields take which values.

`list` names scenarios one by one, `zip` walks several fields in step, `grid` takes every combination; together they
multiply. Scenario 0 is the spec as written, unless `base: false`.
"""

from __future__ import annotations

import datetime
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..enumerate.names import nearest
from ..errors import InputError
from ..spec import spec_of
from ..spec.reader import Document, read
from .fields import Place, place_of, with_field

if TYPE_CHECKING:
    import os

MAX_SCENARIOS = 100_000
FIELDS = ("spec", "list", "zip", "grid", "base")
Setting = tuple[tuple[str, Any], ...]  # (path, value) pairs


@dataclass(frozen=True, slots=True)
class Scenario:
    """One spec of a sweep: its number and the fields that are set."""

    number: int
    settings: Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep that has been read and checked.

    `places` leads from a path to where in `data` it is; `blocks` are the settings of list, zip and grid's fields.
    """

    name: str  # of the file
    spec: str  # as the file names it
    folder: Path  # that relative overrides are relative to
    data: dict[str, Any]  # of the spec as written, plain values
    places: dict[str, Place]
    blocks: tuple[tuple[Setting, ...], ...]
    base: bool

    @property
    def paths(self) -> tuple[str, ...]:
        """All fields that are set, in the order of the file."""
        return tuple(self.places)

    def __len__(self) -> int:
        """Number of scenarios."""
        return math.prod(map(len, self.blocks)) * bool(self.blocks) + self.base

    def __iter__(self) -> Iterator[Scenario]:
        """All scenarios in order; the last field changes fastest."""
        if self.base:
            yield Scenario(0, ())
        if self.blocks:
            for number, parts in enumerate(itertools.product(*self.blocks), 1):
                yield Scenario(number, tuple(itertools.chain(*parts)))

    def plain(self, settings: Setting) -> dict[str, Any]:
        """The spec with fields set."""
        made = self.data
        for path, value in settings:
            made = with_field(made, self.places[path], value)
        return made

    def values(self, settings: Setting) -> dict[str, Any]:
        """What each field of the sweep is in a scenario; where it is not set, as the spec has it, None if nowhere."""
        plain = self.plain(settings)
        return {path: _at(plain, place) for path, place in self.places.items()}

    def overrides(self, plain: dict[str, Any]) -> str:
        """The folder of overrides a scenario names, "" for none."""
        named = (plain.get("prices") or {}).get("overrides") or ""
        return str((self.folder / named).resolve()) if named else ""


def canonical(value: Any) -> str:
    """Plain values as JSON of one form, in ASCII; days as YYYY-MM-DD."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_day)


def _at(plain: Any, place: Place) -> Any:
    for step in place:
        plain = plain[step] if isinstance(step, int) else (plain or {}).get(step)
    return plain


def _day(value: Any) -> str:
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value of a spec")


def read_document(path: str | os.PathLike[str]) -> Sweep:
    """Read the file of a sweep, and check its spec and every value.

    Raises:
        InputError: names file, line, field and mend.
    """
    document = read(path)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("spec"), str):
        raise InputError("names no spec", where=document.name, mend='add spec: fleet.yaml, or spec: "@one-model"')
    for key in data:
        if key not in FIELDS:
            raise InputError(
                f"there is no field {key!r:.80}", where=_where(document, (key,)), mend=nearest(key, FIELDS)
            )
    if not isinstance(data.get("base", True), bool):
        raise InputError("must be true or false", where=_where(document, ("base",)) + ": base")
    spec, folder = _spec(data["spec"], Path(path).parent, document)
    spec_of(spec)
    maker = _Maker(document, spec.data)
    blocks = tuple(maker.blocks())
    made = Sweep(
        name=document.name, spec=data["spec"], folder=folder, data=spec.data, places=maker.places, blocks=blocks,
        base=data.get("base", True),
    )  # fmt: skip
    if not len(made) or len(made) > MAX_SCENARIOS:
        said = f"makes {len(made):,} scenarios" if len(made) else "makes no scenario"
        mend = f"at most {MAX_SCENARIOS:,}" if len(made) else "add a grid, a zip or a list"
        raise InputError(said, where=document.name, mend=mend)
    maker.check(made)
    return made


def _spec(named: str, folder: Path, document: Document) -> tuple[Document, Path]:
    """The spec a sweep names, and the folder its own paths are relative to."""
    if not named.startswith("@"):
        path = folder / named
        return read(path), path.parent
    from .. import examples

    try:
        examples.example_text(named[1:])  # refuses a name that is none
    except InputError as error:
        raise InputError(error.message, where=_where(document, ("spec",)) + ": spec", mend=error.mend) from None
    with resources.as_file(resources.files(examples) / f"{named[1:]}{examples.SUFFIX}") as path:
        return read(path), folder


def _where(document: Document, place: Place) -> str:
    """File and line."""
    line = next((document.lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in document.lines), None)
    return document.name + (f":{line}" if line else "")


class _Maker:
    """Makes the blocks of a sweep of its file, and checks their values against the spec."""

    def __init__(self, document: Document, spec: dict[str, Any]) -> None:
        self.document, self.spec = document, spec
        self.places: dict[str, Place] = {}
        self.sources: list[tuple[Place, Setting]] = []  # where in the file, and what is set together there

    def blocks(self) -> Iterator[tuple[Setting, ...]]:
        """The settings of each factor of the product."""
        given = self.document.data
        if given.get("list") is not None:
            yield self._list(given["list"])
        if given.get("zip") is not None:
            yield self._zip(given["zip"])
        if given.get("grid") is not None:
            yield from self._grid(given["grid"])

    def check(self, made: Sweep) -> None:
        """Values of one entry, one step or one grid field, set in the spec as written, make a sound spec.

        Raises:
            InputError: the first that does not; or two paths lead to the same field, or into one another.
        """
        self._apart()
        for place, settings in self.sources:
            where = f"{_where(self.document, place)}: {'.'.join(map(str, place))}"
            try:
                spec_of(Document(made.plain(settings), "spec"))
            except InputError as error:
                raise InputError(f"{error.message} ({error.where})", where=where, mend=error.mend) from None

    def _apart(self) -> None:
        """No field is set twice; in this order a part of a field follows the field."""
        ordered = sorted(self.places.items(), key=lambda pair: [str(step) for step in pair[1]])
        for (path, place), (other, longer) in itertools.pairwise(ordered):
            if longer[: len(place)] == place:
                raise self._wrong((), f"{path:.80} and {other:.80} set the same field", "keep one of them")

    def _list(self, entries: Any) -> tuple[Setting, ...]:
        if not isinstance(entries, list) or not entries:
            raise self._wrong(("list",), "must be a list of {field: value, …}", "")
        return tuple(self._entry(("list", i), entry) for i, entry in enumerate(entries))

    def _entry(self, place: Place, entry: Any) -> Setting:
        if not isinstance(entry, dict) or not entry:
            raise self._wrong(place, "must be a set of fields", "write {field: value, …}")
        for path in entry:
            self._place(path, (*place, path))
        return self._source(place, tuple(entry.items()))

    def _zip(self, fields: Any) -> tuple[Setting, ...]:
        columns = self._columns("zip", fields)
        lengths = {path: len(values) for path, values in columns.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{path} has {n}" for path, n in lengths.items())
            raise self._wrong(("zip",), f"values that go together must be as many: {said}", "add or leave out values")
        rows = zip(*columns.values(), strict=True)
        return tuple(
            self._source(("zip", next(iter(columns)), i), tuple(zip(columns, row, strict=True)))
            for i, row in enumerate(rows)
        )

    def _grid(self, fields: Any) -> Iterator[tuple[Setting, ...]]:
        for path, values in self._columns("grid", fields).items():
            yield tuple(self._source(("grid", path, i), ((path, value),)) for i, value in enumerate(values))

    def _columns(self, name: str, fields: Any) -> dict[str, list[Any]]:
        if not isinstance(fields, dict) or not fields:
            raise self._wrong((name,), "must be a set of fields with lists of values", "write field: [value, …]")
        for path, values in fields.items():
            if not isinstance(values, list) or not values:
                raise self._wrong((name, path), "must be a list of values", f"write {path:.80}: [value, …]")
            self._place(path, (name, path))
        return fields

    def _place(self, path: str, at: Place) -> None:
        if at[0] != "list" and path in self.places:
            raise self._wrong(at, f"{path:.80} is set twice", "keep one of list, zip and grid")
        self.places.setdefault(path, place_of(path, self.spec, f"{_where(self.document, at)}: {at[0]}"))

    def _source(self, place: Place, settings: Setting) -> Setting:
        self.sources.append((place, settings))
        return settings

    def _wrong(self, place: Place, message: str, mend: str) -> InputError:
        where = ": ".join([_where(self.document, place), *(str(step)[:80] for step in place[:2])])
        return InputError(message, where=where, mend=mend)
