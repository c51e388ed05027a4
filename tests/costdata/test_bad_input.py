"""Overrides that cannot be used: each names file, row and column, and the mend."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import costdata
from costdata import Catalog, DataError, overrides
from tests.costdata.conftest import Writer

GOOD = {
    "offers": {
        "provider": "aws",
        "region": "us-east-1",
        "node": "p5.48xlarge",
        "option": "commit_1y_partial_upfront",
        "price_per_hour": "10",
        "currency": "USD",
        "upfront": "5",
        "free": "no",
        "zones": "2",
        "interruptions_per_month": "0",
        "valid_from": "2026-01-01",
        "source": "deal",
    },
    "discounts": {
        "provider": "aws",
        "region": "us-east-1",
        "node": "*",
        "option": "*",
        "percent": "5",
        "fee_per_hour": "0.1",
        "currency": "USD",
        "source": "x",
    },
    "nodes": {
        "provider": "onprem",
        "node": "dgx",
        "accelerator": "H100",
        "accelerators": "8",
        "vcpus": "224",
        "ram_gib": "2048",
        "nic_gbit_per_s": "3200",
        "scaleup_gb_per_s": "450",
        "scaleup_domain": "8",
        "power_w": "8000",
        "source": "x",
    },
    "regions": {
        "provider": "onprem",
        "region": "hall-1",
        "location": "Hall",
        "country": "DE",
        "latitude": "50.1",
        "longitude": "8.7",
        "zones": "1",
        "g_co2_per_kwh": "330",
        "source": "x",
    },
    "carbon": {"provider": "aws", "region": "us-east-1", "hour_utc": "13", "g_co2_per_kwh": "120.5", "source": "x"},
    "quotas": {"provider": "aws", "region": "us-east-1", "node": "p5.48xlarge", "kind": "any", "max_nodes": "4"},
    "commitments": {
        "provider": "aws",
        "region": "us-east-1",
        "node": "p5.48xlarge",
        "option": "commit_1y",
        "nodes": "2",
        "price_per_hour": "30",
        "usd_per_hour": "",
        "currency": "USD",
        "upfront": "0",
        "free": "no",
        "payment": "no_upfront",
        "starts": "2026-03-01",
        "ends": "2027-03-01",
        "renewable": "no",
        "account": "research",
        "source": "x",
    },
    "fx": {"currency": "EUR", "usd_per_unit": "1.1", "valid_from": "2026-01-01", "source": "bank"},
}
NUMERIC = {
    "offers": ["price_per_hour", "upfront", "zones", "interruptions_per_month"],
    "discounts": ["percent", "fee_per_hour"],
    "nodes": ["accelerators", "vcpus", "ram_gib", "nic_gbit_per_s", "scaleup_gb_per_s", "scaleup_domain", "power_w"],
    "regions": ["latitude", "longitude", "zones", "g_co2_per_kwh"],
    "carbon": ["hour_utc", "g_co2_per_kwh"],
    "quotas": ["max_nodes"],
    "commitments": ["nodes", "price_per_hour", "usd_per_hour", "upfront"],
    "fx": ["usd_per_unit"],
}
NO_NUMBERS = [
    *("nan", "NaN", "inf", "-inf", "Infinity", "1e-9", "1e9", "1E5", "1,234.5", "1.234,5", "1_000", "True", "false"),
    *("0x10", "１２", "½", "1/2", "$5", "5 USD", "+5", "--5", "=1+1", "٣", "1.", ".5", "999999999999", "1000000000"),
    *("0.00000000001", "null", "None", "n/a", "-", "5%", "9999999", "700000000.0"),
]
NAMES = {
    "offers": ["provider", "region", "node", "option"],
    "discounts": ["provider", "region", "option"],
    "nodes": ["accelerator"],
    "regions": ["country"],
    "carbon": ["provider", "region"],
    "quotas": ["provider", "region", "node", "kind"],
    "commitments": ["provider", "region", "node", "option", "payment"],
}
JUNK = [
    "=HYPERLINK(1)",
    "@SUM(A1)",
    "+1",
    "-x",
    "＝1",
    "a\u202eb",
    "a\u200bb",
    "x" * 300,
    "../../etc",
    "<script>",
    "no such",
]


def table(stem: str, **changed: str) -> str:
    """A good row, some of its cells changed."""
    row = {**GOOD[stem], **changed}
    quoted = ['"' + value.replace('"', '""') + '"' for value in row.values()]
    return ",".join(row) + "\n" + ",".join(quoted) + "\n"


@cache
def packaged_catalog() -> Catalog:
    """Loaded once: the cases differ in the folder alone."""
    return costdata.load()


def fault(folder: Path) -> DataError:
    """The one error a folder raises when it is put on top of the packaged tables."""
    with pytest.raises(DataError) as caught:
        overrides.applied(packaged_catalog(), folder)
    return caught.value


def refusal(folder: Path) -> DataError | None:
    """The typed error of a folder, if it has one; any other is a test's failure."""
    try:
        overrides.applied(packaged_catalog(), folder)
    except DataError as error:
        return error
    return None


