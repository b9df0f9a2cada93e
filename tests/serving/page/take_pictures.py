"""Takes the pictures of the page that the documentation shows.

    gar serve &
    python tests/serving/page/take_pictures.py http://127.0.0.1:8000

A person opens a photograph, marks things on it, has one described and asks about others; the words are the model's own.
Writes `page-desktop.png` and `page-phone.png` into `docs/images`, or into the folder that is named second.
"""

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from visitor import SECONDS, Visitor

NAMES = ("face", "patch", "shuttle", "helmet")
DESKTOP = {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1.5,
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}


def use(visitor):
    """Goes through what a visitor does."""
    page = visitor.page
    visitor.open_example("Astronaut", 4)
    for number, name in enumerate(NAMES):
        field = page.get_by_label(f"Name of region {number}")
        field.fill(name)
        field.press("Enter")
    visitor.button("Describe region 0").click()
    visitor.wait_for_answers(1)
    visitor.ask("What color is <Prompt2>?")
    visitor.button("Choices").click()
    page.get_by_label("Choices, one a line").fill("at the top\nin the center\nat the bottom right")
    visitor.ask("Where is <Prompt3>?")
    visitor.button("Choices").click()
    page.get_by_label("Choices, one a line").wait_for(state="hidden")
    visitor.question.fill("Which is larger, ")
    for number, words in ((1, "or "), (3, "")):
        visitor.button(f"Name region {number} in the question").first.click()
        page.wait_for_function(f"document.querySelector('textarea').value.includes('<Prompt{number}> ')")
        visitor.question.press_sequentially(words)
    visitor.take("Box")


def look(page):
    """What is on the screen."""
    page.mouse.move(2, 2)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(500)  # tooltips and menus fade
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def keep(shots, path):
    """Writes screenshots side by side, with few enough colors to be small, whole or not at all."""
    gap = 24
    image = Image.new("RGB", (sum(shot.width + gap for shot in shots) - gap, shots[0].height), "white")
    for number, shot in enumerate(shots):
        image.paste(shot, (number * (shot.width + gap), 0))
    partial = path.with_suffix(".partial")
    image.quantize(256, kmeans=3, dither=Image.Dither.FLOYDSTEINBERG).save(partial, "PNG", optimize=True)
    partial.replace(path)
    print(f"{path}: {image.width} x {image.height} pixels, {path.stat().st_size / 1000:.0f} kB")


def main(url, folder):
    """Visits the page at `url` on a desktop and on a phone, and writes what is seen."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])

        def visit(settings):
            page = browser.new_context(**settings).new_page()
            page.set_default_timeout(1000 * SECONDS)
            page.goto(url)
            page.wait_for_selector(".example")
            use(Visitor(page))
            return page

        keep([look(visit(DESKTOP))], folder / "page-desktop.png")
        page = visit(PHONE)
        page.evaluate("scrollTo(0, 0)")
        top = look(page)
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
        keep([top, look(page)], folder / "page-phone.png")
        browser.close()


if __name__ == "__main__":
    pictures = Path(__file__).resolve().parents[3] / "docs" / "images"
    main(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else pictures)
