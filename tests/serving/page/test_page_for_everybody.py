"""What screen readers are told, light and dark, mistakes in words, and the end of a visit; in a real browser."""

import gc
import json
import urllib.error
import urllib.request

import pytest
from PIL import Image
from visitor import wait_until

from gar.assistant import EncodedScene

NAMED_ROLES = {
    "button",
    "textbox",
    "slider",
    "combobox",
    "image",
    "application",
    "region",
    "log",
    "menuitem",
    "toolbar",
}


def names_by_role(page):
    """The accessibility tree as a screen reader gets it: (role, name) of all that should have a name."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    nodes = [node for node in tree if not node["ignored"] and node["role"]["value"] in NAMED_ROLES]
    return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]


@pytest.mark.slow
def test_a_screen_reader_has_a_name_for_everything(visit_page, disc):
    visitor = visit_page()
    assert [role for role, name in names_by_role(visitor.page) if not name] == []
    visitor.open(disc)
    visitor.draw_box(20, 20, 100, 100)
    visitor.ask("Is <Prompt0> red?")
    visitor.button("Choices").click()
    visitor.page.get_by_label("Choices, one a line").wait_for()
    names = names_by_role(visitor.page)
    assert [role for role, name in names if not name] == []
    for expected in (
        ("application", "disc.png, 320 by 240 pixels: draw a box"),
        ("button", "Describe region 0"),
        ("button", "Hide region 0"),
        ("button", "Delete region 0"),
        ("textbox", "Name of region 0"),
        ("textbox", "Question"),
        ("slider", "Opacity of the regions"),
        ("image", "region 0, unnamed box"),
        ("log", "Conversation"),
    ):
        assert expected in names
    assert visitor.button("Box").get_attribute("aria-pressed") == "true"


@pytest.mark.slow
def test_light_and_dark_follow_the_system_until_one_is_chosen(visit_page):
    visitor = visit_page(color_scheme="dark")

    def is_dark():
        return visitor.page.evaluate("document.body.classList.contains('body--dark')")

    assert is_dark()
    visitor.button("Colors: light or dark as the system").click()
    visitor.button("Colors: light").wait_for()
    wait_until(visitor.page, lambda: not is_dark())
    visitor.button("Colors: light").click()
    wait_until(visitor.page, is_dark)
    visitor.button("Colors: dark").click()
    visitor.page.emulate_media(color_scheme="light")
    wait_until(visitor.page, lambda: not is_dark())


@pytest.mark.slow
def test_mistakes_are_told_in_words_and_what_was_written_stays(visit_page, disc, tmp_path):
    visitor = visit_page()
    visitor.button("Save").click()
    visitor.page.get_by_role("menuitem", name="Regions (COCO)").click()
    visitor.wait_for_words("There is nothing to save yet; open a picture first")
    (tmp_path / "words.png").write_text("words")
    visitor.choose("Open", tmp_path / "words.png")
    visitor.wait_for_words("is not a picture")
    (tmp_path / "large.png").write_bytes(bytes(26_000_000))
    visitor.choose("Open", tmp_path / "large.png")
    visitor.wait_for_words("large.png has 26.0 MB; allowed are 25 MB")
    visitor.open(disc)
    visitor.take("Box")
    visitor.click(50, 50)
    visitor.wait_for_words("The box has no extent")
    visitor.button("Ask").click()
    visitor.wait_for_words("The question is empty")
    visitor.question.fill("What is <Prompt3>?")
    visitor.question.press("Enter")
    visitor.wait_for_words("No region is marked")
    wait_until(visitor.page, lambda: visitor.question.input_value() == "What is <Prompt3>?")
    visitor.draw_box(20, 20, 100, 100)
    visitor.question.press("Enter")
    visitor.page.locator(".failed").filter(has_text="<Prompt3>").wait_for()
    for number in range(1, 5):
        visitor.draw_box(20 * number, 20, 20 * number + 50, 100)
    visitor.drag((100, 150), (200, 200))
    visitor.wait_for_words("5 regions are marked, and the model tells 5 apart; delete one first")


@pytest.mark.slow
def test_a_visit_is_forgotten_when_the_visitor_leaves(visit_page, page_url, tmp_path):
    def scenes():
        return [each for each in gc.get_objects() if type(each) is EncodedScene and each.size == (77, 123)]

    Image.new("RGB", (123, 77), "red").save(tmp_path / "odd.png")
    visitor, other = visit_page(), visit_page()
    visitor.open(tmp_path / "odd.png")
    visitor.draw_box(20, 20, 60, 60)
    visitor.button("Describe region 0").click()
    visitor.wait_for_answers(1)
    assert scenes()
    address = page_url + visitor.page.locator(".frame img").get_attribute("src")

    def status():
        try:
            with urllib.request.urlopen(address) as reply:
                return reply.status
        except urllib.error.HTTPError as error:
            return error.code

    assert status() == 200
    visitor.page.close()
    wait_until(other.page, lambda: status() == 404)
    wait_until(other.page, lambda: not scenes())


@pytest.mark.slow
def test_what_no_browser_of_ours_sends_leaves_no_traceback_and_the_page_goes_on(visit_page, disc, caplog):
    visitor = visit_page()
    visitor.open(disc)
    visitor.draw_box(20, 20, 100, 100)
    sent = {
        "refer": [{"x": "a", "y": 1}, {"x": None}, {"x": -1e9, "y": 1e9}, {"x": [], "y": {}}, {"id": {}}, 7],
        "stroke": [
            {"kind": {}, "points": [[1, 1]]},
            {"kind": "box", "points": [[{}, 1], [2, 3]]},
            {"kind": "box", "points": [[1e300, 1], [2, 3]]},
            {"kind": "polygon", "points": [[1, 1]] * 100_001},
            {"kind": "x" * 100_000, "points": [1]},
        ],
        "refused": [{}, {"name": {}, "bytes": "many"}, "x", {"name": "x" * 100_000, "bytes": []}],
        "unsent": [{}, {"name": [], "status": {}}],
        "input": ["much", None, {}, 1e9],
    }
    clients = pytest.importorskip("nicegui").Client.instances
    client = next(each for each in clients.values() if each.has_socket_connection)
    for element in client.elements.values():
        for listener in element._event_listeners.values():
            for value in sent.get(listener.type, []) if element.tag != "textarea" else []:
                message = {"id": element.id, "listener_id": listener.id, "args": [json.dumps(value)]}
                visitor.page.evaluate(
                    "(message) => window.socket.emit('event', { ...message, client_id: window.clientId })", message
                )
    visitor.draw_box(120, 20, 200, 100)
    assert [each["bbox"] for each in visitor.regions()] == [[20, 20, 80, 80], [120, 20, 80, 80]]
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert max(map(len, visitor.page.get_by_role("alert").all_inner_texts())) < 500
