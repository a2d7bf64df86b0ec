"""The page of codes opens from disk in a real browser, asks no network, is searched, sorted and read by keyboard."""

import json
import re
from html import unescape
from itertools import pairwise

import pytest
from oracles.chromium import BROWSER, visit
from views.sample_code_page import sample_code_page
from views.test_report import CONTRAST, assert_clean, outside

from mechlab.views.code_data import CodeCard, CodePageData
from mechlab.views.code_page import render_codes
from mechlab.views.report_data import Context

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

STRUCTURE = """(() => ({
  headings: [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((h) => Number(h.tagName[1])),
  sections: [...document.querySelectorAll("main section[id]")].map((section) => section.id),
  dangling: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.querySelector(a.hash)).length,
  unnamed: [...document.querySelectorAll("input, select, button, a")]
    .filter((element) => !(element.labels?.length || element.textContent.trim())).length,
  run: JSON.parse(document.getElementById("code-data").textContent).run_id,
  width: [document.documentElement.scrollWidth, innerWidth],
}))()"""

BROWSING = """(() => {
  const $ = (query) => document.querySelector(query);
  const shown = () => [...document.querySelectorAll("article")].filter((a) => a.offsetParent).map((a) => a.id);
  const listed = () => [...document.querySelectorAll(".index li")].filter((li) => !li.hidden)
    .map((li) => li.firstElementChild.hash.slice(1));
  const rates = () => [...document.querySelectorAll(".index li:not([hidden]) .rate:not([hidden])")]
    .map((rate) => rate.textContent);
  const set = (id, value, event) => { $(id).value = value; $(id).dispatchEvent(new Event(event)); };
  const steps = {};
  const step = (name) => {
    const at = document.activeElement;
    steps[name] = { at: at.id || at.hash || at.tagName, outline: getComputedStyle(at).outlineStyle,
      shown: shown(), listed: listed(), rates: rates(), count: $("#count").textContent };
  };
  step("start");
  press("j"); press("j"); press("k"); step("keys");
  press("ArrowDown"); step("down");
  press("Enter"); step("enter");
  press("/"); press("j"); step("slash");
  set("#filter", "SNOW", "input"); step("search");
  set("#filter", "#1232", "input"); step("number");
  set("#filter", "season=w", "input"); step("cause");
  set("#filter", "nothing has this", "input"); step("none");
  press("Escape"); step("escape");
  set("#site", "z.1", "change"); step("site");
  for (const by of ["precision", "recall", "f1", "uses"]) { set("#sort", by, "change"); step(by); }
  set("#filter", "month", "input"); step("both");
  press("/"); press("Escape"); set("#site", "", "change"); set("#sort", "", "change"); step("back");
  $("#sort").focus(); press("j"); step("select");
  document.activeElement.blur(); press("a"); steps.all = shown();
  press("a"); steps.one = shown();
  press("?"); steps.help = $("#keys").open; $("#keys button").click(); steps.closed = !$("#keys").open;
  return steps;
})()"""


def place(card: CodeCard) -> str:
    return f"code-{card.site.replace('.', '-')}-{card.code}"


@pytest.fixture(scope="module")
def page() -> str:
    return render_codes(sample_code_page())


def test_the_page_is_small_and_brings_no_plotting_library(page):
    assert len(page.encode()) < 400_000 and "plotly" not in page.lower()


def test_the_page_allows_its_own_script_and_no_other(page):
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    scripts = re.search(r"script-src ([^;]*);", policy).group(1)
    assert "default-src 'none'" in policy and scripts.count("sha256-") == 1 and "unsafe" not in scripts


def test_the_page_names_no_address_outside_itself(page):
    assert not re.search(r"https?:|//cdn|@import|url\(|<link[^>]*stylesheet", page)
    assert set(re.findall(r'(?:src|href)="([^"#][^"]*)"', outside(page))) == {"data:,"}


