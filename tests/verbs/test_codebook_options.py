"""The options of `train codebook`: every one says what it is for, and its default is one it would accept."""

from mechlab.verbs.codebook_options import CodebookOptions
from mechlab.verbs.options import visible_fields


def test_every_option_says_what_it_is_for():
    assert all(field.description for field in CodebookOptions.model_fields.values())
    assert "training" not in visible_fields(CodebookOptions)


def test_the_usual_codebooks_are_the_papers_kind_with_the_authors_mean():
    usual = CodebookOptions()
    assert (usual.similarity, usual.combine, usual.normalise, usual.k) == ("cosine", "mean", True, 8)
