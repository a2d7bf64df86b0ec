from mechlab.corpora.tales.names import GENDER, NAMES, OTHER_GENDER, PRONOUNS, RARE_NAMES, SURNAMES


def test_nobody_shares_a_name():
    everyone = NAMES + RARE_NAMES + SURNAMES
    assert len(set(everyone)) == len(everyone) == 160


def test_pronouns_and_names_have_the_gender_one_expects():
    words = ("Mary", "Tom", "she", "him", "Her", "Mrs", "Mr", "Odette", "Silas")
    assert [GENDER[word][0] for word in words] == list("fmfmffmfm")
    assert "Finch" not in GENDER


def test_the_genders_share_no_pronoun():
    assert not set(PRONOUNS["female"].values()) & set(PRONOUNS["male"].values())
    assert all(OTHER_GENDER[OTHER_GENDER[gender]] == gender != OTHER_GENDER[gender] for gender in PRONOUNS)