def test_the_data_stand_in_the_page_as_json(page):
    text = re.search(r'id="code-data">(.*?)</script>', page, re.DOTALL).group(1)
    assert CodePageData.model_validate(json.loads(text)) == sample_code_page()


def test_a_code_stands_with_its_scores_intervals_and_chance(page):
    card = sample_code_page().codes[0]
    article = outside(page).split(f'id="{place(card)}"')[1].split("</article>")[0]
    for part in ("emotion=joy", "0.975", "[0.954, 0.996]", "0.520", "0.04", "9,000 tokens", "14 %", "group 0", "glad"):
        assert part in article
    few = sample_code_page().codes[8]
    article = outside(page).split(f'id="{place(few)}"')[1].split("</article>")[0]
    assert "<dd>0.89</dd>" in article, "precision, on too few rows for an interval"


def test_groups_are_named_only_where_there_are_several(page):
    card = next(card for card in sample_code_page().codes if card.site == "mlp_out.1")
    article = outside(page).split(f'id="{place(card)}"')[1].split("</article>")[0]
    assert "group" not in article and outside(page).count("<details>") == 2


def test_only_tokens_it_is_active_on_are_marked():
    context = Context(tokens=["a", " b", " c", "\n"], activations=[1.0, 0.0, 1.0, 1.0], focus=2)
    card = CodeCard(site="z.0", group=0, code=0, n_uses=1, share=0.1, contexts=[context])
    markup = render_codes(CodePageData(title="t", run_id="0", n_tokens=9, codes=[card]))
    assert '<mark>a</mark> b <mark class="focus">c</mark><mark>↵</mark></p>' in markup


def test_a_page_with_nothing_but_a_title_is_a_page():
    bare = outside(render_codes(CodePageData(title="Bare", run_id="0", n_tokens=1)))
    assert "<h1>Bare</h1>" in bare and 'id="codes"' not in bare and 'id="use"' not in bare


def test_without_known_causes_there_is_no_score_to_sort_by():
    card = CodeCard(site="z.0", group=0, code=7, n_uses=1, share=0.1)
    markup = outside(render_codes(CodePageData(title="t", run_id="0", n_tokens=9, codes=[card])))
    assert 'value="uses"' in markup and 'value="precision"' not in markup and "never active" in markup


@needs_browser
def test_the_page_opens_from_disk_whole(page, tmp_path):
    seen = visit(page, tmp_path, STRUCTURE)
    assert_clean(seen)
    assert seen.answer["sections"] == ["use", "codes", "notes", "run", "next"]
    headings = seen.answer["headings"]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(deeper - above <= 1 for above, deeper in pairwise(headings))
    assert (seen.answer["dangling"], seen.answer["unnamed"]) == (0, 0)
    assert seen.answer["run"] == sample_code_page().run_id