@pytest.mark.parametrize("stem", GOOD)
def test_the_good_row_is_good(folder: Writer, stem: str) -> None:
    """What the cases below change one cell of."""
    assert list(GOOD[stem]) == list(overrides.tables()[stem])
    costdata.load(overrides=folder(**{stem: table(stem)}))


@pytest.mark.parametrize(("stem", "column"), [(stem, name) for stem, names in NUMERIC.items() for name in names])
def test_no_number(folder: Writer, stem: str, column: str) -> None:
    """Every kind of non-number in every numeric column."""
    for value in NO_NUMBERS:
        error = fault(folder(**{stem: table(stem, **{column: value})}))
        assert error.where == f"{stem}.csv, row 2, column {column}", value
        assert error.mend


@pytest.mark.parametrize(("stem", "column"), [(stem, name) for stem, names in NUMERIC.items() for name in names])
def test_below_zero(folder: Writer, stem: str, column: str) -> None:
    """Only degrees may be negative."""
    for value in ("-1", "-0.5", "-95.1" if column == "latitude" else "-180.1"):
        if column in {"latitude", "longitude"} and len(value) < 5:
            continue
        assert fault(folder(**{stem: table(stem, **{column: value})})).where.endswith(f"column {column}")


@pytest.mark.parametrize(("stem", "column"), [(stem, name) for stem, names in NAMES.items() for name in names])
def test_unknown_names_and_junk(folder: Writer, stem: str, column: str) -> None:
    """A formula, hidden characters, a path, a name nobody has."""
    for value in JUNK:
        error = fault(folder(**{stem: table(stem, **{column: value})}))
        assert error.where == f"{stem}.csv, row 2, column {column}", value
        assert error.mend
        assert str(error).isascii() or "\u202e" not in str(error)


@pytest.mark.parametrize(
    ("stem", "column", "value", "nearest"),
    [
        ("offers", "region", "us-est-1", "us-east-1"),
        ("offers", "node", "p5.48xlarg", "p5.48xlarge"),
        ("offers", "option", "commit1y", "commit_1y"),
        ("nodes", "accelerator", "H1OO", "H100"),
        ("quotas", "provider", "azur", "azure"),
        ("quotas", "kind", "ondemand", "on_demand"),
        ("regions", "country", "DEU", "DE"),
        ("discounts", "region", "us-esat-1", "us-east-1"),
        ("commitments", "option", "spot", "known"),
        ("commitments", "option", "compute_saving_1y", "compute_savings_1y"),
        ("commitments", "payment", "upfront", "no_upfront"),
    ],
)
def test_the_nearest_is_suggested(folder: Writer, stem: str, column: str, value: str, nearest: str) -> None:
    """A slip of the pen is mended from the message."""
    assert nearest in fault(folder(**{stem: table(stem, **{column: value})})).mend


