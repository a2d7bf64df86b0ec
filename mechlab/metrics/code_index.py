"""An index of codes: which codes stand for every token of a corpus, so that any cause can be looked up at once.

1. One pass over the rows writes each token's codes into tables laid out beforehand, one per site.
2. A code that stands for one token twice is kept once: counts are counts of tokens.
3. How often each code is used is counted once, for all tokens.
4. For some of the tokens it is counted over them, or over the others and subtracted, whichever are fewer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int, Int32, Int64
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor

from mechlab.core.config import Config, build
from mechlab.core.errors import ArtifactError, ConfigError, UsageError
from mechlab.core.progress import SILENT, Progress
from mechlab.corpora.rows import TokenRows
from mechlab.dictionaries.codebook import NO_CODE, CodebookConfig
from mechlab.interventions.codebook_model import CodebookModel

ENTRIES_AT_ONCE = 1 << 21
WHERE = ("row", "position")


class BookSize(Config):
    """How many codes there are at a site, and how many stand for a token."""

    n_groups: PositiveInt
    n_codes: PositiveInt
    k: PositiveInt

    @classmethod
    def of(cls, config: CodebookConfig) -> "BookSize":
        """Return the size of a codebook."""
        return cls(n_groups=config.n_groups, n_codes=config.n_codes, k=config.k)

    @property
    def n_all(self) -> int:
        """Number of codes of all groups."""
        return self.n_groups * self.n_codes

    @property
    def n_slots(self) -> int:
        """Number of codes that stand for a token."""
        return self.n_groups * self.k

    @property
    def dtype(self) -> torch.dtype:
        """The smallest number type that holds every code."""
        return torch.int16 if self.n_all < 1 << 15 else torch.int32


class IndexFacts(Config):
    """What an index says beside its tables; the totals are each code's uses."""

    rows: str
    n_rows: PositiveInt
    row_length: PositiveInt
    books: dict[str, BookSize]
    totals: dict[str, tuple[NonNegativeInt, ...]]


