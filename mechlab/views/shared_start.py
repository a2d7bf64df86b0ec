"""How far two texts are the same from their beginning, so that what differs can be marked."""


def shared_start(before: str, after: str) -> int:
    """Return how many characters two texts share from the first on."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((place for place, (old, new) in pairs if old != new), min(len(before), len(after)))
