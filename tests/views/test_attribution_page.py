"""The page of a graph opens in a real browser, is walked by pointer and by keys, and gives back what was done to it."""

import json
import random
import re
from html import unescape
from itertools import pairwise
from typing import Any

import pytest
from circuits.attribution.exchange_schema import faults
from oracles.chromium import BROWSER, visit
from views.sample_attribution import features_of, sample_details, sample_graph
from views.test_report import CONTRAST, assert_clean, outside

from mechlab.circuits.attribution.exchange_reading import graph_from_json
from mechlab.core.errors import UsageError
from mechlab.views.attribution_page import SCRIPTS, attribution_page

needs_browser = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

TOOLS = """
  const $ = (query) => document.querySelector(query), $$ = (query) => [...document.querySelectorAll(query)];
  const A = window.attribution;
  const dot = (id) => $(`#dots [data-id="${id}"]`);
  const click = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const point = (id, event) => dot(id).dispatchEvent(new PointerEvent(event, { bubbles: true, clientX: 9 }));
  const goes = (list) => $$(`#links-${list} .entry`)
    .map((entry) => [entry.dataset.goes, entry.querySelector(".weight").textContent]);
  const ids = (query) => $$(query).map((one) => one.dataset.id ?? one.dataset.goes);
  const texts = (query) => $$(query).map((one) => one.textContent);
  const focused = () => document.activeElement.dataset.id ?? document.activeElement.id;
  const pressed = () => ids("#dots [aria-pressed=true]");
  const shown = () => ids("#dots .node:not(.gone)");
  const set = (id, value, event = "input") => { $(id).value = value; $(id).dispatchEvent(new Event(event)); };
  const answer = (dialog) => { $(dialog).close("save"); $(dialog).dispatchEvent(new Event("close")); };
  const file = () => {
    let taken = null;
    const real = window.Blob, go = HTMLAnchorElement.prototype.click;
    window.Blob = class extends real { constructor(parts, ...rest) { super(parts, ...rest); taken = parts[0]; } };
    HTMLAnchorElement.prototype.click = () => {};
    $("#save").click();
    window.Blob = real; HTMLAnchorElement.prototype.click = go;
    return taken;
  };
  const structure = () => ({
    ready: document.documentElement.dataset.ready,
    headings: $$("h1, h2, h3, h4, h5, h6").filter((h) => !h.closest("dialog")).map((h) => Number(h.tagName[1])),
    dangling: $$("a[href^='#']").filter((a) => !$(a.hash)).length,
    unnamed: $$("input, select, button, a, [role=button]")
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label"))).length,
    stops: $$("#dots [tabindex='0']").length,
    width: [document.documentElement.scrollWidth, innerWidth],
    kinds: [...new Set($$("#dots .node").map((one) => one.classList[1]))],
    shapes: new Set($$("#dots path").map((one) => one.getAttribute("d"))).size,
    lines: ["plus", "minus"].map((sign) => getComputedStyle($(`#base .${sign}`)))
      .map((style) => [style.stroke, style.strokeDasharray]),
    clipped: $$("#dots .logit").filter((one) => one.querySelector("text").getBBox().width
      > one.querySelector("rect").getBBox().width).length,
    overlaps: A.nodes.filter((one, at) => A.nodes.some((other, next) => next > at && Math.abs(one.y - other.y) < 12
      && Math.abs(one.x - other.x) < Math.max(12, (one.width + other.width) / 2))).length,
    axis: $$("#across span").map((one) => one.firstChild.textContent),
  });
"""


def probe(body: str) -> str:
    return f"(() => {{ {TOOLS} {body} }})()"


def node(graph: dict[str, Any], kind: str, place: int = 0) -> str:
    return [one["node_id"] for one in graph["nodes"] if one["feature_type"] == kind][place]


def into(graph: dict[str, Any], own_id: str, end: str = "target") -> list[str]:
    other = "source" if end == "target" else "target"
    links = sorted((one for one in graph["links"] if one[end] == own_id), key=lambda one: -abs(one["weight"]))
    return [one[other] for one in links]


@pytest.fixture(scope="module")
def graph() -> dict[str, Any]:
    return sample_graph()


@pytest.fixture(scope="module")
def page(graph) -> str:
    return attribution_page(graph, sample_details())


def test_the_page_allows_its_own_scripts_and_no_other(page):
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))
    scripts = re.search(r"script-src ([^;]*);", policy).group(1)
    assert "default-src 'none'" in policy and scripts.count("sha256-") == len(SCRIPTS) and "unsafe" not in scripts


