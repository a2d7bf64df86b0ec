"""A real browser, headless: opens a page from disk, runs a probe inside it, and tells what the page did."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=6000",
)
DARK = ("--force-dark-mode", "--blink-settings=preferredColorScheme=0")
WATCH = """
window.seen = [];
addEventListener("error", (event) => seen.push(String(event.message || event.target)), true);
addEventListener("unhandledrejection", (event) => seen.push(String(event.reason)));
addEventListener("securitypolicyviolation", (event) =>
  seen.push(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
REPORT = """
addEventListener("load", () => {
  const press = (key) => (document.activeElement || document.body)
    .dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  let answer;
  try { answer = PROBE; } catch (error) { seen.push(String(error)); }
  const requests = performance.getEntriesByType("resource").map((entry) => entry.name);
  const told = JSON.stringify({ answer, errors: seen, requests });
  if (parent === window) document.documentElement.dataset.told = told;
  else parent.postMessage(told, "*");
});
"""
FRAME = """<!doctype html><iframe src="page.html" style="width:{width}px;height:900px"></iframe>
<script>addEventListener("message", (event) => {{ document.documentElement.dataset.told = event.data; }});</script>"""


@dataclass(frozen=True)
class Visit:
    """What the page answered to the probe, its errors, the addresses it asked for, and the browser's console."""

    answer: Any
    errors: list[str]
    requests: list[str]
    console: list[str]


def visit(page: str, folder: Path, probe: str, *, dark: bool = False, width: int | None = None) -> Visit:
    """Open the page from disk and evaluate the probe's expression in it; `width` in CSS pixels frames it narrowly."""
    (folder / "page.html").write_text(_watched(page, probe), encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    opened = folder / ("frame.html" if width else "page.html")
    command = [str(BROWSER), *FLAGS, *(DARK if dark else ()), f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, opened.as_uri()], capture_output=True, text=True, timeout=300, check=True)
    told = re.search(r'<html[^>]*\bdata-told="([^"]*)"', done.stdout)
    assert told, f"the page never answered: {done.stderr[-2000:]}"
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Visit(**json.loads(html.unescape(told.group(1))), console=console)


def _watched(page: str, probe: str) -> str:
    scripts = [WATCH, REPORT.replace("PROBE", f"({probe})")]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    page = page.replace("script-src ", f"script-src {allowed} ", 1)
    page = re.sub(r"(<title>)", lambda found: f"<script>{scripts[0]}</script>{found.group(1)}", page, count=1)
    start, end = page.rsplit("</body>", 1)
    return f"{start}<script>{scripts[1]}</script></body>{end}"
