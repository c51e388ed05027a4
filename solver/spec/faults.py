"""From what pydantic and the dataclasses refuse to one error in the user's words: place, finding and mend."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

from ..enumerate.names import nearest
from ..errors import InputError
from ..workloads import KINDS, Workload
from .model import Spec
from .schema import dataclass_in

if TYPE_CHECKING:
    from .reader import Document
    from .schema import Place

MOST = 10  # faults told at once
WANTED = {  # type of a pydantic error: what the field takes
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "date_type": "a day",
    "value_error": "a day",
    "model_type": "a set of fields",
    "model_attributes_type": "a set of fields",
    "dict_type": "a set of fields",
}
UNDERSCORES = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)+", re.ASCII)
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+", re.ASCII)
EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+", re.ASCII)
COMMAS = re.compile(r"[-+]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", re.ASCII)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend."""

    place: Place
    message: str
    mend: str = ""


def of_schema(errors: Iterable[Mapping[str, Any]], data: Any, root: type = Spec) -> list[Fault]:
    """Faults of pydantic's errors: one a place, alternatives joined; where one explains another, only the deepest."""
    by_place: dict[Place, list[Mapping[str, Any]]] = {}
    for error in errors:
        by_place.setdefault(_place(error, data), []).append(error)
    deeper = {place[:n] for place in by_place for n in range(len(place))}
    return [_fault(place, found, data, root) for place, found in by_place.items() if place not in deeper]


def _place(error: Mapping[str, Any], data: Any) -> Place:
    """Where in the file: pydantic's location without the names of alternatives."""
    made: list[str | int] = []
    value = data
    for step in error["loc"]:
        if made[:1] == ["workloads"] and len(made) == 2 and step in KINDS:  # noqa: PLR2004
            continue
        inside = (isinstance(value, dict) and step in value) or (isinstance(value, list) and step in range(len(value)))
        if inside:
            value = value[step]
        if inside or (error["type"] == "missing" and step == error["loc"][-1]):
            made.append(step)
    return tuple(made)


def _fault(place: Place, errors: list[Mapping[str, Any]], data: Any, root: type) -> Fault:
    kind, found = errors[0]["type"], errors[0]["input"]
    field = str(place[-1]) if place else ""
    if kind == "missing":
        return Fault(place, "is missing", f"add {field}: …")
    if kind == "extra_forbidden":
        return Fault(place, "there is no such field", nearest(field, _fields(place[:-1], data, root)))
    if kind.startswith("union_tag"):
        return _wrong_kind(place, found)
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", errors[0]["ctx"]["expected"])
        return Fault(
            place, f"must be one of {', '.join(allowed)}, not {shown(found)}", nearest(str(found)[:80], allowed)
        )
    wanted = list(dict.fromkeys(WANTED.get(e["type"], e["msg"]) for e in errors))
    return Fault(place, f"must be {' or '.join(wanted)}, not {shown(found)}", _mend(found, wanted, field))


def _wrong_kind(place: Place, found: Any) -> Fault:
    kinds = ", ".join(KINDS)
    if not isinstance(found, dict):
        return Fault(place, f"must be a set of fields, not {shown(found)}", "write {name: …, kind: …, …}")
    if "kind" not in found:
        return Fault((*place, "kind"), "is missing", f"add kind: one of {kinds}")
    kind = found["kind"]
    return Fault((*place, "kind"), f"must be one of {kinds}, not {shown(kind)}", nearest(str(kind)[:80], KINDS))


def shown(value: Any) -> str:
    """A value from outside, short and printable."""
    if value is None:
        return "nothing"
    if isinstance(value, (dict, list)):
        return "a set of fields" if isinstance(value, dict) else "a list"
    if isinstance(value, (bool, datetime.date)):
        return str(value).lower()
    return ascii(value) if len(ascii(value)) <= 60 else ascii(value)[:57] + "…"  # noqa: PLR2004


def _mend(found: Any, wanted: list[str], field: str) -> str:
    """What to write instead."""
    if "a number" in wanted or "a whole number" in wanted:
        return _mend_number(found, wanted)
    if wanted == ["true or false"]:
        return "write true or false"
    if "a day" in wanted:
        return "write it as YYYY-MM-DD, a day of the calendar"
    if "a list" in wanted:
        return f"write {field}: [{found if isinstance(found, str) and found.isprintable() else '…'}]"[:80]
    if wanted == ["a text"] and not isinstance(found, (dict, list)):
        return (
            f'put it in quotes: "{str(found).lower() if isinstance(found, bool) else found}"'
            if found is not None
            else ""
        )
    return "write field: value, one a line" if wanted == ["a set of fields"] else ""


def _mend_number(found: Any, wanted: list[str]) -> str:
    text = str(found)[:40]
    if isinstance(found, float) and found == int(found):
        return f"write {int(found)}"
    if isinstance(found, str):
        if UNDERSCORES.fullmatch(text):
            return f"write {text.replace('_', '')}, without underscores"
        if COMMAS.fullmatch(text):
            return f"write {text.replace(',', '')}, without commas"
        if LEADING_ZERO.fullmatch(text):
            return f"write {int(text)}, without leading zeros"
        if EXPONENT.fullmatch(text):
            return "write the number out, without an exponent"
    return (
        "write a whole number in digits, without quotes"
        if "a number" not in wanted
        else "write it in digits, without quotes"
    )


def _fields(place: Place, data: Any, root: type) -> list[str]:
    """Names of the fields there are at a place."""
    cls: Any = root
    value: Any = data
    for step in place:
        value = value[step]
        if isinstance(step, str):
            cls = dataclass_in(get_type_hints(cls)[step], value.get("kind") if isinstance(value, dict) else None)
        elif cls is Workload and isinstance(value, dict):
            cls = KINDS.get(str(value.get("kind")), Workload)
    names = [f.name for f in dataclasses.fields(cls)]
    return ["kind", *names] if issubclass(cls, Workload) else names


def error_of(faults: list[Fault], document: Document) -> InputError:
    """One error for all faults."""
    if len(faults) == 1:
        fault = faults[0]
        return InputError(fault.message, where=_where(fault.place, document), mend=fault.mend)
    lines = [
        f"{_where(f.place, document, short=True)}: {f.message}" + (f" ({f.mend})" if f.mend else "")
        for f in faults[:MOST]
    ]
    more = [f"and {len(faults) - MOST} more"] if len(faults) > MOST else []
    return InputError("\n  ".join([f"{len(faults)} faults", *lines, *more]), where=document.name)


def _where(place: Place, document: Document, *, short: bool = False) -> str:
    """File, line, path, and the workload's name."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{_plain(step)}" for step in place).lstrip(".")
    line = next((document.lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in document.lines), None)
    parts = [] if short else [document.name + (f":{line}" if line else "")]
    if short and line:
        parts.append(f"line {line}")
    if path:
        parts.append(path + _name(place, document.data))
    return ": ".join(parts)


def _plain(key: str) -> str:
    """A field's name as it may be printed."""
    return (key if key.isprintable() else ascii(key))[:60]


def _name(place: Place, data: Any) -> str:
    if len(place) > 1 and place[0] == "workloads":
        found = data["workloads"][place[1]]
        name = found.get("name") if isinstance(found, dict) else None
        if isinstance(name, str):
            return f" of {shown(name)}"
    return ""
