"""plan.json: the whole plan as versioned JSON, money as decimal strings; read back strictly and exactly."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast, get_args

from ..errors import InputError
from ..money import to_micro, to_usd
from ..plan import TABLES, Bounded, Certificate, CertificateKind, Plan, Provenance, Termination
from ..table import Table
from . import cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..problem import Problem

SCHEMA = "autoparallel.plan/1"
MAX_BYTES = 256 * 2**20
MAX_DEPTH = 64
MAX_DIGITS = 40
_TABLES = ("fleet", *TABLES)
_HEAD = (
    *("schema", "name", "termination", "certificate", "provenance"),
    *("periods", "block_hours", "accounting", "total_usd"),
)
_CERTIFICATE = ("kind", "lower_usd", "upper_usd", "bounds")
_PROVENANCE = tuple(Provenance.__dataclass_fields__)
_MONEY = re.compile(r"-?\d{1,13}(\.\d{1,6})?", re.ASCII)
_FRACTION = re.compile(r"-?\d{1,400}(/[1-9]\d{0,399})?", re.ASCII)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def render(problem: Problem, plan: Plan) -> Iterator[tuple[str, bytes]]:  # noqa: ARG001
    """The file plan.json."""
    yield "plan.json", to_json(plan).encode()


def to_json(plan: Plan) -> str:
    """The plan as JSON text, keys in a fixed order, one table row a line; the same plan gives the same bytes."""
    p = plan.provenance
    head = {
        "schema": SCHEMA,
        "name": plan.name,
        "termination": plan.termination,
        "certificate": {
            "kind": plan.certificate.kind,
            "lower_usd": _money(plan.certificate.lower_micro_usd),
            "upper_usd": _money(plan.certificate.upper_micro_usd),
            "bounds": plan.certificate.bounds,
        },
        "provenance": {name: getattr(p, name) for name in _PROVENANCE} | {"warnings": list(p.warnings)},
        "periods": list(plan.periods),
        "block_hours": [int(h) for h in plan.block_hours],
        "accounting": plan.accounting,
        "total_usd": _money(plan.total_micro_usd),
    }
    lines = [f"{_dump(key)}: {_dump(value)}" for key, value in head.items()]
    tables = ",\n".join(f"{_dump(name)}: {_table(getattr(plan, name))}" for name in _TABLES)
    return "{\n" + ",\n".join([*lines, f'"tables": {{\n{tables}\n}}']) + "\n}\n"


def from_json(text: str | bytes) -> Plan:
    """Read a plan back.

    Raises:
        InputError: not such a document, naming the field; nothing is guessed or defaulted.
    """
    document = _parse(text)
    version = document.get("schema") if isinstance(document, dict) else None
    if version != SCHEMA:
        raise InputError(f"is {version!r:.80}", where="schema", mend=f"this version reads {SCHEMA!r}")
    root = _object(document, "plan", (*_HEAD, "tables"))
    certificate = _object(root["certificate"], "certificate", _CERTIFICATE)
    tables = _object(root["tables"], "tables", _TABLES)
    hours = _list(root["block_hours"], "block_hours")
    kind = _choice(certificate["kind"], "certificate.kind", get_args(CertificateKind))
    plan = Plan(
        name=_text(root["name"], "name"),
        termination=cast("Termination", _choice(root["termination"], "termination", get_args(Termination))),
        certificate=Certificate(
            kind=cast("CertificateKind", kind),
            lower_micro_usd=_micro(certificate["lower_usd"], "certificate.lower_usd"),
            upper_micro_usd=_micro(certificate["upper_usd"], "certificate.upper_usd"),
            bounds=cast("Bounded", _choice(certificate["bounds"], "certificate.bounds", get_args(Bounded))),
        ),
        provenance=_provenance(root["provenance"]),
        periods=tuple(_text(v, f"periods[{i}]") for i, v in enumerate(_list(root["periods"], "periods"))),
        block_hours=tuple(_int(v, f"block_hours[{i}]") for i, v in enumerate(hours)),
        accounting=_choice(root["accounting"], "accounting", ("amortised", "cash")),
        **{name: _read_table(tables[name], f"tables.{name}") for name in _TABLES},
    )
    if plan.total_micro_usd != _micro(root["total_usd"], "total_usd"):
        real = _money(plan.total_micro_usd)
        raise InputError(f"is not the sum of the bill, {real}", where="total_usd", mend="plan again")
    return plan


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def _money(micro_usd: int) -> str:
    return f"{to_usd(micro_usd):f}"


def _table(table: Table) -> str:
    made = cells.columns(table)
    parts = [[_plain(v) for v in column.values] for column in made]
    rows = ",\n".join(_dump(row) for row in zip(*parts, strict=True))
    names, kinds = _dump([c.name for c in made]), _dump([c.kind for c in made])
    return f'{{"columns": {names}, "types": {kinds}, "rows": [' + (f"\n{rows}\n" if rows else "") + "]}"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"  # JSON has no infinity
    return value


class _Bad:
    """A number that Python's reader would let pass; its place is found once the whole is read."""

    def __init__(self, text: str) -> None:
        self.text = text


