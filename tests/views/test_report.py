"""The report opens from disk in a real browser, asks no network, makes no error, and is read by keyboard."""

import hashlib
import re
import subprocess
import sys
from html import unescape
from itertools import pairwise

import pytest
from oracles.chromium import BROWSER, Visit, visit
from views.sample_report import estimate, sample_report, sample_site_norms

from mechlab.views.report import render_report
from mechlab.views.report_data import Context, FeatureCard, ReportData

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

SECTIONS = ["metrics", "notes", "features", "density", "causes", "steering", "training", "run", "next"]

KEYBOARD = """(() => {
  const $ = (query) => document.querySelector(query);
  const shown = () => [...document.querySelectorAll("article")].filter((a) => a.offsetParent).map((a) => a.id);
  const steps = {};
  const step = (name) => {
    const at = document.activeElement;
    steps[name] = { at: at.id || at.hash || at.tagName, shown: shown(), outline: getComputedStyle(at).outlineStyle };
  };
  steps.first_stop = document.querySelector("a, button, input").hash;
  press("j"); step("j");
  press("j"); step("jj");
  press("k"); step("k");
  press("ArrowDown"); step("down");
  press("ArrowUp"); step("up");
  press("Enter"); step("enter");
  press("/"); step("slash");
  press("j"); step("typing");
  $("#filter").value = "SNOW"; $("#filter").dispatchEvent(new Event("input")); step("search");
  steps.count = $("#count").textContent;
  steps.listed = [...document.querySelectorAll(".index li")].filter((li) => !li.hidden).length;
  $("#filter").value = "nothing has this"; $("#filter").dispatchEvent(new Event("input")); step("none");
  press("Escape"); step("escape");
  press("a"); steps.all = shown().length;
  press("a"); steps.one = shown().length;
  press("?"); steps.help = $("#keys").open;
  $("#keys button").click(); steps.closed = !$("#keys").open;
  return steps;
})()"""

STRUCTURE = """(() => ({
  figures: document.documentElement.dataset.figures,
  drawn: [...document.querySelectorAll(".plot")].map((plot) => Boolean(plot.querySelector("svg.main-svg"))),
  headings: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((h) => Number(h.tagName[1])),
  sections: [...document.querySelectorAll("main section[id]")].map((section) => section.id),
  dangling: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.hash)).length,
  unnamed: [...document.querySelectorAll("input, button, a")]
    .filter((element) => !(element.labels?.length || element.textContent.trim())).length,
  run: JSON.parse(document.getElementById("report-data").textContent).run_id,
  width: [document.documentElement.scrollWidth, innerWidth],
  paper: getComputedStyle(document.body).backgroundColor,
}))()"""

CONTRAST = """(() => {
  const parse = (text) => {
    const parts = text.match(/[-\\d.e]+/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [...parts.slice(0, 3).map((c) => c * scale), parts[3] ?? 1];
  };
  const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
  const ground = (element) => element === null ? [255, 255, 255]
    : over(parse(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  const light = (rgb) => rgb.map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let worst = [99, ""], seen = 0;
  press("a");
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, svg, noscript, dialog")) continue;
    const behind = ground(element);
    const ink = over(parse(getComputedStyle(element).color), behind);
    const [low, high] = [light(ink), light(behind)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    seen += 1;
    if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 120)];
  }
  return { worst, seen };
})()"""


def outside(page: str) -> str:
    """Return the page without its scripts' text: what the browser reads as markup."""
    return re.sub(r"<script([^>]*)>.*?</script>", r"<script\1></script>", page, flags=re.DOTALL)


def assert_clean(seen: Visit) -> None:
    assert (seen.errors, seen.requests, seen.console) == ([], [], [])


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(sample_report())