@pytest.mark.parametrize(
    ("stem", "changed", "column", "said"),
    [
        ("offers", {"price_per_hour": "0", "upfront": "0", "option": "on_demand"}, "price_per_hour", "zero"),
        ("offers", {"free": "yes"}, "free", "free, and a price"),
        ("offers", {"free": "true"}, "free", "unknown"),
        ("offers", {"price_per_hour": "5001"}, "price_per_hour", "more than"),
        ("offers", {"price_per_hour": "9999.99"}, "price_per_hour", "placeholder"),
        ("offers", {"price_per_hour": ""}, "price_per_hour", "empty"),
        ("offers", {"option": "on_demand"}, "upfront", "no commitment"),
        ("offers", {"upfront": "0"}, "upfront", "without money upfront"),
        ("offers", {"currency": "EURO"}, "currency", "no rate"),
        ("offers", {"currency": "usd"}, "currency", "no rate"),
        ("offers", {"valid_from": "2026-02-30"}, "valid_from", "not a day"),
        ("offers", {"valid_from": "20260101"}, "valid_from", "not a day"),
        ("offers", {"zones": "1.5"}, "zones", "decimals"),
        ("offers", {"zones": "0"}, "zones", "between"),
        ("discounts", {"percent": "100"}, "percent", "between"),
        ("discounts", {"percent": "0", "fee_per_hour": "0"}, "", "neither"),
        ("discounts", {"option": "commit_3y_all_upfront"}, "", "matches no offer"),
        ("discounts", {"node": "h100*"}, "", "matches no offer"),
        ("nodes", {"accelerators": "0"}, "accelerators", "without a number"),
        ("nodes", {"accelerator": ""}, "accelerators", "without a number"),
        ("nodes", {"scaleup_gb_per_s": ""}, "scaleup_gb_per_s", "no link"),
        ("nodes", {"provider": "aws", "node": "p5.48xlarge"}, "node", "already"),
        ("nodes", {"node": "a/b"}, "node", "/ or *"),
        ("nodes", {"node": "*"}, "node", "/ or *"),
        ("nodes", {"power_w": ""}, "power_w", "empty"),
        ("regions", {"provider": "gcp", "region": "us-central1"}, "region", "already"),
        ("regions", {"latitude": "91"}, "latitude", "degrees"),
        ("quotas", {"max_nodes": "2.5"}, "max_nodes", "decimals"),
        ("commitments", {"ends": "2026-03-01"}, "ends", "no term"),
        ("commitments", {"ends": "2050-03-01"}, "ends", "no term"),
        ("commitments", {"nodes": "0"}, "nodes", "between"),
        ("commitments", {"price_per_hour": "0"}, "price_per_hour", "zero"),
        ("commitments", {"nodes": ""}, "nodes", "empty"),
        ("commitments", {"price_per_hour": ""}, "price_per_hour", "empty"),
        ("commitments", {"node": ""}, "node", "unknown node"),
        ("commitments", {"region": ""}, "region", "unknown region"),
        ("commitments", {"usd_per_hour": "30"}, "usd_per_hour", "commits to whole nodes"),
        ("commitments", {"option": "flexible_cud_1y"}, "option", "sells no"),
        ("commitments", {"upfront": "5"}, "payment", "say partial_upfront"),
        ("commitments", {"payment": "all_upfront"}, "payment", "say no_upfront"),
        ("commitments", {"upfront": "440000000"}, "upfront", "between"),
        ("commitments", {"renewable": "true"}, "renewable", "unknown"),
        ("offers", {"option": "compute_savings_1y", "price_per_hour": "10"}, "upfront", "nothing upfront"),
        ("offers", {"option": "flexible_cud_1y", "upfront": ""}, "option", "sells no"),
        ("offers", {"upfront": "440000000"}, "upfront", "between"),
        ("fx", {"usd_per_unit": "0"}, "usd_per_unit", "between"),
    ],
)
def test_a_row_that_cannot_be(folder: Writer, stem: str, changed: dict[str, str], column: str, said: str) -> None:
    """Values that are numbers and names, and yet make no sense."""
    error = fault(folder(**{stem: table(stem, **changed)}))
    assert error.where == f"{stem}.csv, row 2" + (f", column {column}" if column else "")
    assert said in error.message
    assert error.mend


