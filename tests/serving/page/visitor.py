"""A person before the page: mouse, keys and files in a real browser, and what is seen and saved there.

Nothing here sleeps: whatever takes time is waited for. All places are pixels of the open picture.
"""

import base64
import io
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

from gar import Region

SECONDS = 60
"""How long something may take; machines can be busy."""


def wait_until(page, true):
    """Waits until a function says so; gives what it says."""
    end = time.monotonic() + SECONDS
    while not (said := true()):
        assert time.monotonic() < end, "it did not come true"
        page.wait_for_timeout(50)
    return said


class Visitor:
    """One page and its person."""

    def __init__(self, page):
        self.page = page
        self.question = page.get_by_role("textbox", name="Question")

    # pictures and files

    def choose(self, button, path):
        """Clicks a button and chooses a file in the dialog that opens."""
        with self.page.expect_file_chooser() as chooser:
            self.button(button).click()
        chooser.value.set_files(path)

    def open(self, path):
        self.choose("Open", path)
        self.page.wait_for_function("document.querySelector('.frame img')?.naturalWidth > 0")

    def open_example(self, title, regions):
        self.page.locator(".example", has_text=title).click()
        self.wait_for_regions(regions)

    @property
    def size(self):
        """(H, W) of the picture; the tests' pictures are small enough to be shown as they are."""
        return tuple(
            self.page.evaluate("(({ naturalHeight, naturalWidth }) => [naturalHeight, naturalWidth])"
                               "(document.querySelector('.frame img'))")
        )  # fmt: skip

    def save(self, what):
        """What the browser saves, and under which name."""
        self.button("Save").click()
        with self.page.expect_download() as download:
            self.page.get_by_role("menuitem", name=what).click()
        assert "/visits/" in download.value.url
        return Path(download.value.path()).read_bytes(), download.value.suggested_filename

    def regions(self):
        """The server's regions as COCO annotations."""
        return json.loads(self.save("Regions (COCO)")[0])["annotations"]

    def masks(self):
        """The server's masks, (H, W) bool each."""
        return [Region.rle(each["segmentation"]).to_mask(self.size) for each in self.regions()]

    def conversation(self):
        """The server's questions and answers."""
        return json.loads(self.save("Conversation (JSON)")[0])["turns"]

    # the hand

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def take(self, tool):
        self.button(tool).click()
        self.page.wait_for_selector(f".frame canvas.{'refer' if tool == 'Pick' else tool.lower()}")

    def place(self, x, y):
        """Where a place of the picture is on the page."""
        box, (height, width) = self.page.locator(".frame canvas").bounding_box(), self.size
        return box["x"] + x / width * box["width"], box["y"] + y / height * box["height"]

    def click(self, x, y, times=1):
        self.page.mouse.click(*self.place(x, y), click_count=times)

    def drag(self, *places):
        first, *others = [self.place(*place) for place in places]
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for other in others:
            self.page.mouse.move(*other, steps=8)
        self.page.mouse.up()

    def draw_box(self, x1, y1, x2, y2):
        """Draws one more region."""
        count = self.page.locator(".region-row").count()
        self.take("Box")
        self.drag((x1, y1), (x2, y2))
        self.wait_for_regions(count + 1)

    # the conversation

    def ask(self, words):
        """Asks and waits for the answer."""
        turns = self.page.locator(".turn").count()
        self.question.fill(words)
        self.button("Ask").click()
        self.wait_for_answers(turns + 1)

    # the eyes

    def wait_for_regions(self, count):
        self.page.wait_for_function(f"document.querySelectorAll('.region-row').length === {count}")

    def wait_for_answers(self, count):
        self.page.wait_for_function(
            f"document.querySelectorAll('.turn').length === {count}"
            " && document.querySelector('.turn:not([aria-busy=false])') === null"
        )

    def wait_for_words(self, words):
        """Waits for what is said when something goes wrong."""
        self.page.get_by_role("alert").filter(has_text=words).first.wait_for()

    def layer(self):
        """What is drawn over the picture, at the middle of each of its pixels: (H, W, 4) uint8."""
        url = self.page.evaluate("document.querySelector('.frame canvas').toDataURL()")
        drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))
        rows, columns = (
            ((np.arange(count) + 0.5) / count * length).astype(int)
            for count, length in zip(self.size, drawn.shape, strict=False)
        )
        return drawn[rows][:, columns]

    def opacity_at(self, x, y):
        """How much of the picture is covered at a place, 0 to 255."""
        return int(self.layer()[y, x, 3])
