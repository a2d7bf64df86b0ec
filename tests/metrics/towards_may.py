"""A way to make a tiny model say `may`: the direction of its logit, added at the end of the stream."""

from mechlab.metrics.dose_response import Way, Writing

WORDS = ["may", "june", "the", "cat", *(f"w{number}" for number in range(54))]
MAY = 3
WRITING = Writing(("the cat", "june"), n_each=30, n_tokens=6, seed=4)


def towards_may(model, size):
    """Return an edit that adds the direction of the logit of `may` at the end of the stream."""
    along = model.weights().W_U[:, MAY].clone()
    return lambda: model.edit({"resid_post.2": lambda x: x + size * along / along.norm()})


def way(model, *sizes):
    return Way("towards may", {size: towards_may(model, size) for size in sizes})
