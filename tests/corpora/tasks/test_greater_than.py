"""Greater-than: years are read from the text itself; later ones are right; the corrupted start is the first year."""

import re
from collections import Counter

import pytest

from mechlab.core.errors import UsageError
from mechlab.corpora.tasks.greater_than import TASK, GreaterThanConfig

FIRST = {"plain": 1, "tales": 2}


@pytest.fixture(scope="module", params=FIRST)
def drawn(request, told):
    tokenizer = request.getfixturevalue(request.param)
    return told(TASK.pairs(tokenizer, GreaterThanConfig(n=194, style=request.param)), tokenizer), FIRST[request.param]


def years_in(text: str) -> tuple[str, int, str]:
    """Return the century, the start year in it, and the century at the end."""
    century, start, again = re.search(r"year (\d\d) ?(\d\d)\b.* year (\d\d)$", text).groups()
    return century, int(start), again


def test_years_after_the_start_are_right_in_both_prompts(drawn):
    pairs, first = drawn
    for pair in pairs:
        for text, right in ((pair.text, pair.right), (pair.corrupted, pair.right_corrupted)):
            assert [int(year) for year in right] == list(range(years_in(text)[1] + 1, 100))
        assert [int(year) for year in pair.candidates] == list(range(0 if first == 1 else 2, 100))


def test_the_corrupted_prompt_starts_in_the_first_year_and_is_otherwise_the_same(drawn):
    pairs, first = drawn
    for pair in pairs:
        century, start, again = years_in(pair.text)
        assert century == again and years_in(pair.corrupted) == (century, first, again)
        masked = [re.sub(r"(year \d\d ?)\d\d\b", r"\1?", text, count=1) for text in (pair.text, pair.corrupted)]
        assert masked[0] == masked[1] and "?" in masked[0]
        assert (pair.roles["start"], pair.corrupted_roles["start"]) == (f"{start:02d}", f"{first:02d}")


def test_roles_and_facts_say_the_years(drawn):
    for pair in drawn[0]:
        century, start, _ = years_in(pair.text)
        assert (pair.roles["century"], pair.roles["start"], pair.roles["END"]) == (century, f"{start:02d}", century)
        assert (pair.facts["century"], pair.facts["start"]) == (int(century), start)


def test_every_start_year_takes_its_turn(drawn):
    pairs, first = drawn
    count = Counter(pair.facts["start"] for pair in pairs)
    assert set(count) == set(range(first + 1, 99)) and max(count.values()) - min(count.values()) <= 1
    assert len({pair.facts["century"] for pair in pairs}) > 5


def test_the_built_in_model_prefers_later_years(tales, solved):
    batches = TASK.pairs(tales, GreaterThanConfig(n=200, style="tales"))
    assert solved(batches) > 0.98 and solved(batches, "corrupted") > 0.98


def test_start_years_whose_whole_year_is_one_token_are_left_out(plain):
    whole = {f" 17{year:02d}" for year in range(50)} | {" 1801"}

    class Whole:
        """The plain tokenizer, but some years are one token, as in GPT-2."""

        def __getattr__(self, name):
            return getattr(plain, name)

        def encode_batch_with_offsets(self, texts):
            return [self._cut(text) for text in texts]

        def _cut(self, text):
            ids, offsets = plain.encode_with_offsets(text)
            for year in whole:
                place = text.find(year)
                if place >= 0 and (text[place + 5 :] + " ")[0] == " ":
                    first = next(i for i, (start, end) in enumerate(offsets) if end > place + 1)
                    ids = [*ids[:first], 9, *ids[first + 2 :]]
                    offsets = [*offsets[:first], (place, place + 5), *offsets[first + 2 :]]
            return ids, offsets

    batches = TASK.pairs(Whole(), GreaterThanConfig(n=500))
    facts = [each for pairs in batches for each in pairs.facts]
    # 1701 and 1801 are one token, so nothing can be corrupted in these two centuries.
    assert {each["century"] for each in facts} == {11, 12, 13, 14, 15, 16}
    assert {pairs.candidates.shape[1] for pairs in batches} == {100}


def test_a_tokenizer_that_cuts_years_otherwise_is_refused(tales):
    with pytest.raises(UsageError, match="two tokens: '1101'"):
        TASK.pairs(tales, GreaterThanConfig())
