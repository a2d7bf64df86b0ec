import importlib.util
from pathlib import Path

import pytest

from mechlab.corpora.tales.corpus import TalesCorpus
from mechlab.corpora.tales.vocabulary import vocabulary, words_of

PLACE = Path(__file__).parents[2] / "experiments" / "000_tales" / "tokenizer.py"


@pytest.fixture(scope="module")
def tokenizer():
    spec = importlib.util.spec_from_file_location("tales_tokenizer", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.build_tokenizer(vocabulary())


TEXTS = [TalesCorpus(31).document(index).text for index in range(1500)]


def test_every_text_comes_back_as_it_was(tokenizer):
    ids = tokenizer(TEXTS)["input_ids"]
    assert tokenizer.batch_decode(ids) == TEXTS
    assert [len(row) for row in ids] == [len(words_of(text)) for text in TEXTS]


def test_no_word_is_unknown_and_special_tokens_come_first(tokenizer):
    used = {token for row in tokenizer(TEXTS)["input_ids"] for token in row}
    assert not used & set(tokenizer.all_special_ids)
    assert tokenizer.convert_ids_to_tokens([0, 1, 2]) == ["<bos>", "<pad>", "<unk>"]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, len(tokenizer)) == (0, 0, len(vocabulary()) + 3)
    assert tokenizer("Mary met Zebediah.")["input_ids"][2] == tokenizer.unk_token_id


def test_the_saved_tokenizer_is_the_same(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = type(tokenizer).from_pretrained(tmp_path)
    assert loaded(TEXTS[:50])["input_ids"] == tokenizer(TEXTS[:50])["input_ids"]
    assert loaded.decode(loaded(TEXTS[0])["input_ids"]) == TEXTS[0]
