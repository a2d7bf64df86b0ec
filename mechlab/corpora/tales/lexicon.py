"""What the stories are about: topics, emotions and seasons, each with several words that no other class shares."""

from typing import NamedTuple


class Topic(NamedTuple):
    """Where a story plays: its places, its things, and what people do there (each begins with a verb of its own)."""

    name: str
    places: tuple[str, ...]
    items: tuple[str, ...]
    activities: tuple[str, ...]


class Emotion(NamedTuple):
    """How a hero feels, in several words, and what the feeling makes a hero do."""

    name: str
    feelings: tuple[str, ...]
    reactions: tuple[str, ...]


class Season(NamedTuple):
    """A season, its months, and the signs it is known by."""

    name: str
    months: tuple[str, ...]
    signs: tuple[str, ...]


def _topic(name: str, places: str, items: str, activities: str) -> Topic:
    return Topic(
        name, tuple(places.split()), tuple(items.split()), tuple(part.strip() for part in activities.split(","))
    )


TOPICS = (
    _topic(
        "sea",
        "harbor beach lighthouse",
        "net shell anchor oar rope sail crab hook bucket compass pearl buoy",
        "rowed a boat, swam with the waves, sailed to an island",
    ),
    _topic(
        "kitchen",
        "kitchen bakery pantry",
        "spoon bowl pan kettle plate fork jug cup ladle whisk apron loaf",
        "baked a cake, stirred the soup, peeled some potatoes",
    ),
    _topic(
        "garden",
        "garden orchard meadow",
        "rake spade seed hose shovel pot trowel bulb basket hoe glove wheelbarrow",
        "watered the flowers, trimmed the hedge, pulled some weeds",
    ),
    _topic(
        "school",
        "school classroom library",
        "pencil ruler notebook chalk eraser globe dictionary crayon satchel atlas stapler inkwell",
        "solved a sum, recited a poem, studied for a test",
    ),
    _topic(
        "market",
        "market shop stall",
        "coin scale purse cheese melon lemon peach carrot onion ribbon candle vase",
        "haggled with a merchant, counted the change, tasted the honey",
    ),
    _topic(
        "farm",
        "farm barn stable",
        "saddle plough hen goat calf egg tractor pitchfork lamb horseshoe bridle sack",
        "milked a cow, fed the horses, gathered some hay",
    ),
    _topic(
        "castle",
        "castle tower palace",
        "crown sword shield banner goblet scepter lance cloak helmet ring tapestry dagger",
        "bowed to the king, guarded the gate, rode with the knights",
    ),
    _topic(
        "music",
        "theater stage ballroom",
        "drum flute violin trumpet harp piano cello bell guitar banjo whistle tambourine",
        "practiced a song, tuned the strings, hummed a melody",
    ),
    _topic(
        "forest",
        "forest cabin clearing",
        "axe lantern tent acorn feather mushroom berry arrow bow map torch log",
        "tracked a fox, climbed an oak, crossed the stream",
    ),
    _topic(
        "workshop",
        "workshop garage forge",
        "hammer nail mallet drill wrench bolt plank chisel anvil ladder toolbox screw",
        "repaired an engine, polished the wood, welded a pipe",
    ),
)


def _emotion(name: str, feelings: str, reactions: str) -> Emotion:
    return Emotion(name, tuple(feelings.split()), tuple(reactions.split()))


EMOTIONS = (
    _emotion("joy", "happy glad cheerful delighted joyful merry", "smiled laughed danced sang cheered grinned"),
    _emotion("sadness", "sad unhappy gloomy miserable sorrowful heartbroken", "cried sobbed wept sighed moped mourned"),
    _emotion("fear", "afraid scared frightened terrified nervous anxious", "trembled hid fled shivered screamed froze"),
    _emotion("anger", "angry furious cross mad annoyed outraged", "shouted stamped yelled growled frowned cursed"),
    _emotion(
        "calm", "calm peaceful serene content tranquil patient", "rested relaxed dozed meditated lounged strolled"
    ),
)


def _season(name: str, months: str, signs: str) -> Season:
    return Season(name, tuple(months.split()), tuple(signs.split()))


SEASONS = (
    _season("winter", "December January February", "snow frost ice sleigh snowman blizzard"),
    _season("spring", "March April May", "blossom daffodil tulip nest duckling drizzle"),
    _season("summer", "June July August", "sunshine heat strawberry firefly thunderstorm hammock"),
    _season("autumn", "September October November", "foliage pumpkin harvest fog chestnut scarecrow"),
)
MONTHS = tuple(month for season in SEASONS for month in season.months)
TWO_DIGITS = tuple(f"{number:02d}" for number in range(100))


def _states() -> dict[str, tuple[tuple[str, str], ...]]:
    states = {word: (("topic", topic.name),) for topic in TOPICS for group in topic[1:] for word in group} | {
        word: (("emotion", emotion.name),) for emotion in EMOTIONS for group in emotion[1:] for word in group
    }
    for season in SEASONS:
        states |= dict.fromkeys((season.name, *season.signs), (("season", season.name),))
        states |= {month: (("season", season.name), ("month", month)) for month in season.months}
    return states


STATES = _states()
"""What each word reveals about the story from there on, as (label, class) pairs."""