def test_the_page_names_no_address_but_that_of_a_namespace(page):
    found = set(re.findall(r"https?:[^\s\"'`]*|//cdn|@import|url\(", page))
    assert found == {"http://www.w3.org/2000/svg"}
    assert set(re.findall(r'(?:src|href)="([^"#][^"]*)"', outside(page))) == {"data:,"}


def test_the_graph_stands_in_the_page_as_json_and_equal_graphs_give_equal_bytes(page, graph):
    text = re.search(r'id="graph-data">(.*?)</script>', page, re.DOTALL).group(1)
    assert json.loads(text)["graph"] == graph
    assert attribution_page(json.loads(json.dumps(graph)), sample_details()) == page


def test_what_is_no_graph_is_refused():
    with pytest.raises(UsageError, match="JSON is no attribution graph"):
        attribution_page({"nodes": []})


@needs_browser
def test_the_page_opens_whole_and_effects_are_followed_by_pointer(page, graph, tmp_path):
    logit = node(graph, "logit")
    body = f"""
    const whole = structure();
    click(dot("{logit}"));
    const first = goes("into"), heading = $("#chosen-name").textContent;
    while ($("#links-into .more")?.textContent.startsWith("all")) $("#links-into .more").click();
    const all = goes("into"), sum = $("#links-into .sum").textContent;
    const drawn = $$("#over path").length, bright = $$("#dots .plus, #dots .minus").length;
    $("#links-into .entry[data-goes*='_']").click();
    const next = {{ pressed: pressed(), out: goes("out"), at: focused() }};
    $$("#links-out .entry").at(-1).click();
    const onward = pressed();
    point("{logit}", "pointerover");
    const tip = $("#tip").hidden ? "" : $("#tip").textContent;
    point("{logit}", "pointerout");
    const said = $("#said").textContent;
    return {{ whole, said, first, all, heading, sum, drawn, bright, next, onward, tip, gone: $("#tip").hidden }};
    """
    seen = visit(page, tmp_path, probe(body))
    assert_clean(seen)
    assert_whole(seen.answer["whole"], graph)
    answer, wanted = seen.answer, into(graph, logit)
    assert answer["heading"] == "output “␣snow”" and [one for one, _ in answer["all"]] == wanted
    assert [one for one, _ in answer["first"]] == wanted[:15] and answer["drawn"] == answer["bright"] == len(wanted)
    weights = {one["source"]: one["weight"] for one in graph["links"] if one["target"] == logit}
    for source, text in answer["all"]:
        assert float(text.replace("−", "-")) == pytest.approx(weights[source], rel=0.01)
    own = graph["metadata"]["mechlab"]
    numbers = [float(text.replace("−", "-")) for text in re.findall(r"[+−][\d.e−]*\d", answer["sum"])]
    assert numbers[0] == pytest.approx(own["values"][logit], rel=0.01)
    assert numbers[2] == pytest.approx(own["biases"][logit], rel=0.01)
    assert numbers[0] == pytest.approx(sum(numbers[1:]), abs=0.02 * max(map(abs, numbers)))
    chosen = answer["next"]["pressed"]
    assert chosen == [next(one for one in wanted if "_" in one)] and answer["next"]["at"] == "chosen-name"
    outgoing = into(graph, chosen[0], "source")
    assert [one for one, _ in answer["next"]["out"]] == outgoing[:15] and answer["onward"] == [outgoing[:15][-1]]
    assert answer["said"].endswith(" out") and "links in" in answer["said"]
    assert "snow" in answer["tip"] and "probability 0.250" in answer["tip"] and answer["gone"]


def assert_whole(answer: dict[str, Any], graph: dict[str, Any]) -> None:
    assert answer["ready"] == "yes" and answer["stops"] == 1 and (answer["dangling"], answer["unnamed"]) == (0, 0)
    assert answer["headings"][0] == 1 and answer["headings"].count(1) == 1
    assert all(deeper - above <= 1 for above, deeper in pairwise(answer["headings"]))
    assert set(answer["kinds"]) == {"feature", "error", "token", "position", "bos", "bias", "logit"}
    assert answer["shapes"] == 6, "one shape for each kind but outputs, which are named boxes"
    (plus, solid), (minus, dashed) = answer["lines"]
    assert plus != minus and solid == "none" and dashed != "none"
    assert (answer["clipped"], answer["overlaps"]) == (0, 0) and answer["width"][0] <= answer["width"][1]
    assert answer["axis"] == ["biases", *(text.replace(" ", "␣") for text in graph["metadata"]["prompt_tokens"])]


