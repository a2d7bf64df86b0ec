"""A word-level tokenizer made in memory from a handful of words."""

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mechlab.models.tokenizer import HuggingFaceTokenizer

SPECIAL = ["<bos>", "<eos>", "<unk>"]


def word_tokenizer(words: str) -> HuggingFaceTokenizer:
    """Return a tokenizer that knows <bos>, <eos>, <unk> and the words, split at spaces."""
    vocabulary = {word: index for index, word in enumerate(SPECIAL + words.split())}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", unk_token="<unk>")
    return HuggingFaceTokenizer(fast)
