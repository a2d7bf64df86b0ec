"""Experiment 000: train the built-in language model from nothing, judge it, and write it where the package finds it."""

import json
import sys
from pathlib import Path

import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from judging import judge_tasks, loss_on_documents, next_logits_of  # noqa: E402
from tokenizer import build_tokenizer  # noqa: E402
from training import Recipe, new_model, token_rows, train  # noqa: E402

from mechlab.corpora.tales.corpus import TalesCorpus  # noqa: E402
from mechlab.corpora.tales.vocabulary import vocabulary  # noqa: E402
from mechlab.views.terminal import RichProgress  # noqa: E402

PLACE = HERE.parent.parent / "mechlab" / "models" / "tales"
HELD_OUT_SEED = 1_000_003


def main() -> None:
    """Train, write the Hugging Face folder, judge what was written, and write result.json."""
    torch.set_num_threads(1)  # more threads only wait for one another at this size
    torch.set_float32_matmul_precision("medium")
    recipe = Recipe()
    tokenizer = build_tokenizer(vocabulary())
    model = new_model(recipe, len(tokenizer), tokenizer.bos_token_id).to("cuda" if torch.cuda.is_available() else "cpu")
    rows = token_rows(TalesCorpus(seed=recipe.seed), tokenizer, recipe)
    seconds = train(model, rows, recipe, RichProgress())
    model.config._attn_implementation = "sdpa"
    model.cpu().eval().save_pretrained(PLACE)
    tokenizer.save_pretrained(PLACE)
    judged = judge(model, tokenizer)
    result = {"recipe": recipe.model_dump(), "training_seconds": round(seconds), "threads": 1, **judged}
    (HERE / "result.json").write_text(json.dumps(result, indent=1) + "\n")


def judge(model: torch.nn.Module, tokenizer: object) -> dict:
    """Return the model's size, its scores on the tasks, and its loss beside the generator's entropy."""
    held_out = [TalesCorpus(seed=HELD_OUT_SEED).document(index) for index in range(2000)]
    encode = lambda text: tokenizer(text)["input_ids"]  # noqa: E731
    return {
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "tasks": judge_tasks(next_logits_of(model, tokenizer), tokenizer.convert_tokens_to_ids),
        "loss": loss_on_documents(model, encode, held_out, tokenizer.bos_token_id),
    }


if __name__ == "__main__":
    main()
