"""The page of channels opens from disk in a real browser, shows a pair's components, and fits a narrow screen."""

import re

import pytest
from oracles.chromium import BROWSER, visit
from views.sample_channels import sample_channels
from views.test_report import assert_clean, outside

from mechlab.views.channel_page import render_channels

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

STRUCTURE = """(() => ({
  figures: document.documentElement.dataset.figures,
  cells: document.querySelectorAll(".heatmaplayer .hm").length,
  selects: document.querySelectorAll("select").length,
  dangling: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.hash)).length,
  text: document.querySelector("main").innerText,
  width: [document.documentElement.scrollWidth, innerWidth],
}))()"""
CHOOSE = """(() => {
  const selects = [...document.querySelectorAll("select")];
  const receiver = selects.find((one) => [...one.options].some((o) => o.text === "2.1"));
  receiver.value = [...receiver.options].find((o) => o.text === "2.1").value;
  receiver.dispatchEvent(new Event("change", { bubbles: true }));
  return document.querySelector("main section").innerText;
})()"""


@pytest.fixture(scope="module")
def page():
    return render_channels(sample_channels())


def test_the_same_data_give_the_same_bytes_and_name_no_address(page):
    assert render_channels(sample_channels()) == page
    assert not re.search(r"https?:|//cdn|@import|url\(|<link[^>]*stylesheet", outside(page))
    assert "&lt;tales&gt;" in outside(page) and "<tales>" not in page


@needs_browser
def test_it_opens_from_disk_whole(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE)
    assert_clean(seen)
    assert seen.answer["figures"] == "4 light" and seen.answer["cells"] == 2 and seen.answer["dangling"] == 0
    assert "0.0.3 -> 1.0 q" in seen.answer["text"] and "0.0 → 1.0" in seen.answer["text"]


@needs_browser
def test_another_pair_is_chosen_without_a_mouse(page, tmp_path):
    assert "0.0 → 2.1" in visit(page, tmp_path, CHOOSE).answer


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_narrow_screen(page, tmp_path, dark):
    seen = visit(page, tmp_path, STRUCTURE, dark=dark, width=380)
    assert_clean(seen)
    scrolled, inner = seen.answer["width"]
    assert scrolled <= inner and seen.answer["figures"] == f"4 {'dark' if dark else 'light'}"