@needs_browser
def test_the_graph_is_walked_and_edited_by_keyboard_and_edits_stay(page, graph, tmp_path):
    feature = node(graph, "cross layer transcoder")
    body = f"""
    const steps = {{}}, step = (key) => {{ steps[key] = [focused(), pressed()]; }};
    $("#dots [tabindex='0']").focus(); step("start");
    press("ArrowDown"); step("down"); press("ArrowUp"); step("up");
    press("ArrowLeft"); step("left"); press("ArrowRight"); step("right");
    press("Enter"); step("enter"); press("p"); steps.pinned = $("#pinned-count").textContent;
    steps.outline = getComputedStyle(document.activeElement).outlineStyle;
    press("Escape"); step("escape");
    dot("{feature}").focus(); press("p"); press("l"); steps.naming = $("#naming").open;
    $("#name").value = "the winter"; answer("#naming");
    steps.label = dot("{feature}").getAttribute("aria-label");
    press("g"); steps.grouping = $("#grouping").open; $("#group-name").value = "cold";
    steps.members = $$("#members input:checked").length; answer("#grouping");
    press("v"); steps.boxes = texts("#circuit .box .name"); steps.hidden = $("#scroll").hidden;
    press("Escape"); steps.back = $("#scroll").hidden;
    press("/"); steps.search = focused(); set("#search", "winter"); steps.found = ids("#found-list .entry");
    press("Enter"); step("first");
    press("Escape"); steps.cleared = [$("#search").value, $("#found").hidden];
    press("Escape"); step("none");
    press("?"); steps.keys = $("#keys").open; $("#keys").close();
    steps.file = file();
    return steps;
    """
    seen = visit(page, tmp_path, probe(body))
    assert_clean(seen)
    steps = seen.answer
    assert steps["start"] == [node(graph, "logit"), []]
    assert steps["down"][0] not in (None, steps["start"][0]) and steps["up"][0] != steps["down"][0]
    assert steps["left"][0] != steps["up"][0] and steps["right"][0] == steps["up"][0]
    at = steps["right"][0]
    assert steps["enter"] == [at, [at]] and steps["escape"] == [at, []]
    assert steps["pinned"] == "1 pinned" and steps["outline"] == "solid"
    assert steps["naming"] and steps["label"].startswith("the winter") and steps["label"].endswith("pinned")
    assert steps["grouping"] and steps["members"] == 2 and steps["boxes"] == ["cold"]
    assert steps["hidden"] and not steps["back"]
    assert steps["search"] == "search" and steps["found"] == [feature] and steps["first"] == [feature, [feature]]
    assert steps["cleared"] == ["", True] and steps["none"][1] == [] and steps["keys"]
    assert_edited(json.loads(steps["file"]), graph, at, feature)
    again = visit(page, tmp_path, probe('const before = file(); $("#reset").click(); return [before, file()];'))
    assert_clean(again)
    assert again.answer[0] == steps["file"] and json.loads(again.answer[1]) == graph


def assert_edited(file: dict[str, Any], graph: dict[str, Any], other: str, feature: str) -> None:
    assert faults(file) == [] and graph_from_json(file).marks == file["qParams"]
    assert file["qParams"]["supernodes"] == [["cold", other, feature]]
    assert set(file["qParams"]["pinnedIds"]) == {other, feature}
    labels = {one["node_id"]: one["clerp"] for one in file["nodes"]}
    assert labels.pop(feature) == "the winter"
    assert labels == {one["node_id"]: one["clerp"] for one in graph["nodes"] if one["node_id"] != feature}


