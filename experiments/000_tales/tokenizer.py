"""A word-level tokenizer for the tales: a token per word, half year or punctuation mark; text comes back as it was."""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

BOS, PAD, UNK = "<bos>", "<pad>", "<unk>"


def build_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a closed vocabulary; `<bos>` (id 0) begins a document and ends the one before."""
    ids = {word: index for index, word in enumerate((BOS, PAD, UNK, *words))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+|[^\w\s]"), behavior="removed", invert=True)
    # The WordPiece decoder joins words by spaces and closes up the space before punctuation; `##` is in no word.
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=BOS,
        pad_token=PAD,
        unk_token=UNK,
        clean_up_tokenization_spaces=False,
    )
