"""The server under load: many clients against one at a time, memory, and requests that are none.

A server (`gar serve --no-page`) is started in a process of its own on a free loopback port and asked by this process:

1. one client, one question after the other;
2. 64 clients at once;
3. 10,000 malformed requests (broken JSON, base64, pictures, masks, huge sizes, wrong types), then one sound one.

    python benchmarks/serving.py [--clients 64] [--seconds 120] [--alone-seconds 30] [--malformed 10000] [--out FILE]

Targets: no status but 200 and 429 under load, at least 3 × the answers per second of one client, memory that does not
grow, and a server that still answers at the end. A question shows a part of a photograph (`--pictures` different ones,
JPEG of 512 × 512) and asks for the description of a random box, greedily. Clients and server share the machine.
Memory is the server's resident set, the median of a tenth of the time each: after the first tenth, and at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import io
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from rich.console import Console
from rich.table import Table

SIDE = 512
COMMAND = "import sys; from gar.cli import main; sys.exit(main())"
HEADERS = {"content-type": "application/json"}


@contextlib.contextmanager
def serving(model: str) -> Iterator[tuple[str, int]]:
    """A server: its address and process id."""
    arguments = ["serve", "--model", model, "--port", "0", "--no-page"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        greeting = process.stdout.readline()
        found = re.search(r"http://\S+", greeting)
        if found is None:
            raise SystemExit("the server did not start")
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait(60)


def data_urls(count: int, chance: random.Random) -> list[str]:
    """Different parts of the photographs of the package, as JPEG."""
    photos = [
        Image.open(str(files("gar") / "examples" / name)).convert("RGB")
        for name in ("astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg")
    ]
    urls: list[str] = []
    for number in range(count):
        photo = photos[number % len(photos)]
        side = chance.randint(min(photo.size) // 2, min(photo.size))
        left, top = chance.randint(0, photo.width - side), chance.randint(0, photo.height - side)
        part = photo.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
        buffer = io.BytesIO()
        part.save(buffer, "JPEG", quality=90)
        urls.append(f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    return urls


def question(urls: list[str], chance: random.Random, max_tokens: int) -> bytes:
    """A sound request."""
    x, y = chance.randint(0, SIDE // 2), chance.randint(0, SIDE // 2)
    box = [x, y, x + chance.randint(32, SIDE // 2), y + chance.randint(32, SIDE // 2)]
    parts = [
        {"type": "image_url", "image_url": {"url": chance.choice(urls)}},
        {"type": "text", "text": "Describe this region in detail."},
    ]
    body = {
        "model": "nano",
        "messages": [{"role": "user", "content": parts}],
        "regions": [{"box": box}],
        "max_tokens": max_tokens,
    }
    return json.dumps(body).encode()


def resident(pid: int) -> float:
    """Megabytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def load(url: str, pid: int, clients: int, seconds: float, urls: list[str], max_tokens: int) -> dict[str, Any]:
    """So many clients, each asking again as soon as it is answered."""
    statuses: Counter[str] = Counter()
    times: list[float] = []
    memory: list[float] = []
    tokens = 0
    began = time.perf_counter()
    end = began + seconds

    async def client(http: httpx.AsyncClient, number: int) -> None:
        nonlocal tokens
        chance = random.Random(number)
        while time.perf_counter() < end:
            body = question(urls, chance, max_tokens)
            start = time.perf_counter()
            try:
                reply = await http.post(f"{url}/v1/chat/completions", content=body, headers=HEADERS)
            except httpx.TransportError as error:
                statuses[type(error).__name__] += 1
                continue
            statuses[str(reply.status_code)] += 1
            if reply.status_code == 200:
                times.append(time.perf_counter() - start)
                tokens += reply.json()["usage"]["completion_tokens"]
            elif reply.status_code == 429:
                await asyncio.sleep(float(reply.headers["retry-after"]))

    async def watch() -> None:
        while True:
            memory.append(resident(pid))
            await asyncio.sleep(0.5)

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(timeout=120, limits=limits) as http:
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(client(http, number) for number in range(clients)))
        watching.cancel()
    taken = time.perf_counter() - began
    tenth = max(1, len(memory) // 10)
    ordered = sorted(times)
    return {
        "clients": clients,
        "seconds": round(taken, 1),
        "statuses": dict(statuses),
        "answers_per_second": round(len(times) / taken, 2),
        "tokens_per_second": round(tokens / taken, 1),
        "p50_seconds": round(ordered[len(ordered) // 2], 3),
        "p99_seconds": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
        "memory_mb": {
            "after a tenth": round(statistics.median(memory[tenth : 2 * tenth] or memory)),
            "at the end": round(statistics.median(memory[-tenth:])),
            "most": round(max(memory)),
        },
    }


def malformed(number: int, urls: list[str], chance: random.Random) -> tuple[bytes, dict[str, str]]:
    """A request that is none, one of many kinds."""
    sound = json.loads(question(urls, chance, 4))
    content = sound["messages"][0]["content"]
    picture = base64.b64decode(content[0]["image_url"]["url"].partition(",")[2])

    def show(data: bytes) -> None:
        content[0]["image_url"]["url"] = f"data:image/png;base64,{base64.b64encode(data).decode()}"

    raw: bytes | None = None
    headers = HEADERS
    match number % 16:
        case 0:
            text = json.dumps(sound).encode()
            raw = text[: chance.randrange(len(text))]
        case 1:
            raw = chance.randbytes(chance.randrange(5000))
        case 2:
            raw = b"[" * chance.randrange(1, 200_000)
        case 3:
            content[0]["image_url"]["url"] = "data:image/png;base64," + "!?" * chance.randrange(1, 500)
        case 4:
            show(chance.randbytes(chance.randrange(3000)))
        case 5:
            show(picture[: chance.randrange(len(picture) // 2)])
        case 6:  # a PNG that says it is huge
            show(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + chance.randbytes(8) + b"\x08\x02\x00\x00\x00" + bytes(4))
        case 7:
            sound["regions"] = [{"mask": base64.b64encode(chance.randbytes(200)).decode()}]
        case 8:
            sound["regions"] = [{"rle": {"size": [chance.randrange(10**9), SIDE], "counts": "0" * 1000}}]
        case 9:
            sound["regions"] = [{"rle": {"size": [SIDE, SIDE], "counts": chance.randbytes(50).hex()}}]
        case 10:
            sound["regions"] = [{"box": [chance.choice([1e308, -1e308, "a", None, float("nan")])] * 4}]
        case 11:
            sound["regions"] = [{"polygon": [[[0, 0]] * chance.randrange(1, 3)]}]
        case 12:
            sound[chance.choice(["n", "max_tokens", "seed", "temperature"])] = chance.choice([10**40, -1, "x", [], {}])
        case 13:
            sound["messages"] = chance.choice([None, [], {}, "x", [1], [{"role": "system", "content": "x"}]])
        case 14:
            sound["messages"][0]["content"][1]["text"] = "<Prompt9> \ud800"
        case _:
            headers = {"content-type": chance.choice(["text/plain", "multipart/form-data", "application/xml"])}
    return raw if raw is not None else json.dumps(sound).encode(), headers


async def attack(url: str, pid: int, count: int, urls: list[str]) -> dict[str, Any]:
    """Malformed requests, 16 at a time, and a sound one at the end."""
    statuses: Counter[str] = Counter()
    numbers = iter(range(count))
    before, began = resident(pid), time.perf_counter()

    async def client(http: httpx.AsyncClient) -> None:
        for number in numbers:
            body, headers = malformed(number, urls, random.Random(number))
            try:
                reply = await http.post(f"{url}/v1/chat/completions", content=body, headers=headers)
                statuses[str(reply.status_code)] += 1
                if "Traceback" in reply.text or set(reply.json()) != {"error"}:
                    statuses["not an error in OpenAI's form"] += 1
            except httpx.TransportError as error:
                statuses[type(error).__name__] += 1

    async with httpx.AsyncClient(timeout=60) as http:
        await asyncio.gather(*(client(http) for _ in range(16)))
        taken = time.perf_counter() - began
        sound = await http.post(
            f"{url}/v1/chat/completions", content=question(urls, random.Random(0), 8), headers=HEADERS
        )
    return {
        "requests": count,
        "seconds": round(taken, 1),
        "statuses": dict(statuses),
        "memory_mb": {"before": round(before), "after": round(resident(pid))},
        "sound request afterwards": sound.status_code,
    }


async def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All of it."""
    urls = data_urls(arguments.pictures, random.Random(0))
    with serving("nano") as (url, pid):
        await load(url, pid, 4, 3, urls, arguments.max_tokens)  # warm
        alone = await load(url, pid, 1, arguments.alone_seconds, urls, arguments.max_tokens)
        many = await load(url, pid, arguments.clients, arguments.seconds, urls, arguments.max_tokens)
        broken = await attack(url, pid, arguments.malformed, urls)
    ratio = round(many["answers_per_second"] / alone["answers_per_second"], 2)
    machine = {"cores": os.cpu_count(), "pictures": arguments.pictures, "max_tokens": arguments.max_tokens}
    return {**machine, "one at a time": alone, "at once": many, "times as many answers": ratio, "malformed": broken}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--alone-seconds", type=float, default=30.0)
    parser.add_argument("--malformed", type=int, default=10_000)
    parser.add_argument("--pictures", type=int, default=64)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    arguments = parser.parse_args()
    figures = asyncio.run(run(arguments))
    table = Table("", "one at a time", f"{arguments.clients} at once")
    for name in ("answers_per_second", "tokens_per_second", "p50_seconds", "p99_seconds", "statuses", "memory_mb"):
        table.add_row(name, str(figures["one at a time"][name]), str(figures["at once"][name]))
    console = Console()
    console.print(table)
    console.print(f"{figures['times as many answers']} times as many answers; malformed: {figures['malformed']}")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
