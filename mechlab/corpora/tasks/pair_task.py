"""A prompt-pair task: its config, and how its pairs are drawn, cut into tokens and grouped.

1. The task sorts out which of its words are single tokens.
2. Pair i is drafted from the seed and i; what is to be balanced follows i in turn, the rest is drawn.
3. A prompt that was there already is drawn again, so that no half of the pairs tells about the other.
4. Both texts are cut into tokens; each role gets the position of its word.
5. Pairs of one length, with the same roles and as many candidates, become one batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from pydantic import Field, NonNegativeInt

from mechlab.core.config import Config
from mechlab.core.errors import UsageError
from mechlab.core.randomness import sub_seed
from mechlab.corpora.encoding import Encoder
from mechlab.corpora.tasks.drafts import Draft
from mechlab.corpora.tasks.pairs import PromptPairs
from mechlab.corpora.tasks.tokenizing import batched

Style = Literal["plain", "tales"]
Drafter = Callable[[Random, int], Draft]
MOST_TRIES = 100


class PairConfig(Config):
    """What every prompt-pair task is told.

    Attributes:
        n: how many pairs, over all batches.
        seed: the pairs' seed.
        style: `plain` English sentences, or exactly the sentences and words of the corpus `tales`.
    """

    n: int = Field(default=100, ge=1)
    seed: NonNegativeInt = 0
    style: Style = "plain"


@dataclass(frozen=True)
class PairTask:
    """A kind of prompt pairs.

    Attributes:
        name: the task's name.
        config: the kind of its config.
        drafter: from a tokenizer and a config to what drafts pair i from a generator.
    """

    name: str
    config: type[PairConfig]
    drafter: Callable[[Encoder, Any], Drafter]

    def pairs(self, tokenizer: Encoder, config: PairConfig) -> tuple[PromptPairs, ...]:
        """Return `config.n` different pairs in batches of one length each, the largest batch first.

        Equal configs give equal pairs, and more pairs begin with the fewer ones.

        Raises:
            UsageError: the config is another task's, too few words are single tokens, the tokenizer does not know a
                word of a prompt, or the task has fewer different prompts than asked.
        """
        if not isinstance(config, self.config):
            remedy = f"Pass a {self.config.__name__}."
            raise UsageError(f"config is not one of task {self.name}", value=type(config).__name__, remedy=remedy)
        return batched(self.name, self._drafts(self.drafter(tokenizer, config), config), tokenizer)

    def _drafts(self, drafter: Drafter, config: PairConfig) -> list[Draft]:
        drafts: dict[str, Draft] = {}
        for index in range(config.n):
            for attempt in range(MOST_TRIES):
                draft = drafter(Random(sub_seed(config.seed, f"prompt pairs/{self.name}/{index}/{attempt}")), index)
                if draft.clean.text not in drafts:
                    break
            else:
                remedy = f"No more than about {len(drafts)} differ with these words and settings."
                raise UsageError(f"task {self.name} has too few different prompts", value=config.n, remedy=remedy)
            drafts[draft.clean.text] = draft
        return list(drafts.values())
