"""The page in a real headless browser: nothing runs, nothing is fetched, everything is drawn."""

from __future__ import annotations

import http.server
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from solver.plan import Plan
from solver.problem import Problem
from solver.report.html import page
from tests.report.report_hostile import poisoned

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH: install the package chromium")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]


class Listener(http.server.ThreadingHTTPServer):
    """A web server that stands in for the whole internet and writes down who calls."""

    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    """Notes each request and answers with nothing."""

    server: Listener

    def do_GET(self) -> None:
        """Note the address asked for."""
        self.server.asked.append(self.path)
        self.send_error(404)

    do_CONNECT = do_POST = do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


@pytest.fixture
def internet() -> Iterator[Listener]:
    """A proxy through which every request of the browser would have to go."""
    server = Listener(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def browse(path: Path, internet: Listener, *more: str) -> tuple[str, str]:
    """What the browser prints, and its console, after loading the file with every connection through the listener."""
    profile = path.parent / "profile"
    proxy = f"--proxy-server=127.0.0.1:{internet.server_port}"
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", proxy, "--proxy-bypass-list=<-loopback>"]
    command += ["--enable-logging=stderr", *more, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def theirs(internet: Listener) -> list[str]:
    """Requests made for the page, not by the browser for itself."""
    return [a for a in internet.asked if "evil.test" in a or "file" in a]


def test_page_from_a_file(problem: Problem, plan: Plan, internet: Listener, tmp_path: Path) -> None:
    """Opened from disk it is whole: all figures are in the document, and no request was made."""
    path = tmp_path / "report.html"
    path.write_text(page(problem, plan), encoding="utf-8")
    dom, console = browse(path, internet, "--dump-dom")
    assert console == ""
    assert dom.count("<svg") == 10
    assert "What these figures rest on" in dom
    assert "<title>Fleet plan: acme-2027</title>" in dom
    assert theirs(internet) == []


def test_hostile_page_runs_nothing(internet: Listener, tmp_path: Path) -> None:
    """A hundred payloads in every text cell: the title stays, no policy had to step in, nothing was asked for."""
    problem, plan = poisoned()
    path = tmp_path / "report.html"
    path.write_bytes(page(problem, plan).encode("utf-8", "replace"))
    dom, console = browse(path, internet, "--dump-dom")
    assert console == ""
    assert (found := re.search(r"<title>(.*?)</title>", dom, re.DOTALL))
    assert found[1].startswith("Fleet plan: ")
    assert "<script" not in dom.lower()
    assert theirs(internet) == []


def test_the_test_can_fail(internet: Listener, tmp_path: Path) -> None:
    """The same browser runs a script and asks for a picture where a page has them, and says so where it may not."""
    bad = "<title>a</title><img src='http://evil.test/x.png'><script>document.title='pwned'</script>"
    path = tmp_path / "bad.html"
    path.write_text(bad)
    dom, _ = browse(path, internet, "--dump-dom")
    assert "<title>pwned</title>" in dom
    assert [a for a in theirs(internet) if a.endswith("x.png")]
    path.write_text("<meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">" + bad)
    dom, console = browse(path, internet, "--dump-dom")
    assert "<title>a</title>" in dom
    assert "Content Security Policy" in console


def test_picture_is_not_blank(problem: Problem, plan: Plan, internet: Listener, tmp_path: Path) -> None:
    """A screenshot shows the option colours, the map's bubbles and dark text."""
    import matplotlib.image

    path, shot = tmp_path / "report.html", tmp_path / "shot.png"
    path.write_text(page(problem, plan), encoding="utf-8")
    browse(path, internet, "--window-size=1120,4600", f"--screenshot={shot}")
    pixels = (matplotlib.image.imread(shot)[:, :, :3] * 255).round().astype(int)
    assert pixels.shape[:2] == (4600, 1120)
    for colour, least in (((0xD7, 0x9A, 0x35), 20_000), ((0x35, 0x6F, 0x9C), 20_000), ((0x3C, 0x9A, 0x86), 2_000)):
        assert (abs(pixels - colour).max(axis=2) <= 2).sum() > least
    assert (pixels.max(axis=2) < 80).sum() > 10_000
