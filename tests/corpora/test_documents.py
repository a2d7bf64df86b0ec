from mechlab.corpora.documents import Document, Span


def test_a_text_alone_has_no_labels_and_no_known_price():
    assert Document("Hello.") == ("Hello.", (), None, ())


def test_a_span_selects_characters_of_the_text():
    document = Document("Tom ran.", (Span(0, 3, "gender", "male"),))
    start, end, name, value = document.labels[0]
    assert (document.text[start:end], name, value) == ("Tom", "gender", "male")
