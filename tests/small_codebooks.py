"""`mechlab train codebook` as tests call it: a tiny model and so few codes that a run takes a second or two."""

from small_run import Done, call

TEXT = ("--corpus", "tales", "--row-length", "32", "--tokens", "4096", "--eval-tokens", "1024", "--device", "cpu")
SMALL = (*TEXT, "--codes", "20", "--k", "2", "--batch-rows", "8", "--checkpoint-every", "4", "--start-tokens", "512")


def train(model: object, out: object, *more: object) -> Done:
    """Train a tiny model with codebooks; what stands last wins."""
    return call("train", "codebook", "--model", model, *SMALL, "--out", out, *more)
