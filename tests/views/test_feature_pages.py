"""The pages of all features open from disk in a real browser, ask no network, and are read by keyboard."""

import json
import re
from html import unescape

import pytest
from oracles.chromium import BROWSER, visit
from views.sample_features import sample_about, sample_features
from views.test_report import CONTRAST, assert_clean, outside

from mechlab.store.run import REPORT_NAME
from mechlab.views.feature_pages import INDEX_NAME, part_name, render_feature_index, render_feature_part

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

LISTING = """(() => {
  const $ = (query) => document.querySelector(query);
  const listed = () => [...document.querySelectorAll("#lines tr[data-at]")].map((row) => Number(row.dataset.at));
  const set = (id, value, event) => { $(id).value = value; $(id).dispatchEvent(new Event(event)); };
  const steps = {};
  const step = (name) => {
    steps[name] = { listed: listed(), at: document.activeElement.textContent, count: $("#count").textContent };
  };
  step("start");
  press("j"); press("j"); press("ArrowDown"); press("k"); step("keys");
  set("#sort", "fires", "change"); step("fires"); press("r"); step("reversed"); press("r");
  set("#state", "dead", "change"); step("dead"); set("#state", "", "change"); step("all");
  set("#cause", "1", "change"); step("cause"); set("#cause", "", "change");
  press("/"); steps.slash = document.activeElement.id;
  set("#filter", "12", "input"); step("number"); set("#filter", "MOOD=sad", "input"); step("words");
  set("#filter", "nothing has this", "input"); step("none");
  press("Escape"); step("escape");
  press("?"); steps.help = $("#keys").open; $("#keys button").click();
  steps.cells = [...$("#lines tr").children].map((cell) => cell.textContent);
  steps.link = $("#lines a").getAttribute("href");
  steps.width = [document.documentElement.scrollWidth, innerWidth];
  steps.scripts = document.querySelectorAll("#lines script").length;
  return steps;
})()"""

SHOWING = """(() => {
  const $ = (query) => document.querySelector(query);
  const steps = {};
  const step = (name) => {
    steps[name] = { card: $("#card h3").textContent, at: document.activeElement.textContent, hash: location.hash };
  };
  step("start");
  steps.marks = [...document.querySelectorAll("#card .contexts li:first-child mark")].slice(0, 4)
    .map((one) => [one.textContent, one.style.getPropertyValue("--a"), one.className]);
  steps.first = $("#card .contexts p").textContent;
  steps.sections = [...document.querySelectorAll("#card h4")].map((h) => h.firstChild.textContent);
  steps.facts = $("#card .facts").textContent;
  steps.lost = [...document.querySelectorAll("#card .lost")].map((one) => one.textContent);
  steps.bars = document.querySelectorAll("#card rect").length;
  press("j"); step("next"); press("j"); step("dead"); steps.deadText = $("#card").textContent; press("k"); step("back");
  press("Enter"); steps.enter = document.activeElement.tagName;
  press("/"); $("#filter").value = "#12"; $("#filter").dispatchEvent(new Event("input"));
  steps.found = [...document.querySelectorAll("#index li:not([hidden]) a")].map((a) => Number(a.dataset.at));
  press("Escape"); steps.count = $("#count").textContent;
  press("?"); steps.help = $("#keys").open; $("#keys button").click();
  steps.width = [document.documentElement.scrollWidth, innerWidth];
  steps.scripts = document.querySelectorAll("#card script, #index script").length;
  return steps;
})()"""


@pytest.fixture(scope="module")
def index() -> str:
    return render_feature_index(sample_features(), sample_about())


@pytest.fixture(scope="module")
def part() -> str:
    return render_feature_part(sample_features(), sample_about(), 0)


def pages() -> list[str]:
    found = []
    for table in (sample_features(), sample_features(plain=True)):
        found += [render_feature_index(table, sample_about())]
        found += [render_feature_part(table, sample_about(), number) for number in range(2)]
    return found


def test_pages_name_no_address_outside_and_allow_their_own_scripts_alone():
    for page in pages():
        assert not re.search(r"https?:|//cdn|@import|url\(|<link[^>]*stylesheet", page)
        linked = set(re.findall(r'(?:src|href)="([^"#][^"]*)"', outside(page)))
        assert linked <= {"data:,", INDEX_NAME, part_name(0), part_name(1)}
        policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
        assert "default-src 'none'" in policy and policy.count("sha256-") == 2


