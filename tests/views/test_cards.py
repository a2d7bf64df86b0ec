"""A feature's card shows where it fires, and a token never becomes markup."""

import re
from html.parser import HTMLParser

import pytest
from views.sample_report import sample_card

from mechlab.views.cards import CardView, card_parts, feature_card_html
from mechlab.views.report_data import Context, FeatureCard, Histogram

HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style>", "<s>", "&lt;", "{{ 7*7 }}", "'")


class Reader(HTMLParser):
    """What a standard parser sees: the tags, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def card(tokens=("a",), activations=(1.0,), focus=0, **fields) -> FeatureCard:
    context = Context(tokens=tokens, activations=activations, focus=focus)
    return FeatureCard(**{"id": 7, "density": 0.01, "max_activation": 4.0, "contexts": [context], **fields})


def marks(feature: FeatureCard) -> list[dict[str, str | None]]:
    return [attributes for tag, attributes in Reader(feature_card_html(feature)).tags if tag == "mark"]


def test_a_mark_is_as_strong_as_its_share_of_the_features_maximum():
    found = marks(card(("a", " b", " c"), (1.0, 0.0, 3.0), focus=2))
    assert [mark["style"] for mark in found] == ["--a:0.25", "--a:0.75"]


def test_a_mark_says_its_token_and_activation():
    found = marks(card((" glad",), (3.25,)))
    assert found[0]["title"] == "␣glad  activation 3.25"


def test_only_the_token_looked_at_is_boxed_and_it_is_marked_even_when_silent():
    found = marks(card(("a", " b", " c"), (1.0, 0.0, 3.0), focus=1))
    assert [mark.get("class") for mark in found] == [None, "focus", None]


def test_the_text_of_a_context_is_kept_with_its_spaces():
    text = Reader(feature_card_html(card(("She", " was", " glad", "."), (0.0, 0.0, 2.0, 0.0), focus=2))).text
    assert "She was glad." in text


@pytest.mark.parametrize("token", HOSTILE)
def test_a_hostile_token_stays_text_wherever_it_stands(token):
    calm = {tag for tag, _ in Reader(feature_card_html(sample_card(0))).tags}
    effects = {"positive_logits": [(token, 1.0)], "negative_logits": [(token, -1.0)]}
    page = Reader(feature_card_html(card((token, token), (0.0, 2.0), 1, label=token, note=token, **effects)))
    assert {tag for tag, _ in page.tags} <= calm
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "src"]
    assert page.text.count(token) == 6


def test_logit_bars_are_shares_of_the_largest_effect():
    page = feature_card_html(card(positive_logits=[("a", 2.0), ("b", 0.5)], negative_logits=[("c", -0.1)]))
    assert re.findall(r"--w:(\d+)%", page) == ["100", "25", "100"]
    assert "−0.100" in page


def test_the_histogram_stands_on_its_baseline_with_logarithmic_heights():
    chart = card_parts(card(histogram=Histogram(edges=[0, 1, 2, 4], counts=[99, 9, 0])))["histogram"]
    heights = [float(bar["height"]) for bar in chart["bars"]]
    assert heights == [72.0, 36.0, 0.0]
    assert all(float(bar["y"]) + float(bar["height"]) == 72.0 for bar in chart["bars"])
    assert [bar["x"] for bar in chart["bars"]] == ["0.0", "60.0", "120.0"]
    assert chart["bars"][0]["title"] == "0 to 1: 99 tokens"


def test_a_feature_that_never_fired_is_shown_without_invention():
    dead = FeatureCard(id=3, density=0.0, max_activation=0.0)
    text = Reader(feature_card_html(dead)).text
    assert "no token of the sample" in text
    assert "no label" in text
    assert "fires nowhere" in text


def test_a_card_without_a_label_is_named_after_its_strongest_tokens():
    contexts = [Context(tokens=[word], activations=[1.0], focus=0) for word in (" glad", " happy", " glad")]
    assert card_parts(card(contexts=contexts))["peaks"] == ["glad", "happy"]


def test_a_notebook_shows_a_card_without_scripts_or_network():
    page = CardView(sample_card(0))._repr_html_()
    assert page == feature_card_html(sample_card(0))
    assert not re.search(r"<script|https?:|url\(|@import", page)
