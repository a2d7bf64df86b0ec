"""What two channels carry: one with causes and features, one with tokens alone."""

from mechlab.core.estimate import Estimate
from mechlab.views.channel_carried import Along, CarriedChannel, CarriedData, CauseRow, EndRow


def sample_cause(**changed) -> CauseRow:
    """Return a cause that lies beyond both nulls."""
    known = {"name": "owner=third", "n_positives": 416, "reading": "amount", "n_as_far": 0}
    auc = Estimate(value=0.84, low=0.8, high=0.87, n=391)
    return CauseRow(**{**known, "auc": auc, "shuffled": 0.54, "drawn": 0.7, **changed})


def sample_end(name: str) -> EndRow:
    """Return one end, with a token that is a tag."""
    most = (Along(name="<script>", part=0.41, z=4.6), Along(name=" June", part=0.39, z=4.4))
    least = (Along(name=" and", part=-0.21, z=-2.3),)
    known = {"largest_z": 4.6, "p_largest": 0.001, "p_drawn": 0.015, "share_beyond": 0.03, "n": 732}
    return EndRow(name=name, most=most, least=least, **known)


def sample_carried() -> CarriedData:
    """Return the data."""
    features = sample_end("features it writes like").model_copy(
        update={"most": (Along(name="12", part=-0.71, z=-8.0),), "least": ()}
    )
    noise = sample_cause(name="season=winter", drawn=0.9, n_as_far=7)
    tokens = (sample_end("sender reads"), sample_end("sender raises"))
    first = CarriedChannel(
        name="0.0.3 -> 1.0 q",
        sender="0.0",
        receiver="1.0",
        mode="q",
        z=9.1,
        cosine=0.7,
        tokens=tokens,
        causes=(sample_cause(), noise),
        features=(features,),
    )
    plain = first.model_copy(
        update={"name": "0.0.1 -> 2.1 k", "mode": "k", "receiver": "2.1", "causes": (), "features": ()}
    )
    return CarriedData(
        channels=(first, plain),
        text="48,597 tokens of tales",
        dictionary="0123456789abcdef at resid_post.1",
        n_directions=20,
        n_classes=66,
    )
