"""Tokens to pieces: characters are whole, stop sequences are never said."""

import pytest

from gar.serving.spoken import Spoken

TEXT = "A red circle lies left of a small blue square. What is above the dotted star?"


def said(tokenizer, text, stop=()):
    spoken = Spoken(tokenizer, stop)
    ids = tokenizer.encode(text, add_special_tokens=False)
    pieces = []
    for token in ids:
        pieces.append(spoken.push(token))
        if spoken.stopped:
            break
    whole, rest = spoken.end(tokenizer.decode(ids))
    assert "".join(pieces) + rest == whole
    return whole, [piece for piece in pieces if piece]


@pytest.mark.parametrize("text", [TEXT, "  blanks around  ", "Grüße 🙂 日本", "<Prompt1> is red", ""])
def test_all_pieces_are_the_text(tiny_tokenizer, text):
    whole, pieces = said(tiny_tokenizer, text)
    assert whole == text.strip()
    assert all("\ufffd" not in piece for piece in pieces)


@pytest.mark.parametrize(
    ("stop", "left"),
    [
        (["circle"], "A red"),
        (["is above", "left of"], "A red circle lies"),
        (["star?!"], TEXT),
        (["A"], ""),
        (["blue square. What"], "A red circle lies left of a small"),
    ],
)
def test_a_stop_sequence_ends_the_text_however_its_tokens_are_cut(tiny_tokenizer, stop, left):
    assert said(tiny_tokenizer, TEXT, stop)[0] == left
