"""Fields of a spec by name: `workloads.chat.traffic.paris.requests_per_hour`, `limits.quotas[0].max_nodes`.

A dot leads to a field, or to an item of a list by its name (traffic: by its origin); `[2]` to an item by its place from
0, and `["llama-3.1"]` to one whose name holds a dot.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from typing import Any

from ..enumerate.names import nearest
from ..errors import InputError
from ..spec.model import Spec
from ..spec.schema import dataclass_in
from ..workloads import Workload

Place = tuple[str | int, ...]
MAX_PATH = 500  # characters
STEP = re.compile(r'\.?([^.\[\]"]+)|\[([0-9]{1,6})\]|\["([^"]{1,200})"\]')
NAMES = ("name", "origin")  # what an item of a list is called by
EXAMPLE = "workloads.chat.max_spot_share"


def place_of(path: str, data: dict[str, Any], where: str) -> Place:
    """Where in a spec's plain values a path leads; the last field need not stand there yet.

    Args:
        path: of the field.
        data: the spec, known to be sound.
        where: file and line of the path, for errors.

    Raises:
        InputError: there is no such field or item; names the nearest.
    """
    cls: Any = Spec  # a dataclass; None among plain values
    hint: Any = None  # of the list that the next step goes into
    value: Any = data
    made: list[str | int] = []
    where = f"{where}: {path:.80}"
    for name, index in _steps(path, where):
        if hint is not None:
            place: str | int = _item(value, name, index, where)
            value = value[place]
            cls = dataclass_in(hint, value.get("kind")) if isinstance(value, dict) else None
            hint = None
        else:
            place = _field(cls, value, name, where)
            inside = typing.get_type_hints(cls).get(name)
            value = value.get(name) if isinstance(value, dict) else None
            cls, hint = (None, inside) if _is_list(inside) else (dataclass_in(inside), None)
        made.append(place)
    return tuple(made)


def with_field(data: Any, place: Place, value: Any) -> Any:
    """A copy of a spec's plain values with one field set; what is not on the way is shared."""
    if not place:
        return value
    step, rest = place[0], place[1:]
    if isinstance(step, int):
        return [with_field(item, rest, value) if i == step else item for i, item in enumerate(data)]
    held = data or {}
    return {**held, step: with_field(held.get(step), rest, value)}


def _steps(path: str, where: str) -> list[tuple[str, int | None]]:
    """Names, or places in a list, in order."""
    made: list[tuple[str, int | None]] = []
    at = 0
    while at < len(path) <= MAX_PATH and (found := STEP.match(path, at)):
        if found[1] and path.startswith(".", at) != bool(at):
            break
        made.append((found[1] or found[3] or "", int(found[2]) if found[2] else None))
        at = found.end()
    if at < len(path) or not path:
        raise InputError("is not the path of a field", where=where, mend=f"write it as in {EXAMPLE}")
    return made


def _field(cls: Any, value: Any, name: str, where: str) -> str:
    """A field of a set of fields."""
    if cls is None or not (value is None or isinstance(value, dict)):
        raise InputError(f"there are no fields in a plain value: {name!r:.80}", where=where, mend="end the path before")
    names = [field.name for field in dataclasses.fields(cls)]
    names += ["kind"] if issubclass(cls, Workload) else []
    if name not in names:
        raise InputError(f"there is no field {name!r:.80}", where=where, mend=nearest(name, names))
    return name


def _item(value: Any, name: str, index: int | None, where: str) -> int:
    """An item of a list, by its place or its name."""
    items = value if isinstance(value, list) else []
    called = [next((item[key] for key in NAMES if key in item), "") if isinstance(item, dict) else "" for item in items]
    if index is not None:
        if index < len(items):
            return index
        raise InputError(f"the list has {len(items)} items, counted from 0", where=where, mend="add it to the spec")
    if called.count(name) > 1:
        raise InputError(f"{name!r:.80} stands for several items", where=where, mend="give a place, such as [0]")
    if name not in called:
        known = [str(key) for key in called if key]
        mend = nearest(name, known) if known else f"an item has no name here, give a place: [0] to [{len(items) - 1}]"
        raise InputError(f"there is no item {name!r:.80}", where=where, mend=mend if items else "the list is empty")
    return called.index(name)


def _is_list(hint: Any) -> bool:
    """Whether a field may hold a list."""
    return any(typing.get_origin(part) is tuple for part in (hint, *typing.get_args(hint)))


def shown(value: Any) -> str:
    """A value of a field as one line of text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
