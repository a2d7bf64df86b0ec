from mechlab.corpora.tales.lexicon import SEASONS
from mechlab.corpora.tales.prompts import prompts
from mechlab.corpora.tales.vocabulary import words_of

BY_TIME = {"January": "winter", "May": "spring", "July": "summer", "October": "autumn"}


def test_the_signs_belong_to_the_season_of_the_time():
    signs = {season.name: season.signs for season in SEASONS}
    seen = set()
    for prompt in prompts("season", 300):
        for word in words_of(prompt.text):
            season = BY_TIME.get(word, word if word in signs else None)
            if season:
                seen.add(season)
                assert prompt.answers == signs[season]
                assert not set(prompt.distractors) & set(signs[season]) and len(prompt.distractors) == 18
    assert seen == set(signs)