@needs_browser
def test_the_slider_hides_what_has_least_influence_but_not_what_is_pinned(graph, tmp_path):
    nodes = {one["node_id"]: one["influence"] for one in graph["nodes"]}
    least, other = sorted((one for one in nodes if nodes[one] is not None), key=lambda one: -nodes[one])[:2]
    pinned = graph | {"qParams": graph["qParams"] | {"pinnedIds": [least], "supernodes": [["rare", least]]}}
    body = f"""
    const slide = (value) => {{ set("#slider", value); return shown(); }};
    const long = () => $$("#base path").reduce((all, one) => all + one.getAttribute("d").length, 0);
    const before = long(), all = shown(), half = slide(100), after = long(), told = $("#slider-told").textContent;
    click(dot("{least}")); $("#pin").click();
    return {{ all, half, before, after, told, unpinned: slide(100), none: slide(0), back: slide(200) }};
    """
    seen = visit(attribution_page(pinned), tmp_path, probe(body))
    assert_clean(seen)
    answer, highest = seen.answer, graph["metadata"]["node_threshold"]
    assert answer["all"] == answer["back"] == list(nodes)
    within = [one for one in nodes if nodes[one] is None or nodes[one] <= highest / 2]
    assert answer["half"] == [one for one in nodes if one in within or one == least] and other not in within
    assert answer["unpinned"] == within and f"{len(within) + 1} of {len(nodes)} nodes" in answer["told"]
    assert answer["after"] < answer["before"]
    assert answer["none"] == [one for one in nodes if nodes[one] is None]


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_what_is_known_of_a_feature_is_shown_and_every_text_can_be_read(page, graph, tmp_path, dark):
    whole, bare, other = (
        next(one["node_id"] for one in graph["nodes"] if one["node_id"].startswith(name.replace(".", "_") + "_"))
        for name in features_of(graph)[:3]
    )
    error = node(graph, "mlp reconstruction error")
    body = f"""
    const about = (id) => {{ A.choose(A.byId.get(id)); return $(".about")?.textContent ?? ""; }};
    const said = {{ bare: about("{bare}"), other: about("{other}"), error: about("{error}"), first: about("{whole}") }};
    const mark = (one) => [one.textContent, one.style.getPropertyValue("--a"), one.className];
    return {{ ...said, contrast: {CONTRAST}, marks: $$(".about mark").map(mark), words: texts(".about .token"),
      bars: $$(".about .histogram rect").length, line: Boolean($(".about .here")),
      open: $$(".about details").map((one) => one.open) }};
    """
    seen = visit(page, tmp_path, probe(body), dark=dark)
    assert_clean(seen)
    answer = seen.answer
    assert answer["contrast"]["seen"] > 80
    assert answer["contrast"]["worst"][0] >= 4.5, answer["contrast"]["worst"]
    assert "on at 13 % of tokens, at most 2.00" in answer["first"] and answer["open"] == [True, False]
    assert answer["marks"][:3] == [["was", "0.25", ""], ["winter", "1.00", "focus"], [".↵", "0.13", ""]]
    assert answer["words"] == ["␣snow", "␣frost", "␣pumpkin", "␣hay"] and answer["bars"] == 4 and answer["line"]
    assert "There are no contexts of this feature." in answer["bare"]
    assert "No examples were given for this feature." in answer["other"] and answer["error"] == ""


@needs_browser
def test_a_narrow_screen_never_scrolls_sideways(graph, tmp_path):
    long = json.loads(json.dumps(graph))
    long["metadata"]["prompt"] = "word" * 100
    long["metadata"]["prompt_tokens"][2] = "x" * 90
    for one in long["nodes"]:
        if one["feature_type"] == "cross layer transcoder":
            one["clerp"] = "y" * 150
    body = f"""
    click(dot("{node(graph, "cross layer transcoder")}")); A.nodes.slice(0, 9).forEach((one) => A.edits.pin(one));
    const all = document.documentElement.scrollWidth; press("v");
    return [all, document.documentElement.scrollWidth, innerWidth, $("#scroll").hidden];
    """
    seen = visit(attribution_page(long), tmp_path, probe(body), width=500)
    assert_clean(seen)
    all_nodes, pinned, window, is_hidden = seen.answer
    assert max(all_nodes, pinned) <= window == 500 and is_hidden


@needs_browser
def test_hostile_texts_do_nothing_even_without_the_content_policy(graph, tmp_path):
    attack = (
        "</script></title></style><img src=x onerror='seen.push(1)'><script>seen.push(2)</script>{{7*7}}\"' onload=x"
    )
    bad = json.loads(json.dumps(graph))
    bad["metadata"] |= {"prompt": attack, "scan": attack, "slug": attack}
    bad["metadata"]["prompt_tokens"] = [attack] * len(bad["metadata"]["prompt_tokens"])
    feature = node(graph, "cross layer transcoder")
    for one in bad["nodes"]:
        one["clerp"] = f'Output "{attack}" (p=0.1)' if one["feature_type"] == "logit" else attack
    bad["qParams"] |= {"supernodes": [[attack, feature]], "pinnedIds": [feature]}
    example = {"tokens": [attack], "tokens_acts_list": [1.0], "train_token_ind": 0}
    known = {"examples_quantiles": [{"quantile_name": attack, "examples": [example]}], "top_logits": [attack]}
    text = attribution_page(bad, {features_of(graph)[0]: known})
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    body = f"""click(dot("{feature}")); const about = $(".about").textContent; press("v"); click($("#circuit .box"));
    return [document.images.length, $("h1").textContent, $("#chosen-name").textContent, about];"""
    seen = visit(text, tmp_path, probe(body))
    assert_clean(seen)
    assert seen.answer[:3] == [0, attack, attack] and attack in seen.answer[3]


