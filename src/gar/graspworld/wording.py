"""The words of the questions: several ways to ask each, in a person's words and in those of GAR-Bench.

Choices:
- A question is worded at random, its answer never: there is one form of each answer.
- Places in braces are filled in: `{p}`, `{a}`, `{b}` prompts, `{d}` a description, `{l}` a list of prompts ("and"),
  `{o}` another ("or").
"""

from __future__ import annotations

__all__ = [
    "ATTRIBUTE_QUESTIONS",
    "CHAIN_QUESTIONS",
    "CHOICE_QUESTIONS",
    "DESCRIBE",
    "DESCRIBE_ALONE",
    "EXTREMES",
    "IN_MIRROR",
    "OPTION_FORMS",
    "ORDER_QUESTIONS",
    "POSITION_FORMS",
    "POSITION_QUESTIONS",
    "QUESTIONS_ON",
    "REAL_QUESTIONS",
    "RELATION_QUESTIONS",
    "ROW_FORMS",
    "SAME_QUESTIONS",
    "SHOWN",
    "TIED_QUESTIONS",
    "TIE_QUESTIONS",
    "WHICH_IN_MIRROR",
    "WHICH_QUESTIONS",
    "YES_NO_QUESTIONS",
]

DESCRIBE_ALONE = "Describe this masked region in detail."
"""The published question for one region."""
DESCRIBE = ("Describe {p} in detail.", "Give a detailed description of {p}.", "Please describe {p} in detail.")

ATTRIBUTE_QUESTIONS: dict[str, tuple[str, ...]] = {
    "noun": ("What is {p}?", "What is the object in {p}?", "What does {p} show?", "What kind of object is {p}?",
             "Name the object marked by {p}."),
    "size": ("What size is {p}?", "How large is {p} in the picture?", "Is {p} tiny, small, medium or large?",
             "What is the size of {p}?"),
    "color": ("What color is {p}?", "What is the color of {p}?", "Which color does {p} have?",
              "What is the main color of {p}?"),
    "pattern": ("What pattern does {p} have?", "What is the pattern of {p}?", "How is {p} patterned?",
                "What is the texture of {p}?"),
    "material": ("What is {p} made of?", "What is the material of {p}?", "What material is {p} made of?",
                 "Which material does {p} consist of?"),
    "shape": ("What shape is {p}?", "What is the shape of {p}?", "Which shape does {p} have?",
              "What is the shape of the object indicated by {p}?"),
    "place": ("Where in the picture is {p}?", "Where is {p}?", "In which part of the picture is {p}?"),
}  # fmt: skip

QUESTIONS_ON = ATTRIBUTE_QUESTIONS | {
    "texture": ("What is the texture of {p}?", "What is the surface of {p} like?", "Which texture does {p} have?"),
}
"""Those, and what else is asked for a word."""

RELATION_QUESTIONS = (
    "What is the spatial relationship between {a} and {b}?",
    "What is the relationship between {a} and {b}?",
    "Where is {a} relative to {b}?",
    "How is {a} placed with respect to {b}?",
    "How does {a} relate to {b}?",
)

TIE_QUESTIONS = (
    "What is the relationship between {a} and {b}?",
    "How is {a} interacting with {b}?",
    "What is the primary interaction between {a} and {b}?",
    "Which statement accurately describes the relationship between {a} and {b}?",
    "What is the spatial relationship between {a} and {b}?",
    "What do {a} and {b} have to do with each other?",
)
CHAIN_QUESTIONS = (
    "What is the relationship between",
    "What is the spatial relationship between",
    "Which statement best describes the relationship between",
    "Which statement correctly describes the interaction between",
)
"""Followed by the names of three prompts."""
TIED_QUESTIONS = (
    "Which object is {a} {verb}?",
    "Which one among {l} is {a} {verb}?",
    "What is {a} {verb}: {o}?",
)

SHOWN = ("Does {p} show {c}?", "Are the things in {p} {c}?", "Is it true that {p} shows {c}?")
"""How a noun that takes a plural verb is asked about."""
YES_NO_QUESTIONS = {
    "": ("Is {p} {c}?", "Would you say that {p} is {c}?", "Is it true that {p} is {c}?"),
    "noun": ("Is {p} {c}?", "Does {p} show {c}?", "Is it true that {p} is {c}?", "Is the object in {p} {c}?"),
    "relation": ("Is {a} {c} {b}?", "Is it true that {a} is {c} {b}?", "Would you say that {a} is {c} {b}?"),
}

SAME_QUESTIONS = {
    "noun": ("Are {a} and {b} the same kind of object?", "Do {a} and {b} show the same kind of object?"),
    "size": ("Are {a} and {b} of the same size?", "Do {a} and {b} have the same size?"),
    "color": ("Are {a} and {b} the same color?", "Do {a} and {b} have the same color?"),
    "pattern": ("Do {a} and {b} have the same pattern?", "Is the pattern of {a} the same as that of {b}?"),
    "material": ("Are {a} and {b} made of the same material?", "Is the material of {a} the same as that of {b}?"),
}

WHICH_QUESTIONS = (
    "Which object is {d}?",
    "Which one among {l} is {d}?",
    "Which of the marked objects is {d}?",
    "Which mask shows {d}?",
    "Which of the marked regions shows {d}?",
    "Among {l}, which one is {d}?",
)

EXTREMES = {
    "leftmost": (0, False),
    "rightmost": (0, True),
    "highest": (1, False),
    "lowest": (1, True),
    "smallest": (2, False),
    "largest": (2, True),
}
"""What is compared (0 across, 1 down, 2 area) and whether the greatest is meant."""

