"""Who the stories are about: given names, rare names, surnames, and the pronouns that go with them."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


NAMES_BY_GENDER = {
    "female": _words(
        "Mary Anna Emma Lucy Sarah Alice Clara Ruth Nora Helen Jane Kate Laura Martha Rachel Susan Betty Carol "
        "Diana Ellen Fiona Gina Hannah Irene Julia Karen Linda Maria Nancy Olivia Paula Rosa Sophie Tina Ursula "
        "Vera Wendy Yvonne Zoe Molly"
    ),
    "male": _words(
        "John Tom Peter James David Paul Mark Simon Daniel Adam Ben Carl Eric Frank George Harry Ian Jack Kevin "
        "Leo Martin Neil Oscar Patrick Robert Sam Thomas Victor William Henry Arthur Bruce Colin Edgar Fred "
        "Gordon Hugo Ivan Joseph Luke"
    ),
}
RARE_NAMES_BY_GENDER = {
    "female": _words(
        "Odette Isolde Philippa Cordelia Ottilie Seraphina Wilhelmina Drusilla Hermione Euphemia Millicent "
        "Araminta Lavinia Clementine Rosamund Beatrix Henrietta Perpetua Leonora Theodora"
    ),
    "male": _words(
        "Tolliver Barnaby Cuthbert Lysander Ambrose Thaddeus Phineas Ignatius Percival Erasmus Bartholomew "
        "Algernon Horatio Mortimer Leopold Montague Octavius Peregrine Rupert Silas"
    ),
}
SURNAMES = _words(
    "Finch Marsh Thorne Pemberton Whitlock Ashdown Bellamy Crabtree Duckworth Everett Fairfax Grimshaw "
    "Hathaway Ingram Jessop Kettering Langley Merriweather Nightingale Oakley Pettigrew Quimby Ravenscroft "
    "Sedgwick Tilbury Underhill Vance Wetherby Yardley Ainsworth Blackwood Carmichael Dunmore Ellsworth "
    "Fothergill Goodwin Holloway Lockhart Mayhew Nettleton"
)
TITLES = {"female": "Mrs", "male": "Mr"}

NAMES = NAMES_BY_GENDER["female"] + NAMES_BY_GENDER["male"]
RARE_NAMES = RARE_NAMES_BY_GENDER["female"] + RARE_NAMES_BY_GENDER["male"]
PRONOUNS = {
    "female": {"he": "she", "his": "her", "him": "her", "He": "She", "His": "Her"},
    "male": {"he": "he", "his": "his", "him": "him", "He": "He", "His": "His"},
}
OTHER_GENDER = {"female": "male", "male": "female"}


def _genders() -> dict[str, str]:
    by_gender = (NAMES_BY_GENDER, RARE_NAMES_BY_GENDER, {g: tuple(p.values()) for g, p in PRONOUNS.items()})
    titles = {title: gender for gender, title in TITLES.items()}
    return titles | {word: gender for table in by_gender for gender, words in table.items() for word in words}


GENDER = _genders()
