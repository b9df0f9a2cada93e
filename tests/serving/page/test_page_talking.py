"""Descriptions, questions and answers on the page, in a real browser and with models that know nothing."""

import pytest
from PIL import Image
from visitor import wait_until

from gar import Region

BOXES = ((20, 20, 100, 100), (150, 20, 250, 100), (20, 140, 100, 220), (150, 140, 250, 220))


@pytest.fixture
def marked(visit_page, disc):
    """Opens the page with four regions on it."""

    def open_marked(**settings):
        visitor = visit_page(**settings)
        visitor.open(disc)
        for box in BOXES:
            visitor.draw_box(*box)
        visitor.page.mouse.move(5, 5)
        return visitor

    return open_marked


def choose(visitor, what, option):
    """Chooses an option of a select field."""
    visitor.page.get_by_role("combobox", name=what).click()
    visitor.page.get_by_role("option", name=option).click()


def test_a_region_is_described_and_asked_about_and_the_answers_stream_in(visit_page, disc, assistant):
    visitor = visit_page()
    visitor.open(disc)
    visitor.draw_box(*BOXES[0])
    visitor.draw_box(*BOXES[1])
    visitor.page.evaluate(
        """() => {
            window.lengths = new Set();
            const note = () => window.lengths.add(document.querySelector('.answer')?.textContent.length ?? 0);
            const all = { childList: true, subtree: true, characterData: true };
            new MutationObserver(note).observe(document.querySelector('.turns'), all);
        }"""
    )
    visitor.button("Describe region 0").click()
    visitor.wait_for_answers(1)
    assert visitor.page.evaluate("window.lengths.size") > 2
    assert "256 tokens" in visitor.page.locator(".facts").inner_text()

    visitor.question.fill("Is ")
    visitor.take("Pick")
    visitor.click(200, 60)  # in region 1
    wait_until(visitor.page, lambda: visitor.question.input_value() == "Is <Prompt1> ")
    visitor.question.press_sequentially("left of")
    visitor.button("Name region 0 in the question").first.click()
    wait_until(visitor.page, lambda: visitor.question.input_value() == "Is <Prompt1> left of <Prompt0> ")
    visitor.question.press("Enter")
    visitor.wait_for_answers(2)
    assert visitor.page.locator(".question").nth(1).inner_text().split() == ["Is", "1", "left", "of", "0"]
    assert visitor.question.input_value() == ""

    described, asked = visitor.conversation()
    assert (described["question"], asked["question"]) == (None, "Is <Prompt1> left of <Prompt0>")
    regions = [Region.rle(region["mask"]) for region in asked["regions"]]
    with Image.open(disc) as picture:
        direct = assistant.ask(picture, asked["question"], regions, max_new_tokens=256)
        assert described["answer"] == assistant.describe(picture, regions[0], max_new_tokens=256).text
    assert asked["answer"] == direct.text


@pytest.mark.slow
def test_a_dialogue_goes_on_begins_anew_and_scores_choices(marked):
    visitor = marked()
    choose(visitor, "Model", "other")
    choose(visitor, "Longest answer", "Short")
    for number, words in enumerate(("What is <Prompt0>?", "And <Prompt2>, <b>is it</b>?"), 1):
        visitor.ask(words)
        visitor.page.get_by_text(f"Follows up {number} question").wait_for()
    assert visitor.page.locator(".question").nth(1).inner_text() == "And 2, <b>is it</b>?"

    visitor.button("Choices").click()
    visitor.page.get_by_label("Choices, one a line").fill("<Prompt0>\n<Prompt1>\nneither")
    visitor.ask("Which is red?")
    assert sorted(visitor.page.locator(".bars dt").all_inner_texts()) == ["0", "1", "neither"]
    shares = [float(share.removesuffix(" %")) for share in visitor.page.locator(".bars .share").all_inner_texts()]
    assert sum(shares) == pytest.approx(100, abs=2)
    assert shares == sorted(shares, reverse=True)

    visitor.button("New conversation").click()
    visitor.page.get_by_text("Follows up").wait_for(state="hidden")
    visitor.button("Choices").click()
    visitor.ask("What is <Prompt2>?")
    assert visitor.page.locator(".turn").nth(3).get_by_text("New conversation").count() == 1
    turns = visitor.conversation()
    tokens = [turn["prompt_tokens"] for turn in turns]
    assert tokens[0] < tokens[1] < tokens[2]
    assert tokens[3] == tokens[0]
    assert set(turns[2]["probabilities"]) == {"<Prompt0>", "<Prompt1>", "neither"}


@pytest.mark.slow
def test_prompts_in_questions_and_answers_light_up_their_regions_by_mouse_and_by_focus(marked):
    visitor = marked()
    choose(visitor, "Model", "other")
    choose(visitor, "Longest answer", "Short")
    visitor.ask("Is <Prompt0> red?")
    visitor.page.mouse.move(5, 5)
    wait_until(visitor.page, lambda: visitor.opacity_at(200, 60) > 100)
    before = visitor.layer()
    answered = visitor.page.locator(".answer .chip").first
    for chip, number in ((visitor.page.locator(".question .chip").first, 0), (answered, int(answered.inner_text()))):
        x1, y1, x2, y2 = BOXES[number]
        others = [(a + c) // 2 for a, _, c, _ in BOXES], [(b + d) // 2 for _, b, _, d in BOXES]
        for point_at in (chip.hover, chip.focus):
            point_at()
            wait_until(visitor.page, lambda at=((x1 + x2) // 2, (y1 + y2) // 2): visitor.opacity_at(*at) > 150)
            lit = [visitor.opacity_at(x, y) > 60 for x, y in zip(*others, strict=True)]
            assert lit == [each == number for each in range(4)]
            visitor.page.mouse.move(5, 5)
            visitor.question.focus()
            wait_until(visitor.page, lambda: (visitor.layer() == before).all())


@pytest.mark.slow
def test_who_waits_sees_a_place_in_the_queue_and_can_stop(marked):
    visitor = marked()
    choose(visitor, "Model", "other")
    choose(visitor, "Longest answer", "Long")
    visitor.button("Describe all").click()
    visitor.page.get_by_text("Waiting: number 2 in the queue").first.wait_for()
    visitor.button("Stop answering").click()
    visitor.wait_for_answers(4)
    states = [turn["state"] for turn in visitor.conversation()]
    assert states[-1] == "stopped"
    assert visitor.page.get_by_text("Stopped").count() == states.count("stopped")


@pytest.mark.slow
def test_a_visitor_picks_the_model_and_the_length(marked):
    visitor = marked()
    choose(visitor, "Longest answer", "Short")
    visitor.button("Describe all").click()
    visitor.wait_for_answers(4)
    choose(visitor, "Model", "other")
    visitor.ask("What is <Prompt0>?")
    turns = visitor.conversation()
    assert [turn["model"] for turn in turns] == ["tiny"] * 4 + ["other"]
    assert all(turn["new_tokens"] <= 64 for turn in turns)
    assert "choose a longer answer" in visitor.page.locator(".facts").last.inner_text()
