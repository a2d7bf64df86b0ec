"""A growing text is shown piece by piece and ends up whole; nothing in it can move a terminal's cursor."""

import torch
from small_run import N_CTX

from mechlab.core.progress import SilentProgress
from mechlab.models.loaders import load
from mechlab.verbs.steps.steering.stream import INCOMPLETE, Shown, continued, printable, text_of


class Screen(SilentProgress):
    def __init__(self) -> None:
        self.pieces: list[str] = []

    def stream(self, text: str) -> None:
        self.pieces.append(text)


class Bytes:
    """A model whose tokens are bytes: characters of several end inside a token."""

    special_ids = frozenset({0})

    def to_text(self, tokens: torch.Tensor) -> list[str]:
        return [bytes(row).decode("utf-8", "replace") for row in tokens.tolist()]


def test_pieces_make_up_the_text(model):
    own, screen = load(str(model), device="cpu"), Screen()
    prompt = own.to_tokens("One day Mary")
    shown = Shown(own, screen, prompt[0].tolist())
    rows = own.generate(prompt, 6, seen=shown.add)
    shown.end()
    assert len(screen.pieces) == 8 and screen.pieces[-1] == "\n"
    assert "".join(screen.pieces)[:-1] == text_of(own, rows[0])
    assert continued(own, rows[0], prompt.shape[1]) == "".join(screen.pieces[1:])[:-1]
    assert rows.shape[1] <= N_CTX


def test_a_character_of_several_tokens_is_shown_whole():
    screen = Screen()
    shown = Shown(Bytes(), screen, [0, *b"caf"])
    for token in (*"é".encode(), 0, *b"s"):
        shown.add(torch.tensor([[token]]))
    shown.end()
    assert [piece for piece in screen.pieces if piece] == ["caf", "é", "s", "\n"]


def test_what_moves_a_terminal_is_a_mark():
    assert printable("a\x1b[31mb\rc\n\td") == f"a{INCOMPLETE}[31mb{INCOMPLETE}c\n\td"


def test_special_tokens_are_no_text():
    assert text_of(Bytes(), torch.tensor([0, 97, 0, 98])) == "ab" and text_of(Bytes(), torch.tensor([0])) == ""