def _parse(text: str | bytes) -> Any:
    """JSON without its traps: size, depth, duplicate keys, NaN, infinities and endless digits."""
    if len(text) > MAX_BYTES:
        raise InputError(f"is larger than {MAX_BYTES >> 20} MiB", where="plan", mend="is this a plan.json?")
    bad: list[_Bad] = []

    def refuse(token: str) -> _Bad:
        bad.append(_Bad(token[:40]))
        return bad[-1]

    def real(token: str) -> Any:
        value = float(token)
        return refuse(token) if math.isinf(value) else value

    def whole(token: str) -> Any:
        return refuse(token) if len(token) > MAX_DIGITS else int(token)

    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        _check_depth(decoded)
        root = json.loads(decoded, parse_constant=refuse, parse_float=real, parse_int=whole, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 at byte {error.start}", where="plan", mend="save it as UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"plan, line {error.lineno}, column {error.colno}"
        raise InputError(f"is not JSON: {error.msg}", where=where, mend="write it again with --out") from None
    if bad:
        raise InputError(f"{bad[0].text} is not a finite number", where=_find(root, bad[0]), mend="give a number")
    return root


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise InputError(f"is nested more than {MAX_DEPTH} deep", where="plan", mend="is this a plan.json?")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError("the key stands twice in one object", where=f"{twice:.80}", mend="keep one of the two")
    return made


def _find(value: Any, target: _Bad, path: str = "") -> str:
    """Path of the refused number; "" when it is not in this part."""
    if value is target:
        return path or "plan"
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        step = f"[{key}]" if isinstance(key, int) else f".{key}" if path else str(key)
        if found := _find(part, target, path + step):
            return found
    return ""


def _object(value: Any, where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"must be an object, is {_kind(value)}", where=where, mend=f"with {', '.join(keys)}")
    if missing := [k for k in keys if k not in value]:
        raise InputError(f"{missing[0]!r} is missing", where=where, mend=f"it has {', '.join(keys)}")
    if unknown := [k for k in value if k not in keys]:
        raise InputError(f"{unknown[0]!r:.80} is unknown", where=where, mend=f"it has {', '.join(keys)}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InputError(f"must be a list, is {_kind(value)}", where=where, mend="[...]")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"must be text, is {_kind(value)}", where=where, mend='"..."')
    return value


def _int(value: Any, where: str) -> int:
    if type(value) is not int:
        raise InputError(f"must be a whole number, is {_kind(value)}", where=where, mend="such as 24")
    return value


def _bool(value: Any, where: str) -> bool:
    if type(value) is not bool:
        raise InputError(f"must be true or false, is {_kind(value)}", where=where, mend="true or false")
    return value


def _float(value: Any, where: str) -> float | None:
    if value in {"inf", "-inf"} if isinstance(value, str) else type(value) in {int, float}:
        return float(value)
    if value is not None:
        raise InputError(f"must be a number or null, is {_kind(value)}", where=where, mend="such as 0.5")
    return None


def _decimal(value: Any, where: str) -> Decimal:
    if not isinstance(value, str) or not _MONEY.fullmatch(value) or abs(micro := to_micro(value)) > cells.INT64_MAX:
        mend = 'dollars as text with at most six decimals, such as "12.50"'
        raise InputError(f"is no amount of money: {value!r:.60}", where=where, mend=mend)
    return to_usd(micro)


def _micro(value: Any, where: str) -> int:
    return int(_decimal(value, where).scaleb(6))


def _price(value: Any, where: str) -> Decimal | None:
    return None if value is None else _decimal(value, where)


def _fraction(value: Any, where: str) -> Fraction:
    if not isinstance(value, str) or not _FRACTION.fullmatch(value):
        raise InputError(f"is no fraction: {value!r:.60}", where=where, mend='such as "1/3"')
    return Fraction(value)


def _choice(value: Any, where: str, options: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in options:
        raise InputError(f"is {value!r:.60}", where=where, mend=f"one of {', '.join(options)}")
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


_READERS = {"int": _int, "float": _float, "bool": _bool, "text": _text, "money": _price, "fraction": _fraction}


def _read_table(value: Any, where: str) -> Table:
    parts = _object(value, where, ("columns", "types", "rows"))
    columns, types, rows = (_list(parts[k], f"{where}.{k}") for k in ("columns", "types", "rows"))
    names = [_text(v, f"{where}.columns[{i}]") for i, v in enumerate(columns)]
    kinds = [_choice(v, f"{where}.types[{i}]", cells.KINDS) for i, v in enumerate(types)]
    if len(set(names)) < len(names) or len(kinds) != len(names):
        raise InputError("columns must differ and have one type each", where=where, mend="columns and types to match")
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise InputError(f"must be a list of {len(names)} values", where=f"{where}.rows[{i}]", mend="one a column")
    made = {}
    for j, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        read = _READERS[kind]
        if kind == "money" and "usd" not in name:
            raise InputError(f"{name!r:.60} is no column of money", where=f"{where}.types[{j}]", mend="usd in its name")
        if kind == "money" and name == "usd":
            read = _decimal  # a line of the bill always has an amount
        values = [read(row[j], f"{where}.rows[{i}][{j}]") for i, row in enumerate(rows)]
        inner = name.replace("usd", "micro_usd", 1) if kind == "money" else name
        made[inner] = cells.to_array(cast("cells.Kind", kind), values)
    return Table(made)


def _provenance(value: Any) -> Provenance:
    v = _object(value, "provenance", _PROVENANCE)
    others = {"seed", "deterministic", "seconds", "warnings"}
    texts = {k: _text(v[k], f"provenance.{k}") for k in _PROVENANCE if k not in others}
    seconds = _float(v["seconds"], "provenance.seconds")
    warnings = _list(v["warnings"], "provenance.warnings")
    return Provenance(
        **texts,
        seed=_int(v["seed"], "provenance.seed"),
        deterministic=_bool(v["deterministic"], "provenance.deterministic"),
        seconds=0.0 if seconds is None else seconds,
        warnings=tuple(_text(w, f"provenance.warnings[{i}]") for i, w in enumerate(warnings)),
    )
