"""Regions on the page: drawn, changed and taken back in a real browser, and compared with the server's masks."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from visitor import wait_until

from gar import Region
from gar.drawing import draw_regions, prompt_color
from gar.serving.page.examples import list_examples

SIZE = (240, 320)
"""(H, W) of the picture."""


def iou(a, b):
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def test_each_kind_of_region_that_is_drawn_is_the_mask_that_the_server_has_and_is_shown(visit_page, disc, tmp_path):
    visitor = visit_page()
    visitor.open(disc)
    visitor.take("Point")
    visitor.click(80, 120)
    visitor.wait_for_regions(1)
    visitor.draw_box(230, 100, 130, 20)
    visitor.take("Scribble")
    visitor.drag((150, 150), (200, 200), (290, 180))
    visitor.wait_for_regions(3)
    visitor.take("Polygon")
    for place in ((250, 20), (310, 30), (300, 110), (250, 20)):
        visitor.click(*place)
    visitor.wait_for_regions(4)
    mask = np.zeros(SIZE, np.uint8)
    mask[200:230, 20:120] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    visitor.choose("Upload a mask", tmp_path / "mask.png")
    visitor.wait_for_regions(5)

    meant = [
        Region.points([(80, 120)]),
        Region.box(130, 20, 230, 100),
        Region.scribble([(150, 150), (200, 200), (290, 180)]),
        Region.polygon([(250, 20), (310, 30), (300, 110)]),
        Region.mask(mask),
    ]
    masks = visitor.masks()
    for region, found in zip(meant, masks, strict=True):
        assert iou(region.to_mask(SIZE), found) > 0.96  # the mouse moves by pixels of the screen
    assert np.array_equal(masks[4], mask > 0)

    visitor.page.get_by_role("slider", name="Opacity of the regions").press("End")
    visitor.page.mouse.move(5, 5)
    wait_until(visitor.page, lambda: visitor.opacity_at(80, 120) == 255)
    shown = visitor.layer().astype(int)
    for number, found in enumerate(masks):
        others = np.logical_or.reduce([other for at, other in enumerate(masks) if at != number])
        colored = (np.abs(shown[..., :3] - prompt_color(number)).max(-1) < 3) & (shown[..., 3] > 250) & ~others
        assert colored[found & ~others].mean() > 0.97
        assert iou(colored, found & ~others) > 0.85  # the outline lies outside


@pytest.mark.slow
def test_regions_are_hidden_renamed_deleted_brought_back_and_saved(visit_page, disc):
    visitor = visit_page()
    visitor.open(disc)
    visitor.draw_box(20, 20, 100, 100)
    visitor.draw_box(150, 20, 250, 100)
    for number, name in enumerate(("the  cup", "<b>spoon</b>")):
        field = visitor.page.get_by_label(f"Name of region {number}")
        field.fill(name)
        field.press("Enter")
    wait_until(visitor.page, lambda: visitor.opacity_at(60, 60) > 0)
    visitor.button("Hide region 0").click()
    visitor.button("Show region 0").wait_for()
    wait_until(visitor.page, lambda: not visitor.layer()[30:90, 30:90].any())
    assert visitor.page.locator(".tag").all_inner_texts() == ["1"]
    visitor.button("Delete region 1").click()
    visitor.wait_for_regions(1)
    visitor.button("Undo").click()
    visitor.wait_for_regions(2)

    content, file_name = visitor.save("Regions (COCO)")
    annotations = json.loads(content)["annotations"]
    assert file_name == "disc-regions.json"
    assert [each["name"] for each in annotations] == ["the cup", "<b>spoon</b>"]
    saved, file_name = visitor.save("Picture with regions (PNG)")
    assert file_name == "disc-regions.png"
    regions = [Region.rle(each["segmentation"]) for each in annotations]
    assert np.array_equal(Image.open(io.BytesIO(saved)), draw_regions(Image.open(disc), regions, opacity=0.45))

    visitor.button("Clear").click()
    visitor.wait_for_regions(0)
    visitor.button("Undo").click()
    visitor.wait_for_regions(2)


@pytest.mark.slow
def test_a_polygon_is_closed_by_clicking_twice_and_a_stroke_is_given_up_by_escape(visit_page, disc):
    visitor = visit_page()
    visitor.open(disc)
    visitor.take("Polygon")
    for place in ((20, 20), (200, 20)):
        visitor.click(*place)
    visitor.page.keyboard.press("Escape")
    for place in ((20, 40), (200, 40)):
        visitor.click(*place)
    visitor.click(200, 200, times=2)
    visitor.wait_for_regions(1)
    (mask,) = visitor.masks()
    assert iou(mask, Region.polygon([(20, 40), (200, 40), (200, 200)]).to_mask(SIZE)) > 0.96


@pytest.mark.slow
def test_everything_can_be_drawn_by_keyboard(visit_page, disc):
    visitor = visit_page()
    visitor.open(disc)
    keyboard, canvas = visitor.page.keyboard, visitor.page.locator(".frame canvas")

    def draw(tool, *keys):
        visitor.button(tool).press("Enter")
        visitor.page.wait_for_selector(f".frame canvas.{tool.lower()}")
        canvas.focus()
        for key in keys:
            keyboard.press(key)

    # A step is 6 pixels, a 50th of the longer side; the cross begins in the middle, (160, 120).
    begin = ["ArrowLeft"] * 5 + ["Enter"]
    draw("Box", *begin, *["ArrowRight"] * 10, *["ArrowUp"] * 8, "Shift+ArrowUp", "Enter")
    visitor.wait_for_regions(1)
    draw("Scribble", "Enter", *["ArrowDown"] * 10, "Enter")
    visitor.wait_for_regions(2)
    draw("Polygon", "Enter", "ArrowRight", "ArrowRight", "Enter", "ArrowDown", "ArrowDown", "Enter", "Enter")
    visitor.wait_for_regions(3)
    draw("Point", "Enter")
    visitor.wait_for_regions(4)
    box, *_ = visitor.masks()
    assert np.array_equal(box, Region.box(130, 71, 190, 120).to_mask(SIZE))
    assert [each["bbox"][2] > 0 for each in visitor.regions()] == [True] * 4
    canvas.focus()
    keyboard.press("Control+z")
    visitor.wait_for_regions(3)
    assert visitor.page.locator(".spoken[aria-live]").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_phone_width_nothing_is_wider_than_the_page_and_a_finger_draws(visit_page, disc, scheme):
    visitor = visit_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme=scheme)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    visitor.open(disc)
    visitor.take("Point")
    visitor.page.touchscreen.tap(*visitor.place(80, 120))
    visitor.wait_for_regions(1)
    (mask,) = visitor.masks()
    assert iou(mask, Region.points([(80, 120)]).to_mask(SIZE)) > 0.96
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert visitor.page.evaluate("document.body.classList.contains('body--dark')") == (scheme == "dark")


@pytest.mark.slow
def test_a_picture_can_be_dropped_and_pasted(visit_page, disc):
    page = visit_page().page
    transfer = """(data) => {
        const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "sent.png", { type: "image/png" }));
        return transfer;
    }"""
    data = base64.b64encode(disc.read_bytes()).decode()
    page.locator(".stage").dispatch_event("drop", {"dataTransfer": page.evaluate_handle(transfer, data)})
    first = page.locator(".frame img").get_attribute("src")
    page.evaluate(
        f"""(data) => document.dispatchEvent(
            new ClipboardEvent("paste", {{ clipboardData: ({transfer})(data), bubbles: true }}))""",
        data,
    )
    page.wait_for_function("(first) => document.querySelector('.frame img').getAttribute('src') !== first", arg=first)


def test_of_two_examples_that_are_opened_at_once_the_last_one_stays_with_its_own_regions(visit_page):
    visitor = visit_page()
    visitor.page.evaluate(
        """() => {
            const cards = [...document.querySelectorAll(".example")];
            for (const title of ["Astronaut", "Rocket"]) cards.find((each) => each.innerText === title).click();
        }"""
    )
    rocket = next(example for example in list_examples() if example.title == "Rocket")
    visitor.wait_for_regions(len(rocket.regions))
    visitor.page.wait_for_timeout(1000)  # what else may come
    assert visitor.page.locator(".frame img").get_attribute("alt") == rocket.file_name
    assert [each["area"] for each in visitor.regions()] == [each.area(visitor.size) for each in rocket.regions]


@pytest.mark.slow
def test_a_region_that_is_made_while_another_picture_opens_goes_with_its_picture(visit_page, disc, tmp_path):
    Image.new("RGB", (6000, 4000)).save(tmp_path / "large.png")
    visitor = visit_page()
    visitor.open(tmp_path / "large.png")
    visitor.take("Point")
    for share in (0.2, 0.4, 0.6):
        visitor.click(320 * share * 5, 500)  # in pixels of what is shown
    visitor.page.locator("input[type=file]").first.set_input_files(disc)
    visitor.page.wait_for_function("document.querySelector('.frame img').alt === 'disc.png'")
    visitor.page.wait_for_timeout(1000)
    visitor.draw_box(20, 20, 100, 100)
    assert [each["area"] for each in visitor.regions()] == [Region.box(20, 20, 100, 100).area(SIZE)]


@pytest.mark.slow
def test_of_two_pictures_that_are_chosen_the_last_one_stays_though_it_is_there_first(visit_page, disc, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (4000, 2000, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "large.png", compress_level=0)
    visitor = visit_page()
    chooser = visitor.page.locator("input[type=file]").first
    chooser.set_input_files(tmp_path / "large.png")
    chooser.set_input_files(disc)
    visitor.page.wait_for_function("document.querySelector('.frame img')?.alt === 'disc.png'")
    visitor.page.wait_for_timeout(3000)
    assert visitor.page.locator(".frame img").get_attribute("alt") == "disc.png"