def test_the_list_is_the_run_s_page_and_leads_to_every_part(index):
    assert INDEX_NAME == REPORT_NAME
    assert f'<a href="{part_name(0)}">0–127</a> <a href="{part_name(1)}">128–149</a>' in index


def test_texts_are_texts(index, part):
    for page in (index, part):
        data = re.search(r'id="feature-data">(.*?)</script>', page, re.DOTALL).group(1)
        assert "<" not in data and "<script>alert" in json.dumps(json.loads(data))
        assert "<script>alert" not in page
    assert "A note with &lt;b&gt;markup&lt;/b&gt;." in index


def test_equal_tables_give_equal_pages():
    assert pages() == pages()


@needs_browser
def test_features_are_listed_searched_filtered_and_sorted_by_keyboard(index, tmp_path):
    seen = visit(index, tmp_path, LISTING)
    assert_clean(seen)
    steps, columns = seen.answer, sample_features().columns
    fires, f1 = columns["fires"].tolist(), [round(value, 3) for value in columns["cause_f1"].tolist()]
    alive = [feature for feature in range(150) if fires[feature]]
    by_f1 = sorted(alive, key=lambda feature: (-f1[feature], feature))
    assert [f1[feature] for feature in steps["start"]["listed"]] == [f1[feature] for feature in by_f1]
    assert steps["start"]["count"] == "100 of 150 features"
    assert steps["keys"]["at"] == f"#{steps['start']['listed'][1]}"
    assert steps["fires"]["listed"] == sorted(alive, key=lambda feature: (-fires[feature], feature))
    assert steps["reversed"]["listed"] == sorted(alive, key=lambda feature: (fires[feature], feature))
    assert steps["dead"]["listed"] == [feature for feature in range(150) if not fires[feature]]
    assert len(steps["all"]["listed"]) == 150 and steps["all"]["count"] == "150 features"
    assert sorted(steps["cause"]["listed"]) == [feature for feature in alive if feature % 2 == 1]
    assert steps["slash"] == "filter" and sorted(steps["number"]["listed"]) == [12, *range(120, 130)]
    assert sorted(steps["words"]["listed"]) == [feature for feature in alive if feature % 2 == 1]
    assert (steps["none"]["listed"], steps["none"]["count"]) == ([], "0 of 150 features")
    assert len(steps["escape"]["listed"]) == 150 and steps["help"]
    assert steps["link"].startswith("features-00") and "#feature-" in steps["link"]
    assert "<script>" not in steps["cells"][0] and steps["scripts"] == 0


@needs_browser
def test_a_feature_s_card_shows_what_is_known_of_it_and_keys_lead_on(part, tmp_path):
    seen = visit(part, tmp_path, SHOWING)
    assert_clean(seen)
    steps, table = seen.answer, sample_features()
    (first, *_), columns = table.top(0), table.columns
    assert steps["start"]["card"].startswith("#0 ")
    assert steps["first"] == " the <script>alert(1)</script>↵␣ snow &amp;", "the space alone is boxed"
    focus = [mark for mark in steps["marks"] if mark[2] == "focus"]
    assert focus[0][0] == "␣" and float(focus[0][1]) == pytest.approx(
        first.activations[first.focus] / float(columns["largest"][0]), abs=0.01
    )
    assert steps["sections"][0] == "Where it fires most" and "Promotes" in steps["sections"]
    assert sum(name.startswith("From ") for name in steps["sections"]) == 2
    assert "mood=glad" in steps["facts"] and "by chance" in steps["facts"] and len(steps["lost"]) == 1
    assert steps["bars"] > 10
    assert steps["next"] | {"at": ""} == steps["back"] | {"at": ""} and steps["next"]["hash"] == "#feature-1"
    assert "never fires" in steps["dead"]["card"] and "dead here" in steps["deadText"]
    assert steps["enter"] == "H3" and steps["found"] == [12, *range(120, 128)]
    assert steps["count"] == "128 features" and steps["help"] and steps["scripts"] == 0


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_pages_are_legible_and_fit_a_narrow_window(index, part, tmp_path, dark):
    for page in (index, part):
        probe = f"({{...{CONTRAST}, width: [document.documentElement.scrollWidth, innerWidth]}})"
        seen = visit(page, tmp_path, probe, dark=dark, width=500)
        assert_clean(seen)
        assert seen.answer["width"][0] <= seen.answer["width"][1] == 500
        assert seen.answer["seen"] > 100 and seen.answer["worst"][0] >= 4.5, seen.answer["worst"]
