"""The page of channels opens from disk in a real browser, shows a pair's components, and fits a narrow screen."""

import re

import pytest
from oracles.chromium import BROWSER, visit
from views.sample_carried import sample_carried
from views.sample_channels import sample_channels
from views.test_report import CONTRAST, assert_clean, outside

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


CLICK = """(() => {
  const at = (query) => document.querySelector(query);
  const steps = {};
  const plot = at("#plot-map-q");
  plot.emit("plotly_click", { points: [{ pointIndex: [0, 1] }] });
  const marks = () => plot.layout.shapes.filter((shape) => shape.name === "chosen");
  const chosen = () => marks().map((shape) => (shape.x0 + shape.x1) / 2);
  steps.clicked = [at("#mode-q h3").textContent, at("#mode-q .sender").value, at("#mode-q .receiver").value, chosen()];
  plot.emit("plotly_click", { points: [{ pointIndex: [1, 0] }] });
  steps.silent = [at("#mode-q .told").textContent, at("#mode-q .scroll").hidden];
  at("#strongest a[data-place]").click();
  steps.followed = at("#mode-q h3").textContent;
  steps.rows = [...document.querySelectorAll("#mode-q tbody tr")].map((row) => row.children[0].textContent);
  const visible = () => [...document.querySelectorAll("#strongest tbody tr")].filter((row) => !row.hidden)
    .map((row) => row.dataset.mode);
  steps.all = visible();
  at("#mode").value = "k";
  at("#mode").dispatchEvent(new Event("change"));
  steps.keys = [visible(), at("#count").textContent];
  Plotly.relayout(plot, { "xaxis.range": [-0.5, 0.5] });
  plot.emit("plotly_relayout", { "xaxis.range[0]": -0.5 });
  steps.zoomed = plot.layout.xaxis.ticktext;
  return steps;
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


CARRIED = """(() => {
  const links = [...document.querySelectorAll("#carried a[data-sender]")];
  links[1].click();
  const keys = document.querySelector("#mode-k h3").textContent;
  const rows = [...document.querySelectorAll("#carried table")].map((table) => table.tBodies[0].rows.length);
  return { keys, rows, grey: document.querySelectorAll("#carried tr.noise").length,
           text: document.querySelector("#carried").innerText };
})()"""


@pytest.fixture(scope="module")
def with_carried():
    return render_channels(sample_channels().model_copy(update={"carried": sample_carried()}))


def test_a_page_without_what_channels_carry_has_no_such_section(page, with_carried):
    assert 'id="carried"' not in page and "#carried" not in page.split("<script")[0].split("</style>")[1]
    assert 'id="carried"' in with_carried and 'href="#carried"' in with_carried
    assert "&lt;script&gt;</span>" in with_carried


@needs_browser
def test_what_a_channel_carries_is_shown_and_its_name_leads_to_its_pair(with_carried, tmp_path):
    seen = visit(with_carried, tmp_path, CARRIED)
    assert_clean(seen)
    assert seen.answer["keys"] == "0.0 → 2.1, keys" and seen.answer["rows"] == [2, 2, 1, 2]
    assert seen.answer["grey"] == 1
    for said in ("owner=third", "0.84", "7 of 20", "12: −0.71", "48,597 tokens of tales", "beyond both nulls: owner"):
        assert said in seen.answer["text"], said


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_channels_carry_can_be_read_in_both_modes_and_fits_a_narrow_screen(with_carried, tmp_path, dark):
    seen = visit(with_carried, tmp_path, CONTRAST, dark=dark)
    assert_clean(seen)
    assert seen.answer["worst"][0] >= 4.5, seen.answer["worst"]
    narrow = visit(with_carried, tmp_path, STRUCTURE, dark=dark, width=380)
    scrolled, inner = narrow.answer["width"]
    assert_clean(narrow)
    assert scrolled <= inner and narrow.answer["dangling"] == 0


@needs_browser
def test_another_pair_is_chosen_without_a_mouse(page, tmp_path):
    assert "0.0 → 2.1" in visit(page, tmp_path, CHOOSE).answer


@needs_browser
def test_a_click_shows_a_pair_a_name_leads_to_its_pair_and_the_table_is_filtered(page, tmp_path):
    seen = visit(page, tmp_path, CLICK)
    assert_clean(seen)
    steps = seen.answer
    assert steps["clicked"] == ["0.0 → 2.1, queries", "0", "1", [1]]
    assert "cannot read it" in steps["silent"][0] and steps["silent"][1]
    assert steps["followed"] == "0.0 → 1.0, queries" and steps["rows"]
    assert set(steps["keys"][0]) == {"k"} < set(steps["all"]) and "largest z first" in steps["keys"][1]
    assert steps["zoomed"] == ["1.0"]


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_modes(page, tmp_path, dark):
    seen = visit(page, tmp_path, CONTRAST, dark=dark)
    assert_clean(seen)
    assert seen.answer["seen"] > 60 and seen.answer["worst"][0] >= 4.5, seen.answer["worst"]


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_a_narrow_screen(page, tmp_path, dark):
    seen = visit(page, tmp_path, STRUCTURE, dark=dark, width=380)
    assert_clean(seen)
    scrolled, inner = seen.answer["width"]
    assert scrolled <= inner and seen.answer["figures"] == f"4 {'dark' if dark else 'light'}"