def large() -> dict[str, Any]:
    """A foreign graph of 500 nodes and 10,000 links over 30 tokens and 12 layers."""
    draw, n_layers, n_tokens = random.Random(0), 12, 30
    kinds = {"run_idx": 0, "reverse_ctx_idx": 0, "clerp": ""}
    nodes = [
        {"node_id": f"E_7_{at}", "feature": at, "layer": "E", "ctx_idx": at, "feature_type": "embedding",
         "jsNodeId": f"E_7-{at}", "influence": 0.95, **kinds} for at in range(n_tokens)
    ]  # fmt: skip
    while len(nodes) < 500:
        layer, place, number = draw.randrange(n_layers), draw.randrange(n_tokens), len(nodes)
        nodes.append(
            {"node_id": f"{layer}_{number}_{place}", "feature": (layer + number) * (layer + number + 1) // 2 + number,
             "layer": str(layer), "ctx_idx": place, "feature_type": "cross layer transcoder",
             "jsNodeId": f"{layer}_{number}-0", "influence": draw.random() * 0.8, **kinds}
        )  # fmt: skip
    depth = {one["node_id"]: -1 if one["layer"] == "E" else int(one["layer"]) for one in nodes}
    pairs: set[tuple[str, str]] = set()
    while len(pairs) < 10_000:
        one, other = draw.sample(list(depth), 2)
        if depth[one] < depth[other]:
            pairs.add((one, other))
    metadata = {"slug": "large", "scan": "m", "prompt": "x", "prompt_tokens": ["x"] * n_tokens, "schema_version": 1}
    links = [{"source": one, "target": other, "weight": draw.gauss(0, 1)} for one, other in sorted(pairs)]
    return {"metadata": metadata | {"node_threshold": 0.8}, "qParams": {}, "nodes": nodes, "links": links}


@needs_browser
@pytest.mark.parametrize("width", [500, 1013, 1280])
def test_scrolled_to_the_end_no_column_is_cut_by_the_names_of_the_rows(tmp_path, width):
    page = large()
    page["metadata"]["prompt_tokens"] = ["x" * (1 + at * 7 % 11) for at in range(30)]
    body = """
    const edge = $("#along").getBoundingClientRect().right, sides = $$("#across span").map((one) => {
      const { left, right } = one.getBoundingClientRect();
      return [left - edge, right - edge];
    });
    return { sides, scrolled: $("#scroll").scrollLeft, end: $("#scroll").getBoundingClientRect().right - edge };
    """
    seen = visit(attribution_page(page), tmp_path, probe(body), width=width)
    assert_clean(seen)
    sides, end = seen.answer["sides"], seen.answer["end"]
    cut = [(left, right) for left, right in sides if left < -1 and right > 3]
    assert seen.answer["scrolled"] > 0 and cut == []
    assert abs(sides[-1][1] - end) < 20, "the last column ends where the view does, but for a scrollbar"


@needs_browser
def test_ten_thousand_links_are_few_things_to_draw_and_a_choice_redraws_none(tmp_path):
    body = """
    set("#n-links", "all", "change");
    const visible = shown().length;
    const watched = new MutationObserver(() => {});
    watched.observe($("#base"), { subtree: true, childList: true, attributes: true });
    const some = A.nodes.filter((one) => one.into.length && one.out.length).slice(0, 9), last = some.at(-1);
    for (const one of some) A.choose(one);
    const redrawn = watched.takeRecords().length;
    set("#slider", 50);
    return { links: $("#drawn").textContent, paths: $$("#base path").length, over: $$("#over path").length, redrawn,
      moved: watched.takeRecords().length, wanted: [...last.into, ...last.out].filter((link) => A.isWithin(link.source)
      && A.isWithin(link.target)).length, all: A.ranked.length, visible, about: $(".about").textContent };
    """
    seen = visit(attribution_page(large()), tmp_path, probe(body))
    assert_clean(seen)
    answer = seen.answer
    assert answer["visible"] == 500, "tokens are shown whatever influence a file gives them"
    assert answer["all"] == 10_000 and re.fullmatch(r"all [\d,]+ links", answer["links"])
    assert 2 <= answer["paths"] <= 12, "links of one sign and strength are one thing to draw"
    assert (answer["redrawn"], answer["over"]) == (0, answer["wanted"]), "a choice draws its own links and no other"
    assert answer["moved"] > 0 and "This page was written without examples of its features." in answer["about"]