@needs_browser
def test_codes_are_searched_filtered_sorted_and_read_by_keyboard(page, tmp_path):
    seen = visit(page, tmp_path, BROWSING)
    assert_clean(seen)
    steps, cards = seen.answer, sample_code_page().codes
    ids = [place(card) for card in cards]
    assert steps["start"]["listed"] == ids and steps["start"]["shown"] == [ids[0]]
    assert steps["start"]["count"] == "60 codes" and steps["start"]["rates"][0] == "F1 0.68"
    assert (steps["keys"]["at"], steps["keys"]["shown"], steps["keys"]["outline"]) == (f"#{ids[1]}", [ids[1]], "solid")
    assert steps["down"]["shown"] == [ids[2]]
    assert (steps["enter"]["at"], steps["enter"]["shown"]) == ("H3", [ids[2]])
    assert (steps["slash"]["at"], steps["slash"]["shown"]) == ("filter", [ids[2]])

    def told(card: CodeCard) -> str:
        texts = ["".join(context.tokens) for context in card.contexts] + [token for token, _ in card.tokens]
        return "\n".join([f"{card.site} #{card.code}", card.match.cause if card.match else "", *texts]).lower()

    for name, wanted in (("search", "snow"), ("number", "#1232"), ("cause", "season=w")):
        expected = [place(card) for card in cards if wanted in told(card)]
        assert steps[name]["listed"] == expected and steps[name]["count"] == f"{len(expected)} of 60 codes"
        assert 0 < len(expected) < 60 and steps[name]["shown"][0] in expected
    assert (steps["none"]["shown"], steps["none"]["listed"], steps["none"]["count"]) == ([], [], "0 of 60 codes")
    assert steps["escape"]["listed"] == ids and steps["escape"]["at"] == f"#{steps['escape']['shown'][0]}"
    there = [card for card in cards if card.site == "z.1"]
    assert steps["site"]["listed"] == [place(card) for card in there]
    for by in ("precision", "recall", "f1"):
        values = {place(card): getattr(card.match, by).value if card.match else -1 for card in there}
        assert steps[by]["listed"] == sorted(values, key=lambda one: -values[one])
        assert steps[by]["shown"] == steps[by]["listed"][:1]
    assert steps["uses"]["rates"][0] == f"uses {max(card.n_uses for card in there):,}"
    assert steps["both"]["listed"] == [
        place(card) for card in sorted(there, key=lambda card: -card.n_uses) if "month" in told(card)
    ]
    assert steps["back"]["listed"] == ids and steps["back"]["rates"][0] == "F1 0.68"
    assert steps["select"]["shown"] == steps["back"]["shown"] and steps["select"]["at"] == "sort"
    assert (steps["all"], len(steps["one"])) == (ids, 1)
    assert steps["help"] and steps["closed"]


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read_in_both_modes(page, tmp_path, dark):
    seen = visit(page, tmp_path, f"({{...{CONTRAST}, ...{STRUCTURE}}})", dark=dark)
    assert_clean(seen)
    assert seen.answer["seen"] > 500
    assert seen.answer["worst"][0] >= 4.5, seen.answer["worst"]


@needs_browser
def test_a_narrow_screen_never_scrolls_sideways(tmp_path):
    context = Context(tokens=["x" * 200, " wide" * 40], activations=[1.0, 1.0], focus=0)
    wide = CodeCard(site="attn_result.11", group=0, code=999_999, n_uses=9, share=0.1, contexts=[context],
                    tokens=[("z" * 80, 3)])  # fmt: skip
    data = sample_code_page(3)
    long = data.codes[0].match.model_copy(update={"cause": "y" * 120})
    codes = (wide, *data.codes, wide.model_copy(update={"code": 1, "match": long}))
    data = data.model_copy(update={"title": "A" * 90, "codes": codes})
    probe = (
        f"(() => {{ document.querySelectorAll('details').forEach((one) => one.open = true); return {STRUCTURE}; }})()"
    )
    seen = visit(render_codes(data), tmp_path, probe, width=420)
    assert_clean(seen)
    width, window = seen.answer["width"]
    assert window == 420 and width <= window


@needs_browser
def test_hostile_tokens_do_nothing_even_without_the_content_policy(tmp_path):
    attack = (
        "</script></title></style><img src=x onerror='seen.push(1)'><script>seen.push(2)</script>{{7*7}}\"' onload=x"
    )
    context = Context(tokens=[attack, attack], activations=[0.0, 1.0], focus=1)
    match = sample_code_page(1).codes[0].match.model_copy(update={"cause": attack})
    card = CodeCard(
        site="z.0", group=0, code=0, n_uses=1, share=1, match=match, tokens=[(attack, 1)], contexts=[context]
    )
    data = CodePageData(title=attack, run_id=attack, summary=attack, n_tokens=1, notes=(attack,), codes=[card])
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render_codes(data))
    seen = visit(page, tmp_path, "[document.images.length, document.querySelector('mark').textContent, document.title]")
    assert_clean(seen)
    images, mark, title = seen.answer
    assert (images, mark) == (0, attack) and title.startswith(attack)
