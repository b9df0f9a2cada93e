"""What a model answered in the demo, compared with what is known, and the table of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from gar.cli.reporting import prompt_tag
from gar.graspworld import read_caption

if TYPE_CHECKING:
    from gar.assistant import Answer
    from gar.cli.demo_cases import Case

__all__ = ["Result", "Score", "score", "table"]


@dataclass(frozen=True)
class Result:
    """A case and the model's answers to it."""

    case: Case
    described: tuple[Answer, ...]
    """One for each region."""
    replies: tuple[Answer, ...]
    """One for each question."""

    def words_right(self, index: int) -> dict[str, bool]:
        """Which of a world object's words the description says, by attribute; empty for photographs."""
        if not self.case.words:
            return {}
        said = read_caption(self.described[index].text)
        return {name: said.get(name) == word for name, word in self.case.words[index].items()}

    def reply_right(self, index: int) -> bool:
        """Whether the likeliest choice of a question is the true one."""
        return self.replies[index].choice == self.case.questions[index].truth


@dataclass(frozen=True)
class Score:
    """How often a model was right on the world scenes; photographs are not scored."""

    words: int
    words_asked: int
    questions: int
    questions_asked: int
    chance: float
    """The questions that guessing gets right on average."""


def score(results: Sequence[Result]) -> Score:
    """Counts what was right."""
    words = [
        right
        for result in results
        for index in range(len(result.case.regions))
        for right in result.words_right(index).values()
    ]
    questions = [result.reply_right(index) for result in results for index in range(len(result.replies))]
    chance = sum(1 / len(question.choices) for result in results for question in result.case.questions)
    return Score(sum(words), len(words), sum(questions), len(questions), chance)


def table(results: Sequence[Result]) -> Table:
    """All answers as a table for the terminal."""
    total = score(results)
    grid = Table(
        title="What the model says",
        caption=f"Held-out world scenes: {total.words} of {total.words_asked} words right; "
        f"{total.questions} of {total.questions_asked} questions right (guessing: {total.chance:.1f}). "
        "Photographs: judge for yourself.",
        title_justify="left",
        caption_justify="left",
    )
    grid.add_column("picture", style="bold")
    grid.add_column("")
    grid.add_column("it is", ratio=1)
    grid.add_column("the model says", ratio=1)
    grid.add_column("right", justify="right", no_wrap=True)
    for result in results:
        case = result.case
        for index, answer in enumerate(result.described):
            right = result.words_right(index)
            share = f"{sum(right.values())}/{len(right)}" if right else ""
            title = case.title if index == 0 else ""
            grid.add_row(title, prompt_tag(index), Text(case.known[index]), Text(answer.text), share)
        for index, (question, reply) in enumerate(zip(case.questions, result.replies, strict=True)):
            verdict = Text("yes", "green") if result.reply_right(index) else Text("no", "red")
            asked = Text.assemble((question.text, "italic"), f" → {question.truth}")
            grid.add_row("", "?", asked, Text(str(reply.choice)), verdict)
        grid.add_section()
    return grid
