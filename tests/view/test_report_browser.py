"""The report in a real browser: prints on A4, fits a phone. Skipped where no Chromium is installed."""

from __future__ import annotations

import html as markup
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vertebro.record import Run
from vertebro.view import report, report_compare

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
PHONE = 360  # CSS pixels


def _browse(page: Path, *options: str) -> str:
    offline = "--host-resolver-rules=MAP * ~NOTFOUND"
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", offline, *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def pages(run: Run, calm_run: Run) -> dict[str, str]:
    return {"report": report.render_report(run), "comparison": report_compare.render_comparison([run, calm_run])}


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_no_part_is_wider_than_a_phone(pages: dict[str, str], name: str, tmp_path: Path) -> None:
    frame = f'<iframe width="{PHONE}" height="700" srcdoc="{markup.escape(pages[name])}"></iframe>'
    script = "onload=()=>{document.title=document.querySelector('iframe').contentDocument.documentElement.scrollWidth}"
    page = tmp_path / "phone.html"
    page.write_text(f"<title>none</title>{frame}<script>{script}</script>", encoding="utf-8")
    found = re.search(r"<title>(\w+)</title>", _browse(page, "--dump-dom", "--virtual-time-budget=10000"))
    assert found is not None
    assert PHONE - 20 <= int(found.group(1)) <= PHONE


@pytest.mark.parametrize("name", ["report", "comparison"])
def test_page_prints_on_a4(pages: dict[str, str], name: str, tmp_path: Path) -> None:
    page, paper = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(pages[name], encoding="utf-8")
    _browse(page, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    printed = paper.read_bytes()
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert 3 <= len(boxes) <= 30
    for width, height in boxes:
        assert (float(width), float(height)) == pytest.approx((595, 842), abs=1.5)  # points
