"""A label by its name, as people write it: `season=winter`, or `season` for any of its values."""

from collections.abc import Mapping, Sequence

from jaxtyping import Bool
from torch import Tensor

from mechlab.core.errors import UnknownName
from mechlab.corpora.rows import TokenRows


def label_asked(label_names: Mapping[str, Sequence[str]], name: str) -> tuple[str, int | None]:
    """Return the label, and the number of its value; None stands for any.

    Args:
        label_names: the classes of each label, in index order.
        name: `season=winter` or `season`.

    Raises:
        UnknownName: there is no such label or value.
    """
    label, equals, value = name.partition("=")
    if label not in label_names:
        known = f"Labels are {', '.join(label_names)}." if label_names else "The corpus has no labels."
        raise UnknownName("no such label", value=label, remedy=known)
    values = label_names[label]
    if equals and value not in values:
        raise UnknownName(f"{label} has no such value", value=value, remedy=f"Values are {', '.join(values)}.")
    return label, list(values).index(value) if equals else None


def labelled(rows: TokenRows, name: str) -> Bool[Tensor, "n_rows pos"]:
    """Return which tokens carry a label; those that stand for no text never do.

    Raises:
        UnknownName: there is no such label or value.
    """
    label, number = label_asked(rows.label_names, name)
    found = rows.labels[label]
    return (found >= 0 if number is None else found == number) & ~rows.special
