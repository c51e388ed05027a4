"""Puts the figures of benchmarks/results into docs/benchmarks.md: `python -m benchmarks published`.

Between `<!-- NAME -->` and `<!-- end -->` stands the table of NAME.json; nobody writes there by hand.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .cases import cases, grid
from .process import ROOT
from .results import FOLDER

if TYPE_CHECKING:
    from .cases import Case, Table

PAGE = ROOT / "docs" / "benchmarks.md"
END = "<!-- end -->"


def section(name: str, table: Table) -> str:
    """What stands on the page for one file of results: machine, versions, command and figures."""
    if not (FOLDER / f"{name}.json").exists():
        return "Not measured yet."
    found = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    m, protocol, rows = found["machine"], found["protocol"], found["rows"]
    made = sorted({", ".join(f"{package} {number}" for package, number in row["versions"].items()) for row in rows})
    on = f"{m['cores']} cores of {m['processor']}, {m['memory_gib']:g} GiB, {m['system']}; {'; '.join(made)}."
    how = "; ".join(f"{key} {value}" for key, value in protocol.items())
    return "\n".join([on, "", f"Protocol: {how}.", "", *table(rows)])


def listing(known: dict[str, Case]) -> str:
    """The table of all benchmarks."""
    rows = ((f"`{c.name}`", c.measures, c.goal or "–") for c in known.values())
    return "\n".join(grid(("benchmark", "measures", "goal"), rows))


def page(text: str) -> str:
    """The page with its tables renewed; a published case without a place on it gets one at its end."""
    known = cases()
    text = _put(text, "cases", listing(known))
    for case in known.values():
        if case.table:
            place = f"\n## {case.name}\n{case.measures[0].upper()}{case.measures[1:]}.\n\n{_start(case.name)}{END}\n"
            text = _put(text if _start(case.name) in text else text + place, case.name, section(case.name, case.table))
    return text


def _start(name: str) -> str:
    return f"<!-- {name} -->\n"


def _put(text: str, name: str, lines: str) -> str:
    before, start, rest = text.partition(_start(name))
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{PAGE.name} has no place for {name}")
    return f"{before}{start}{lines}\n{end}{after}"


def main() -> None:
    """Renew the page."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
