"""The page of steered texts opens from disk in a real browser, asks no network, is read in both modes and narrowly."""

import re

import pytest
from oracles.chromium import BROWSER, visit
from views.sample_steering import sample_steering
from views.test_report import CONTRAST, assert_clean, outside

from mechlab.views.steering_page import render_steering

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

STRUCTURE = """(() => ({
  figures: document.documentElement.dataset.figures,
  drawn: [...document.querySelectorAll(".plot")].map((plot) => plot.querySelectorAll(".scatterlayer .trace").length),
  sections: [...document.querySelectorAll("main section[id]")].map((section) => section.id),
  dangling: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.hash)).length,
  different: [...document.querySelectorAll("ins")].map((part) => part.textContent),
  ways: JSON.parse(document.getElementById("steering-data").textContent).ways.length,
  width: [document.documentElement.scrollWidth, innerWidth],
}))()"""


@pytest.fixture(scope="module")
def page():
    return render_steering(sample_steering())


def test_the_same_data_give_the_same_bytes(page):
    assert render_steering(sample_steering()) == page


def test_the_page_names_no_address_outside_itself_and_holds_plotly_once(page):
    assert not re.search(r"https?:|//cdn|@import|url\(|<link[^>]*stylesheet", outside(page))
    assert page.count("plotly.js v") == 1


def test_texts_alone_need_no_figure():
    page = render_steering(sample_steering().model_copy(update={"ways": (), "own": None}))
    assert "plotly.js v" not in page and 'id="trade"' not in page and "a warm day." in page


def test_every_way_stands_in_the_table_with_its_numbers(page):
    markup = outside(page)
    rows = {
        name: markup[markup.index(f'<th scope="row">{name}') :].split("</tr>")[0] for name in ("mean diff", "random")
    }
    for said in ("strength 4", "trend 0.9", "0.860", "[0.830, 0.890]", "9 %", "[8, 10]", "0.731", "0.0210", "3.4 %"):
        assert said in rows["mean diff"], said
    assert "no strength was worth it" in rows["random"]
    assert markup.count("† ") == 6  # strengths 2 and 4 of each way


def test_names_are_texts_and_not_markup(page):
    assert "&lt;observable&gt;" in outside(page) and "<observable>" not in page and "<snow>" not in page


@needs_browser
def test_the_page_opens_from_disk_whole(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE)
    assert_clean(seen)
    assert seen.answer["figures"] == "1 light" and seen.answer["drawn"] == [6]
    assert seen.answer["sections"] == ["texts", "trade", "ways", "notes", "run", "next"]
    assert seen.answer["different"] == ["<snow>.", "winter and cold."]
    assert (seen.answer["dangling"], seen.answer["ways"]) == (0, 3)


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_modes(page, tmp_path, dark):
    seen = visit(page, tmp_path, f"({{...{CONTRAST}, ...{STRUCTURE}}})", dark=dark)
    assert_clean(seen)
    assert seen.answer["seen"] > 60
    assert seen.answer["worst"][0] >= 4.5, seen.answer["worst"]
    assert seen.answer["figures"] == ("1 dark" if dark else "1 light")


@needs_browser
def test_a_narrow_screen_never_scrolls_sideways(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE, width=500)
    assert_clean(seen)
    width, window = seen.answer["width"]
    assert window == 500 and width <= window