def test_the_same_data_give_the_same_bytes_in_another_process(page):
    code = (
        "import sys, hashlib; sys.path.insert(0, 'tests')\n"
        "from views.sample_report import sample_report\n"
        "from mechlab.views.report import render_report\n"
        "print(hashlib.sha256(render_report(sample_report()).encode()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(page.encode()).hexdigest()


def test_the_page_is_one_file_of_about_five_megabytes_with_plotly_once(page):
    assert 4.5e6 < len(page.encode()) < 5.3e6
    assert page.count("plotly.js v") == 1


def test_the_page_names_no_address_outside_itself(page):
    markup = outside(page)
    assert not re.search(r"https?:|//cdn|@import|url\(|<link[^>]*stylesheet", markup)
    assert set(re.findall(r'(?:src|href)="([^"#][^"]*)"', markup)) == {"data:,"}


def test_the_page_allows_only_the_scripts_it_was_written_with(page):
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    assert "default-src 'none'" in policy
    scripts = re.search(r"script-src ([^;]*);", policy).group(1)
    assert scripts.count("sha256-") == 3
    assert "unsafe" not in scripts


def test_every_metric_stands_with_interval_count_nulls_and_meaning(page):
    markup = outside(page)
    row = markup[markup.index("CE loss recovered<small>") :].split("</tr>")[0]
    for part in ("0.9871", "[0.9857, 0.9885]", ">512<", "mean activation 0.410", "zero ablation"):
        assert part in row


def test_a_report_with_nothing_but_a_title_is_a_page():
    bare = outside(render_report(ReportData(title="Bare", run_id="0", n_tokens=1)))
    assert "<h1>Bare</h1>" in bare
    assert 'id="features"' not in bare and 'class="plot"' not in bare


def test_a_lone_surrogate_is_written_out():
    data = sample_report(1).model_copy(update={"title": "half \ud83d"})
    assert "<h1>half \\ud83d</h1>" in render_report(data).encode("utf-8").decode()


@needs_browser
def test_the_page_opens_from_disk_whole(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE)
    assert_clean(seen)
    data = sample_report()
    assert seen.answer["figures"] == f"{len(data.curves) + 3} light"
    assert seen.answer["drawn"] == [True] * (len(data.curves) + 3)
    assert seen.answer["sections"] == SECTIONS
    headings = seen.answer["headings"]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(deeper - above <= 1 for above, deeper in pairwise(headings))
    assert (seen.answer["dangling"], seen.answer["unnamed"], seen.answer["run"]) == (0, 0, data.run_id)


@needs_browser
def test_the_page_is_read_by_keyboard(page, tmp_path):
    seen = visit(page, tmp_path, KEYBOARD)
    assert_clean(seen)
    steps, ids = seen.answer, [f"feature-{card.id}" for card in sample_report().features]
    assert steps["first_stop"] == "#main"
    for name, place in (("j", 1), ("jj", 2), ("k", 1), ("down", 2), ("up", 1)):
        assert steps[name] == {"at": f"#{ids[place]}", "shown": [ids[place]], "outline": "solid"}
    assert (steps["enter"]["at"], steps["enter"]["shown"]) == ("H3", [ids[1]])
    assert (steps["slash"]["at"], steps["typing"]["at"], steps["typing"]["shown"]) == ("filter", "filter", [ids[1]])
    snowy = [card for card in sample_report().features if "snow" in str(card.model_dump()).lower()]
    assert 0 < len(snowy) < 20
    assert steps["listed"] == len(snowy) and steps["count"] == f"{len(snowy)} of 20 features"
    assert steps["search"]["shown"] == [f"feature-{snowy[1].id}"] == [ids[1]], (
        "the shown feature stays while it is found"
    )
    assert (steps["none"]["shown"], steps["escape"]["at"]) == ([], f"#{steps['escape']['shown'][0]}")
    assert (steps["all"], steps["one"], steps["help"], steps["closed"]) == (20, 1, True, True)


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_modes(page, tmp_path, dark):
    seen = visit(page, tmp_path, f"({{...{CONTRAST}, ...{STRUCTURE}}})", dark=dark)
    assert_clean(seen)
    assert seen.answer["seen"] > 500
    assert seen.answer["worst"][0] >= 4.5, seen.answer["worst"]
    assert seen.answer["figures"].endswith("dark" if dark else "light")
    assert seen.answer["paper"] == ("rgb(21, 23, 26)" if dark else "rgb(252, 251, 248)")


@needs_browser
def test_a_narrow_screen_never_scrolls_sideways(tmp_path):
    data = sample_report(2).model_copy(update={"title": "A" * 90, "features": (long_card(),)})
    seen = visit(render_report(data), tmp_path, STRUCTURE, width=420)
    assert_clean(seen)
    width, window = seen.answer["width"]
    assert window == 420
    assert width <= window


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_of_several_sites_draws_where_features_write(tmp_path, dark):
    data = sample_report(2).model_copy(update={"site_norms": tuple(sample_site_norms()), "curves": ()})
    seen = visit(render_report(data), tmp_path, STRUCTURE, width=420, dark=dark)
    assert_clean(seen)
    assert "norms" in seen.answer["sections"] and seen.answer["dangling"] == 0
    assert seen.answer["drawn"] == [True] * (3 + 2)
    assert seen.answer["width"][0] <= 420


@needs_browser
def test_hostile_tokens_do_nothing_even_without_the_content_policy(tmp_path):
    attack = (
        "</script></title></style><img src=x onerror='seen.push(1)'><script>seen.push(2)</script>{{7*7}}\"' onload=x"
    )
    context = Context(tokens=[attack, attack], activations=[0.0, 1.0], focus=1)
    card = FeatureCard(id=1, density=0.5, max_activation=1.0, label=attack, note=attack, contexts=[context])
    data = sample_report(1)
    texts = {"title": attack, "summary": attack, "notes": (attack,), "citation": attack, "features": (card,)}
    rows = (
        data.metrics[0].model_copy(update={"name": attack, "meaning": attack, "estimate": estimate(1, 1, unit=attack)}),
    )
    hostile = ReportData(**(dict(data) | texts | {"metrics": rows, "headline": ()}))
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render_report(hostile))
    seen = visit(page, tmp_path, "[document.images.length, document.querySelector('mark').textContent, document.title]")
    assert_clean(seen)
    images, mark, title = seen.answer
    assert (images, mark) == (0, attack)
    assert title.startswith(attack)


def long_card() -> FeatureCard:
    context = Context(tokens=["x" * 200, " wide" * 40], activations=[1.0, 0.5], focus=0)
    return FeatureCard(
        id=999_999,
        density=0.2,
        max_activation=1.0,
        label="y" * 120,
        contexts=[context],
        positive_logits=[("z" * 80, 1.0)],
    )


def test_a_search_for_addresses_the_page_would_load_finds_none():
    page = render_report(sample_report(2))
    loads = re.compile(r"""(src|href)=["']?https?://|@import|url\(["']?https?://|from ["']https?://""")
    assert loads.search(page) is None