@dataclass(frozen=True, eq=False)
class CodeIndex:
    """The codes of every scored token, in the order of the corpus; special tokens are left out.

    Attributes:
        rows: fingerprint of the rows.
        row: the row of each token.
        position: its position there.
        books: how large the codebook at each site is.
        codes: per site the codes of each token, group by group; `NO_CODE` where a slot is empty.
        totals: per site the number of tokens each code stands for.
    """

    rows: str
    n_rows: int
    row_length: int
    row: Int32[Tensor, "n_tokens"]
    position: Int32[Tensor, "n_tokens"]
    books: dict[str, BookSize]
    codes: dict[str, Int[Tensor, "n_tokens _"]]
    totals: dict[str, Int64[Tensor, "_"]]

    def __len__(self) -> int:
        return len(self.row)

    def uses(self, site: str, tokens: Bool[Tensor, "n_tokens"]) -> Int64[Tensor, "n_all"]:
        """Return on how many of some tokens each code of a site is active."""
        few = 2 * int(tokens.sum()) <= len(self)
        chosen = self.codes[site].index_select(0, (tokens if few else ~tokens).nonzero()[:, 0])
        counts = count_codes(chosen, self.books[site].n_all)
        return counts if few else self.totals[site] - counts

    def active_on(self, codes: Sequence[tuple[str, int]]) -> list[Int64[Tensor, "_"]]:
        """Return, for each of some codes of some sites, the numbers of the tokens it is active on, in rising order."""
        found: dict[tuple[str, int], list[Tensor]] = {one: [] for one in codes}
        for (site, group), own in self._by_group(found).items():
            k = self.books[site].k
            for start, slots in _slots(self.codes[site][:, group * k : (group + 1) * k]):
                for code in own:
                    found[site, code].append((slots == code).any(0).nonzero()[:, 0] + start)
        return [torch.cat(found[one]) for one in codes]

    def place(self, number: int) -> tuple[str, int]:
        """Return site and code of one of all codes of all sites, counted through in the order of `books`."""
        for site, book in self.books.items():
            if number < book.n_all:
                return site, number
            number -= book.n_all
        raise IndexError(number)

    def refuse_other(self, rows: TokenRows) -> None:
        """Pass if these are the rows that were indexed.

        Raises:
            UsageError: they are others.
        """
        if rows.fingerprint != self.rows:
            remedy = f"The index was made of rows {self.rows[:12]}: give these, or index again."
            raise UsageError("index of codes is of other rows", value=rows.fingerprint[:12], remedy=remedy)

    def columns(self) -> dict[str, Int[Tensor, "n_tokens ..."]]:
        """Return the tables to store."""
        return {"row": self.row, "position": self.position, **self.codes}

    def facts(self) -> dict[str, Any]:
        """Return what to store beside the tables, ready for JSON."""
        facts = IndexFacts(
            rows=self.rows,
            n_rows=self.n_rows,
            row_length=self.row_length,
            books=self.books,
            totals={site: tuple(counts.tolist()) for site, counts in self.totals.items()},
        )
        return facts.model_dump(mode="json")

    @classmethod
    def restored(cls, columns: Mapping[str, Tensor], facts: Mapping[str, Any]) -> "CodeIndex":
        """Return the index that was stored as these tables and facts.

        Raises:
            ArtifactError: they are not an index's, or do not belong together.
        """
        try:
            known = build(IndexFacts, facts)
        except ConfigError as error:
            raise ArtifactError("index of codes is damaged", remedy=str(error)) from None
        slots = {site: columns[site].shape[1:].numel() for site in columns if site not in WHERE}
        if set(WHERE) - set(columns) or slots != {site: book.n_slots for site, book in known.books.items()}:
            raise ArtifactError("index of codes is damaged", remedy="Its tables are not those of its codebooks.")
        if {site: len(counts) for site, counts in known.totals.items()} != _widths(known.books):
            raise ArtifactError("index of codes is damaged", remedy="Its totals are not those of its codebooks.")
        totals = {site: torch.tensor(counts) for site, counts in known.totals.items()}
        codes = {site: columns[site] for site in known.books}
        where = columns["row"], columns["position"]
        return cls(known.rows, known.n_rows, known.row_length, *where, known.books, codes, totals)

    def _by_group(self, codes: Iterable[tuple[str, int]]) -> dict[tuple[str, int], list[int]]:
        groups: dict[tuple[str, int], list[int]] = {}
        for site, code in codes:
            groups.setdefault((site, code // self.books[site].n_codes), []).append(code)
        return groups


@torch.no_grad()
def index_codes(model: CodebookModel, rows: TokenRows, progress: Progress = SILENT, batch_rows: int = 16) -> CodeIndex:
    """Return the index of all codes of a model on a corpus; edits of codes that are open apply.

    Source: Tamkin, Taufeeque & Goodman 2023, "Codebook Features": the search over cached codes of their application.
    Theirs holds one codebook per layer in dictionaries of Python lists; ours holds all sites in tables.

    Raises:
        UsageError: no token of the rows stands for text.
    """
    places = (~rows.special).nonzero().int()
    if not len(places):
        raise UsageError("rows have no token to index", remedy="All of their tokens are special.")
    books = {site: BookSize.of(codebook.config) for site, codebook in model.codebooks.items()}
    codes = {site: torch.empty(len(places), book.n_slots, dtype=book.dtype) for site, book in books.items()}
    start = 0
    with progress.task("indexing codes", rows.n_tokens, "tokens") as task:
        for tokens, special in zip(rows.tokens.split(batch_rows), rows.special.split(batch_rows), strict=True):
            end = start + int((~special).sum())
            for site, ids in model.codes(tokens.to(model.device)).items():
                codes[site][start:end] = once_each(ids).flatten(2).cpu()[~special]
            start = end
            task.advance(tokens.numel())
    totals = {site: count_codes(codes[site], book.n_all) for site, book in books.items()}
    row, position = places.T.contiguous()
    return CodeIndex(rows.fingerprint, len(rows), rows.row_length, row, position, books, codes, totals)


def once_each(ids: Int[Tensor, "*batch n_groups k"]) -> Int[Tensor, "*batch n_groups k"]:
    """Return the codes with a slot left empty where its code stands in an earlier one."""
    ordered, slots = ids.sort(dim=-1, stable=True)
    again = torch.nn.functional.pad(ordered[..., 1:] == ordered[..., :-1], (1, 0))
    return ids.masked_fill(torch.zeros_like(again).scatter(-1, slots, again), NO_CODE)


def count_codes(codes: Int[Tensor, "n_tokens n_slots"], n_all: int) -> Int64[Tensor, "n_all"]:
    """Return how often each code occurs; a part of the tokens at a time."""
    counts = torch.zeros(n_all + 1, dtype=torch.int64)
    for part in codes.split(_tokens_at_once(codes)):
        counts += torch.bincount((part + 1).flatten(), minlength=n_all + 1)
    return counts[1:]


def _slots(codes: Int[Tensor, "n_tokens k"]) -> Iterator[tuple[int, Int[Tensor, "k some_tokens"]]]:
    """Yield the first token of a part, and its tokens slot by slot: so laid out they are compared fastest."""
    at_once = _tokens_at_once(codes)
    for start in range(0, len(codes), at_once):
        yield start, codes[start : start + at_once].T.contiguous()


def _tokens_at_once(codes: Int[Tensor, "n_tokens n_slots"]) -> int:
    return max(1, ENTRIES_AT_ONCE // codes.shape[1])


def _widths(books: Mapping[str, BookSize]) -> dict[str, int]:
    return {site: book.n_all for site, book in books.items()}