@pytest.mark.parametrize("stem", GOOD)
def test_a_key_twice(folder: Writer, stem: str) -> None:
    """The second row says where the first one stands."""
    text = table(stem)
    error = fault(folder(**{stem: text + text.split("\n")[1] + "\n"}))
    assert error.where == f"{stem}.csv, row 3"
    assert "row 2" in error.message


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        (b"", "row 1", "no column"),
        (b"provider,region\n", "row 1", "no column"),
        (b"provider,region,node,price_per_hour,prise\n", "row 1", "unknown column 'prise'"),
        (b"provider,provider,region,node,price_per_hour\n", "row 1", "twice"),
        (b"provider,region,node,price_per_hour\naws,us-east-1,p5.48xlarge\n", "row 2", "3 cells"),
        (b"provider,region,node,price_per_hour\naws,us-east-1,p5.48xlarge,1,234.5\n", "row 2", "5 cells"),
        (b'provider,region,node,price_per_hour\naws,us-east-1,"p5.48xlarge,1\n', "row 2", "not a CSV"),
        (b"provider,region,node,price_per_hour\naws,us-east-1,p5.48xlarge,1\x00\n", "row 2", "control character"),
        (b"provider,region,node,price_per_hour\naws,us-east-1,p5\x1b[2J,1\n", "row 2", "control character"),
        (b"provider,region,node,price_per_hour\naws,us-east-1,p\xe9,1\n", "row 2", "not UTF-8"),
        ("provider,region,node,price_per_hour\n".encode("utf-16"), "row 1", "not UTF-8"),
        (b"provider,region,node,price_per_hour\n" + b"x" * 6_000_000, "", "larger than"),
        (b"provider,region,node,price_per_hour\n" + b"x" * 200_000 + b",,,\n", "row", "field larger than"),
        (b"PK\x03\x04rest of a zip", "row 1", "control character"),
        (b"\x1f\x8b\x08\x00 gzip", "row 1", "not UTF-8"),
    ],
)
def test_a_file_that_is_no_table(folder: Writer, text: bytes, where: str, said: str) -> None:
    """Headers, quotes, encodings, sizes, other formats under the name."""
    own = folder()
    (own / "offers.csv").write_bytes(text)
    error = fault(own)
    assert error.where.startswith("offers.csv")
    assert where in error.where
    assert said in error.message


def test_line_ends_and_a_byte_order_mark_are_fine(folder: Writer) -> None:
    """What spreadsheets write."""
    own = folder()
    text = "\ufeffprovider,region,node,price_per_hour\r\naws,us-east-1,p5.48xlarge,1.5\r\n"
    (own / "offers.csv").write_bytes(text.encode())
    assert costdata.load(overrides=own).offers.micro_usd_per_hour.min() > 0


def test_links_and_devices_are_not_followed(folder: Writer, tmp_path: Path) -> None:
    """A symbolic link, a pipe and a folder under the name of a table."""
    target = tmp_path / "elsewhere.csv"
    target.write_text(table("quotas"), encoding="utf-8")
    own = folder()
    (own / "quotas.csv").symlink_to(target)
    assert "symbolic link" in fault(own).message
    (own / "quotas.csv").unlink()
    os.mkfifo(own / "quotas.csv")
    assert "not a regular file" in fault(own).message
    (own / "quotas.csv").unlink()
    (own / "quotas.csv").mkdir()
    assert fault(own).where == "quotas.csv"


@pytest.mark.parametrize(
    "name", ["", "no/such/folder", "/etc/passwd", "../../../../proc", "\x00", "CON", "file:///etc", "x" * 5000]
)
def test_a_folder_that_is_none(name: str) -> None:
    """Missing, a file, a folder without tables, names no system takes."""
    with pytest.raises(DataError) as caught:
        costdata.load(overrides=name)
    assert caught.value.where.startswith("overrides")
    assert caught.value.mend
    assert len(str(caught.value)) < 6000


def test_a_misspelt_table_is_not_passed_over(folder: Writer) -> None:
    """Nobody's discounts go missing."""
    error = fault(folder(discount=table("discounts")))
    assert "discounts.csv" in error.mend
    assert "discount.csv" in error.message


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stem=st.sampled_from(sorted(GOOD)), data=st.data())
def test_any_cells_are_read_or_refused(folder: Writer, stem: str, data: st.DataObject) -> None:
    """Whatever stands in the cells, only the typed error gets out."""
    own = folder()
    for path in own.iterdir():
        path.unlink()
    names = data.draw(st.lists(st.sampled_from(sorted(GOOD[stem])), min_size=1, max_size=3, unique=True))
    text = table(stem, **{name: data.draw(st.text(max_size=12)) for name in names})
    (own / f"{stem}.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
    error = refusal(own)
    assert error is None or (error.where and error.mend)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(folder: Writer, content: bytes) -> None:
    """A file of noise."""
    own = folder()
    (own / "quotas.csv").write_bytes(content)
    error = refusal(own)
    assert error is None or error.where.startswith("quotas.csv")
