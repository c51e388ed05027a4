"""report.html: one offline page, facts in words, and no name that becomes markup."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from solver.plan import Certificate, Plan
from solver.problem import Problem
from solver.report.cells import clean
from solver.report.html import fragment, page
from solver.table import Table
from tests.report.report_hostile import PAYLOADS, poisoned

TAGS = frozenset(
    {
        "html",
        "head",
        "meta",
        "link",
        "title",
        "style",
        "body",
        "main",
        "header",
        "section",
        "p",
        "h1",
        "h2",
        "h3",
        "dl",
        "dt",
        "dd",
        "div",
        "strong",
        "small",
        "span",
        "br",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "figure",
        "figcaption",
        "svg",
        "g",
        "path",
        "rect",
        "circle",
        "line",
        "text",
        "desc",
    }
)
ATTRIBUTES = frozenset(
    {
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "rel",
        "href",
        "class",
        "style",
        "colspan",
        "id",
        "role",
        "aria-labelledby",
        "viewbox",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
        "d",
        "width",
        "height",
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "text-anchor",
    }
)


class Reader(HTMLParser):
    """Tags, attributes and text as a browser would take them apart."""

    def __init__(self, source: str) -> None:
        """Read the whole source."""
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag and its attributes."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text.append(data)


def words(source: str) -> str:
    """The page's text in one line."""
    return re.sub(r"\s+", " ", " ".join(Reader(source).text))


def check_harmless(source: str) -> Reader:
    """Only the page's own tags and attributes; no address but the empty icon; ids differ."""
    read = Reader(source)
    assert {tag for tag, _ in read.tags} <= TAGS
    for tag, attributes in read.tags:
        assert set(attributes) <= ATTRIBUTES, (tag, attributes)
        assert attributes.get("href") in {None, "data:,"}
        assert re.fullmatch(r"(background:#[0-9a-f]{6}|text-align:right)?", attributes.get("style") or "")
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))
    return read


def test_page_says_what_the_plan_says(problem: Problem, plan: Plan) -> None:
    """Headline, certificate, fleet, ways, bill, excuses and provenance stand on the page."""
    text = words(page(problem, plan))
    total = f"${plan.total_usd:,.2f}"
    for fact in (
        total,
        f"no plan over these offers costs less than ${plan.certificate.lower_usd:,.2f}; gap 0.4 %.",
        "The search stopped at the gap asked for.",
        "6.5 (peak 9)",
        "1-year commitment + on demand",
        "$0.412",
        "plan saves 23.7 %",
        "breaks the quota nebius/eu-north1/gpu-h100-sxm-8",
        "75 options were considered",
        "70 GiB of weights, 40 GiB of HBM",
        "needs 61 days, the window has 42",
        "Warning: 12 spot prices are older than 180 days",
        "c4" * 32,
        "Amortised: an upfront payment is spread evenly",
    ):
        assert fact in text.replace("\u00a0", " "), fact


def test_headline_names_the_best_fair_way(problem: Problem, plan: Plan) -> None:
    """The saving is against the cheapest way that keeps every limit, not against the dearest or a forbidden one."""
    assert "Saved 23.7 % against “all on demand”" in words(page(problem, plan)).replace("\u00a0", " ")


def test_month_sums_on_the_page(problem: Problem, plan: Plan) -> None:
    """Each month's sum, from the bill."""
    text = words(page(problem, plan))
    months = plan.cost_lines["period"]
    for period in plan.periods:
        cents = round(sum(plan.cost_lines["micro_usd"][months == period].tolist()) / 10_000)
        assert f"${cents // 100:,}.{cents % 100:02d}" in text


def test_page_is_offline_and_without_script(problem: Problem, plan: Plan) -> None:
    """A strict policy, and nothing on the page that it would have to stop."""
    source = page(problem, plan)
    check_harmless(source)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in source
    assert not re.search(r"https?://|@import|url\(|<script|javascript:", source)


def test_same_plan_same_page(problem: Problem, plan: Plan) -> None:
    """No clock and no random id in the page."""
    assert page(problem, plan) == page(problem, plan)


def test_figures_have_names(problem: Problem, plan: Plan) -> None:
    """Every picture has a title and a description that its label points to."""
    read = Reader(page(problem, plan))
    ids = {a["id"] for _, a in read.tags if "id" in a}
    pictures = [a for tag, a in read.tags if tag == "svg"]
    assert len(pictures) == 10  # ways, two over time, map, five pools, tornado
    for attributes in pictures:
        assert attributes["role"] == "img"
        assert set((attributes["aria-labelledby"] or "").split()) <= ids


def test_infeasible_page(problem: Problem, infeasible: Plan) -> None:
    """Conflicts with their price come first, and no cost is shown for what is no plan."""
    source = page(problem, infeasible)
    check_harmless(source)
    text = words(source)
    assert "No plan is possible as the requirements stand." in text
    assert "quota[aws/us-east-1/p5.48xlarge, 2027-03] 3 nodes $64.25" in text
    assert "$0.004" in text
    assert "A month" not in text
    assert "Proved" not in text


def test_no_bound_is_said_so(problem: Problem, plan: Plan) -> None:
    """A plan without a certificate does not look proved."""
    bare = dataclasses.replace(plan, certificate=Certificate(kind="none", lower_micro_usd=0, upper_micro_usd=1))
    text = words(page(problem, bare))
    assert "No bound was proved: a cheaper plan may exist." in text
    assert "Proved: no plan" not in text


def test_page_without_ways_excuses_or_commitments(problem: Problem, plan: Plan) -> None:
    """Sections without content are left out, not shown empty."""
    firm = plan.purchases.take(plan.purchases["kind"] == "on_demand")
    bare = dataclasses.replace(plan, ways=Table({}), excuses=Table({}), purchases=firm)
    source = page(problem, bare)
    check_harmless(source)
    for title in ("Against the usual ways", "What was not taken", "Commitments against the load"):
        assert title not in source


def test_hostile_names_are_only_text() -> None:
    """A payload in every text cell: the tags are the page's own, and the payloads stand there to read."""
    problem, plan = poisoned()
    read = check_harmless(page(problem, plan))
    text = "".join(read.text)
    for payload in PAYLOADS:
        assert clean(payload) in text, payload
    assert not any(ord(c) < 32 and c not in "\n\t" for c in text)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_each_hostile_name_in_the_fragment(plan: Plan, payload: str) -> None:
    """The notebook's view escapes the plan's name and every cell."""
    one = dataclasses.replace(plan, name=payload, fleet=plan.fleet.with_columns(workload=[payload] * len(plan.fleet)))
    read = check_harmless(fragment(one))
    assert clean(payload) in "".join(read.text)


def test_fragment_is_what_a_notebook_shows(plan: Plan, infeasible: Plan) -> None:
    """The cost, the proof, the fleet; or the conflicts."""
    assert plan._repr_html_() == fragment(plan)
    assert f"${plan.total_usd:,.0f} in all" in words(fragment(plan))
    assert "residency[search]" in words(fragment(infeasible))
    assert len(fragment(plan)) < 5_000
