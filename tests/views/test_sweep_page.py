"""The page of a sweep opens from disk in a real browser, asks no network, is read in both modes and narrowly."""

import re

import pytest
from oracles.chromium import BROWSER, visit
from views.sample_sweep import sample_sweep
from views.test_report import CONTRAST, assert_clean, outside

from mechlab.views.sweep_page import render_sweep

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

STRUCTURE = """(() => ({
  figures: document.documentElement.dataset.figures,
  drawn: [...document.querySelectorAll(".plot")].map((plot) => plot.querySelectorAll(".scatterlayer .trace").length),
  bars: document.querySelectorAll(".plot .yerror").length,
  named: [...document.querySelectorAll(".plot")].every((plot) => plot.ariaLabel.includes("against L0")),
  sections: [...document.querySelectorAll("main section[id]")].map((section) => section.id),
  dangling: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.hash)).length,
  sweep: JSON.parse(document.getElementById("sweep-data").textContent).sweep_id,
  width: [document.documentElement.scrollWidth, innerWidth],
}))()"""


@pytest.fixture(scope="module")
def page():
    return render_sweep(sample_sweep())


def test_the_same_data_give_the_same_bytes(page):
    assert render_sweep(sample_sweep()) == page


def test_the_page_names_no_address_outside_itself_and_holds_plotly_once(page):
    assert not re.search(r"https?:|//cdn|@import|url\(|<link[^>]*stylesheet", outside(page))
    assert page.count("plotly.js v") == 1


def test_every_member_stands_in_the_table_with_its_numbers(page):
    markup = outside(page)
    for group in sample_sweep().groups:
        assert f"{group.site}, {group.label}" in markup
        assert all(f"<code>{one.name}</code>" in markup for one in group.seeds)
    row = markup[markup.index("mlp_out.2, 512 features, k 16") :].split("</tr>")[0]
    assert "0.631" in row and "[0.611, 0.651]" in row and row.count("†") == 2
    row = markup[markup.index("mlp_out.2, 256 features, k 16") :].split("</tr>")[0]
    assert "†" not in row


def test_names_are_texts_and_not_markup(page):
    assert "&lt;tales&gt;" in outside(page) and "<tales>" not in page


@needs_browser
def test_the_page_opens_from_disk_whole(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE)
    assert_clean(seen)
    assert seen.answer["figures"] == "4 light"
    assert seen.answer["drawn"] == [5] * 4  # the front, and seeds and means of two sizes
    assert seen.answer["bars"] == 4 * 4
    assert seen.answer["named"]
    assert seen.answer["sections"] == ["site-0", "site-1", "notes", "members", "run", "next"]
    assert (seen.answer["dangling"], seen.answer["sweep"]) == (0, sample_sweep().sweep_id)


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_modes(page, tmp_path, dark):
    seen = visit(page, tmp_path, f"({{...{CONTRAST}, ...{STRUCTURE}}})", dark=dark)
    assert_clean(seen)
    assert seen.answer["seen"] > 100
    assert seen.answer["worst"][0] >= 4.5, seen.answer["worst"]
    assert seen.answer["figures"] == ("4 dark" if dark else "4 light")


@needs_browser
def test_a_narrow_screen_never_scrolls_sideways(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE, width=420)
    assert_clean(seen)
    width, window = seen.answer["width"]
    assert window == 420 and width <= window