ORDER_QUESTIONS = {
    "order-left-right": (0, ("List {l} from left to right.", "What is the order of {l} from left to right?",
                             "In which order do {l} stand from left to right?")),
    "order-top-bottom": (1, ("List {l} from top to bottom.", "What is the order of {l} from top to bottom?",
                             "In which order do {l} come from top to bottom?")),
    "order-size": (2, ("List {l} from smallest to largest.", "What is the order of {l} from smallest to largest?",
                       "Sort {l} by size, the smallest first.")),
}  # fmt: skip

REAL_QUESTIONS = (
    "Is {p} real or a reflection?",
    "Is {p} a real object or a reflection?",
    "Does {p} show a real object or a reflection?",
)
IN_MIRROR = ("Is {p} in the mirror?", "Is {p} located within the mirror?")
WHICH_IN_MIRROR = (
    "Which one among {l} is in the mirror?",
    "Among {l}, which mask is in the mirror?",
    "Which of the following masks, {l}, is in the mirror?",
)

CHOICE_QUESTIONS = {
    "noun": ("What is {p} in the image?", "Which of the following best describes {p}?"),
    "color": ("What is the color of {p} in the image?", "Which of the following describes the color of {p}?"),
    "pattern": ("Which of the following best describes the texture of {p}?",
                "Which of the following best describes the pattern on {p}?",
                "What is the texture of {p} in the image?"),
    "texture": ("Which of the following best describes the texture of {p}?",
                "Which of the following best describes the surface of {p}?",
                "What is the texture of {p} in the image?"),
    "material": ("Based on the image, what material is {p} made of?", "What is the primary material of {p}?"),
    "shape": ("Which of the following describes the shape of {p}?", "What is the shape of {p} in the image?"),
    "size": ("Which of the following describes the size of {p}?",),
    "place": ("Which of the following describes the position of {p}?",),
}  # fmt: skip
"""More ways to ask, where options follow."""

OPTION_FORMS = {
    "noun": ("{w}", "{A}.", "{It} {a}."),
    "color": (
        "{w}",
        "{W}.",
        "{W}.",
        "It is {w}.",
        "The object is {w}.",
        "The masked object is {w}.",
        "It is primarily {w}.",
    ),
    "colors": (
        "{w}",
        "{W}.",
        "{W}.",
        "It is {w}.",
        "It is a mix of {w}.",
        "A combination of {w}.",
        "The object is a combination of {w}.",
        "It is primarily {w}.",
    ),
    "pattern": ("{w}", "{W}.", "It is {w}.", "It has a {w} pattern.", "It has a {w} texture."),
    "texture": (
        "{w}",
        "{W}.",
        "{W}.",
        "It has a {w} texture.",
        "It has a {w} surface.",
        "The object has a {w} texture.",
        "The masked object has a {w} surface.",
    ),
    "material": (
        "{w}",
        "{W}.",
        "{W}.",
        "It is made of {w}.",
        "The object is made of {w}.",
        "The masked object is made of {w}.",
        "{J}.",
    ),
    "shape": ("{w}", "{A}.", "It has the shape of {a}.", "The object is {a}."),
    "outline": ("{w}", "{W}.", "It is {w}.", "The object is {w}.", "{A} object.", "It has {a} outline."),
    "size": ("{w}", "{W}.", "Its size is {w}."),
    "place": ("{w}", "{W}.", "It is {w}."),
}
"""How an option says a word: `{w}`, `{W}` with a capital, `{a}` with its article, `{A}` both, `{J}` as an
adjective; `{It}` is "It is" or "They are"."""

POSITION_QUESTIONS = (
    "Which row and which position is {p} in the full image?",
    "Which position is {p} in the full image?",
    "Counting the objects in the full image, which one is {p}?",
)

_IN_LINE = (
    "the {n} one counting from the {end}",
    "the {n} one from the {end}",
    "the {n} item from the {end}",
    "the {n} from the {end} {on}",
    "the {n} one from the {end} {on}",
    "the {n} one counting from the {end}.",
)
ROW_FORMS = {
    "row": _IN_LINE,
    "column": _IN_LINE,
    "rows": (
        "the {n} one counting from the {end} in the {line}",
        "the {n} one from the {end} in the {line}",
        "the {n} one counting from the {end} in the {nth} row counting from the {side}",
        "the {n} one from the {end} in the {nth} row",
        "the {n} from the {end} in the {nth} row",
        "the {n} one in the {nth} row",
        "the {nth} row from the {side}, the {n} one from the {end}",
        "from the {side} {along}, the {nth} row; from the {end} {on}, the {n} one",
    ),
    "columns": (
        "the {n} one counting from the {end} in the {line}",
        "the {n} one from the {end} in the {line}",
        "the {nth} column from the {side}, the {n} one from the {end}",
    ),
}
"""How it is said which one of a row, a column, several rows or several columns something is: `{n}` from an `{end}` on
(`{on}`: "to the right", "up"), in the `{nth}` line from a `{side}`, or in the `{line}` ("top row", "second column from
the left")."""

POSITION_FORMS = {
    "line": (
        "the {n} one from the {end}",
        "the {n} one counting from the {end}",
        "the {n} from the {end}",
        "the {n} item from the {end}",
        "the {n} one from the {end} {on}",
    ),
    "rows": (
        "the {n} one from the {end} in the {row} row",
        "the {n} from the {end} in the {nth} row",
        "the {n} one counting from the {end} in the {counted} row from the {side}",
        "the {counted} row from the {side}, the {n} one from the {end}",
    ),
}
"""How an option says a position: `{n}` is which one it is from an `{end}` on ("to the right", "up"); `{row}` names its
row, `{nth}` counts it from the top and `{counted}` from a `{side}`."""
