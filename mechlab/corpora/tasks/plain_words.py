"""Words of the plain sentences: common English ones, which tokenizers of large vocabularies keep whole.

Every object takes the article `a`, and so does every colour.
"""

from mechlab.corpora.tales.names import NAMES


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PEOPLE = NAMES
PLACES = _words("store garden restaurant school hospital office house station market park library beach")
OBJECTS = _words(
    "book cup pen ball hat coat bag box ring key phone lamp clock chair knife spoon plate bottle basket "
    "brush drum flag glove guitar hammer helmet jacket kite ladder mirror necklace pencil pillow radio rope shirt "
    "shoe sword ticket toy watch wallet whistle bell blanket bowl bucket camera card coin computer fork "
    "newspaper map notebook shovel stone toothbrush towel tent wheel"
)
COLOURS = _words("red blue green black white yellow brown pink purple gray")
EVENTS = _words(
    "war siege reign voyage dispute famine festival treaty drought project campaign career conflict contract debate "
    "expansion journey marriage mission negotiation plague program raid rebellion struggle test trial"
)
SURFACES = _words("table desk floor shelf bed counter")
