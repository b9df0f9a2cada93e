"""What the kinds of requests share: how many pictures are decoded at once, whoever goes away."""

import asyncio
import threading

from gar.serving.limits import Limits
from gar.serving.pictures import Pictures
from gar.serving.service import Record, Service
from gar.serving.ticket import Asked
from gar.serving.worker import Worker


class Slow(Pictures):
    """Decodes only when it is let."""

    let, lock, now, most = threading.Event(), threading.Lock(), 0, 0

    def draw(self, data, specs):
        cls = type(self)
        with cls.lock:
            cls.now += 1
            cls.most = max(cls.most, cls.now)
        cls.let.wait(20)
        with cls.lock:
            cls.now -= 1
        return super().draw(data, specs)


def test_a_picture_keeps_its_turn_until_its_thread_is_done_though_its_client_has_gone(assistant, url):
    async def ask(service):
        async with service.asking(url, [], 1, lambda image, regions: list[Asked](), Record("test")):
            pass

    async def go():
        async with Worker(assistant) as worker:
            service = Service(worker, Limits(), Slow(Limits()))
            gone = [asyncio.create_task(ask(service)) for _ in range(3)]
            while Slow.now < 3:
                await asyncio.sleep(0.01)
            for task in gone:
                task.cancel()
            others = [asyncio.create_task(ask(service)) for _ in range(3)]
            await asyncio.sleep(0.2)
            Slow.let.set()
            await asyncio.gather(*others)
            assert all(
                isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*gone, return_exceptions=True)
            )
            return worker.waiting

    assert asyncio.run(asyncio.wait_for(go(), 60)) == 0
    assert Slow.most == 3
