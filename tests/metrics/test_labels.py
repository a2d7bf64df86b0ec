"""Labels become numbered classes; a token without a label is a negative of every class."""

import torch

from mechlab.metrics.labels import Classes

NAMES = {"emotion": ("joy", "fear"), "season": ("winter", "spring", "summer")}


def test_every_value_of_every_label_is_a_class():
    classes = Classes.of(NAMES)
    assert classes.names == ("emotion=joy", "emotion=fear", "season=winter", "season=spring", "season=summer")
    assert classes.everything == 5


def test_groups_are_the_classes_of_scored_tokens_in_order():
    classes = Classes.of(NAMES)
    labels = {
        "emotion": torch.tensor([[0, 1, -1], [1, -1, 0]], dtype=torch.int8),
        "season": torch.tensor([[-1, 2, 0], [0, 1, -1]], dtype=torch.int8),
    }
    scored = torch.tensor([[False, True, True], [True, True, True]])
    assert classes.groups(labels, scored).tolist() == [[1, -1, 1, -1, 0], [4, 2, 2, 3, -1], [5, 5, 5, 5, 5]]


def test_a_corpus_without_labels_has_one_group_of_all_tokens():
    classes = Classes.of({})
    assert classes.names == () and classes.everything == 0
    assert classes.groups({}, torch.ones(2, 2, dtype=torch.bool)).tolist() == [[0, 0, 0, 0]]
