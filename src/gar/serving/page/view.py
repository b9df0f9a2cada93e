"""The page of one visitor: its parts, and what happens when something is clicked, drawn or asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from nicegui import ui

from gar.errors import InputError
from gar.regions import Region
from gar.regions.checks import coordinates
from gar.serving.limits import Limits
from gar.serving.page.asking import LENGTHS, Asking
from gar.serving.page.controls import say
from gar.serving.page.conversation import Turn, earlier_turns
from gar.serving.page.conversation_panel import ConversationPanel
from gar.serving.page.examples import Example
from gar.serving.page.exports import coco_file, conversation_file, export_name, overlay_file
from gar.serving.page.header import build_header
from gar.serving.page.marks import region_of_stroke
from gar.serving.page.picture import Picture, open_picture, read_mask
from gar.serving.page.question_box import QuestionBox
from gar.serving.page.regions_panel import RegionActions, RegionsPanel
from gar.serving.page.routes import Addresses, Saved
from gar.serving.page.stage import Stage
from gar.serving.page.visit import Visit
from gar.serving.worker import Worker

__all__ = ["View"]

_ADVICE = (
    "The embedded model nano is small and learned from a drawn world: try the drawn scenes first. In photographs "
    "expect a color or a place at best; a published checkpoint is for those."
)


class View:
    """Builds a visitor's page and keeps it up to date.

    Args:
        workers: By the names of their models.
        addresses: Where the visit gets its address.
        path: Where the page's application is mounted.
        limits: Of files and answers.
    """

    def __init__(self, workers: dict[str, Worker], addresses: Addresses, path: str, limits: Limits):
        infos = {name: worker.assistant.info() for name, worker in workers.items()}
        self._max_regions = {name: int(info["max_regions"]) for name, info in infos.items()}
        self._addresses, self._limits = addresses, limits
        self._visit = Visit(self._max_regions[next(iter(infos))])
        self._asking = Asking(self._visit, workers, self._show_turn, max_tokens=limits.max_tokens)
        self._marking = asyncio.Lock()  # one region after the other, in the order in which they were drawn
        self._opening = 0  # how many pictures were to be opened so far; the last one counts
        self._opacity = 0.45
        self._gone = False
        self._saving = asyncio.Lock()  # one file after the other, large pictures take a while to draw
        self._token = addresses.enter(self._visit, self._receive, self._make)
        url = f"{path}/visits/{self._token}"
        self._page = ui.element("div").classes("page")
        with self._page:
            head = ui.element("div")
            with ui.element("div").classes("desk"):  # NiceGUI brings the main landmark
                self._stage = Stage(
                    self._visit,
                    url,
                    limits,
                    undo=self._undo,
                    open_example=self._open_example,
                    set_opacity=self._set_opacity,
                )
                with ui.element("div").classes("talk-side"):
                    self._regions = RegionsPanel(self._visit, self._region_actions())
                    self._conversation = ConversationPanel(_ADVICE if "nano" in workers else "")
                    self._question = QuestionBox(
                        ask=self._ask,
                        stop=self._asking.stop,
                        begin_afresh=self._begin_afresh,
                        choose_length=self._choose_length,
                    )
        with head:
            build_header(
                infos,
                choose_picture=self._stage.canvas.chooser("picture"),
                open_example=self._open_example,
                choose_model=self._choose_model,
                save={
                    "Conversation (JSON)": lambda: self._save("conversation", "-conversation.json"),
                    "Picture with regions (PNG)": lambda: self._save("overlay", "-regions.png"),
                    "Regions (COCO)": lambda: self._save("regions", "-regions.json"),
                },
            )
        self._listen()
        self._refresh()

    def close(self) -> None:
        """The visitor has left: what is asked is given up, and nothing is kept."""
        self._gone = True
        self._addresses.leave(self._token)
        self._asking.forget()

    # the picture

    async def _receive(self, what: Literal["picture", "mask"], data: bytes, name: str) -> None:
        """Takes a file that the visitor sent."""
        with self._page:
            if what == "picture":
                await self._open(data, name, ())
            else:
                await self._mark(self._visit.picture, lambda: read_mask(data, self._size(), self._limits), name)

    async def _open_example(self, example: Example) -> None:
        await self._open(example.data, example.file_name, example.regions)

    async def _open(self, data: bytes, name: str, regions: tuple[Region, ...]) -> None:
        self._opening += 1
        number = self._opening
        try:
            picture = await asyncio.to_thread(open_picture, data, name, self._limits)
        except InputError as error:
            return self._say(str(error))
        if number < self._opening or self._gone:
            return None
        self._asking.forget()
        self._visit.open(picture)
        self._conversation.clear()
        self._stage.canvas.show_picture(picture)
        self._refresh()
        for region in regions[: self._visit.max_regions]:
            await self._mark(picture, lambda region=region: region)
        return None

    def _size(self) -> tuple[int, int]:
        if self._visit.picture is None:
            raise InputError("there is no picture that the mask belongs to; open one first")
        return self._visit.picture.size

    # regions

    async def _mark(self, picture: Picture | None, make: Callable[[], Region], name: str = "") -> None:
        """Marks what `make` gives; that and its mask may take a while, so other visitors go on meanwhile.

        Args:
            picture: That the region belongs to; if another is opened meanwhile, the region goes with it.
            make: Makes the region; runs in a thread.
            name: Of the region.
        """
        async with self._marking:
            try:
                if self._visit.picture is picture and not self._gone:
                    mark = await asyncio.to_thread(lambda: self._visit.make_mark(make(), name))
                    if self._visit.picture is picture:
                        self._visit.add_mark(mark)
            except InputError as error:
                if self._visit.picture is picture:
                    self._say(str(error))
            self._refresh()

    async def _stroke(self, stroke: dict[str, Any]) -> None:
        await self._mark(self._visit.picture, lambda: region_of_stroke(stroke))

    async def _refer(self, place: dict[str, Any]) -> None:
        """Names a region in the question: the one with an id, or the one at a place."""
        id = place.get("id")
        if id is None:
            try:
                ((x, y),) = coordinates([[place.get("x"), place.get("y")]], "the place", most=1)
                mark = await asyncio.to_thread(self._visit.mark_at, x, y)
            except InputError as error:
                return self._say(str(error))
            if mark is None:
                return self._say("there is no region at this place; take another tool to mark one")
            id = mark.id
        number = self._visit.number_of(id)
        if number is not None:
            self._question.insert(f"<Prompt{number}>")
        return None

    def _region_actions(self) -> RegionActions:
        visit = self._visit

        def then_refresh(change: Callable[..., None]) -> Callable[..., None]:
            def act(*arguments: Any) -> None:
                change(*arguments)
                self._refresh()

            return act

        return RegionActions(
            refer=lambda id: self._refer({"id": id}),
            describe=lambda id: self._describe([id]),
            rename=then_refresh(visit.rename),
            hide=then_refresh(visit.hide),
            delete=then_refresh(visit.delete),
            describe_all=lambda: self._describe([mark.id for mark in visit.marks]),
            clear=then_refresh(visit.clear),
        )

    def _undo(self) -> None:
        self._visit.undo()
        self._refresh()

    # questions

    async def _describe(self, ids: list[int]) -> None:
        chosen = [(number, mark) for number, mark in enumerate(self._visit.marks) if mark.id in ids]
        await self._put(self._asking.describe(chosen))

    async def _ask(self, question: str, choices: list[str]) -> bool:
        """Asks, and waits for the answer; says whether the question could be put."""
        return await self._put(self._asking.ask(question, choices))

    async def _put(self, asking: Awaitable[None]) -> bool:
        try:
            await asking
        except InputError as error:
            self._say(str(error))
            return False
        finally:
            self._refresh()
        return True

    def _begin_afresh(self) -> None:
        self._asking.afresh = True
        self._refresh()

    def _choose_model(self, name: str) -> None:
        if name in self._max_regions:
            self._asking.model, self._visit.max_regions = name, self._max_regions[name]
        self._refresh()

    def _choose_length(self, tokens: int) -> None:
        if tokens in LENGTHS.values():
            self._asking.length = tokens

    def _show_turn(self, turn: Turn) -> None:
        if self._gone or turn not in self._visit.turns:
            return
        self._conversation.show(turn)
        if turn.state == "waiting":
            self._refresh()

    # the rest

    def _save(self, what: Saved, ending: str) -> None:
        """Lets the browser fetch a file."""
        try:
            name = export_name(self._visit, ending)
        except InputError as error:
            return self._say(str(error))
        ui.download.from_url(f"/visits/{self._token}/file/{what}", name)  # below where the page is mounted
        return None

    async def _make(self, what: Saved) -> bytes:
        """Makes a file that is fetched."""
        async with self._saving:
            match what:
                case "conversation":
                    return await asyncio.to_thread(conversation_file, self._visit)
                case "overlay":
                    return await asyncio.to_thread(overlay_file, self._visit, self._opacity)
                case "regions":
                    return await asyncio.to_thread(coco_file, self._visit)

    def _set_opacity(self, opacity: float) -> None:
        self._opacity = opacity

    def _listen(self) -> None:
        """What the canvas reports."""
        canvas = self._stage.canvas
        canvas.on_event("stroke", self._stroke)
        canvas.on_event("refer", self._refer)
        canvas.on_event("undo", lambda _: self._undo())
        canvas.on_event("refused", self._refused)
        canvas.on_event("unsent", self._unsent)

    def _refused(self, file: dict[str, Any]) -> None:
        size = file.get("bytes")
        told = f"{size / 1e6:.1f} MB" if isinstance(size, int) else "too many bytes"
        self._say(f"{file.get('name')} has {told}; allowed are {self._limits.max_body_bytes / 1e6:g} MB")

    def _unsent(self, file: dict[str, Any]) -> None:
        self._say(f"{file.get('name')} could not be sent to the server (status {file.get('status')}); try again")

    def _say(self, words: str) -> None:
        """Tells the visitor what went wrong, if there is one still."""
        if not self._gone:
            say(words)

    def _refresh(self) -> None:
        """Shows everything as it is now."""
        if self._gone:
            return
        visit = self._visit
        busy = any(turn.running for turn in visit.turns)
        earlier = [] if self._asking.afresh else earlier_turns(visit.turns, visit.marks, self._asking.model)
        self._stage.refresh()
        self._regions.refresh(busy)
        self._question.refresh(earlier=len(earlier), busy=busy)
