"""Checks of AloVoice that people begin in the monitor: which confirmation was used, and what a check has shown so far.

The thread that runs a check writes its entries; every web process reads them. Numbers are masked and secrets taken out
before anything is written here.
"""

import json
import time
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import redis
import redis.asyncio as aioredis

from .answers import text
from .client import Store
from .keys import Keys
from .records import iso

KEPT: Final = 30 * 86_400
"""Seconds that the newest check is kept."""
USED: Final = 86_400
"""Seconds that a used confirmation is known: twice as long as any session that could send it again."""
ALIVE: Final = 30
"""Seconds without a sign of the web process that runs a check until it counts as broken off."""
MAX_ENTRY: Final = 16 * 1024
MAX_CASSETTE: Final = 512 * 1024

Begun = Literal["begun", "used", "busy"]


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """The newest check: ``began`` is ISO 8601, ``phone`` masked, ``entries`` what it has shown, in order.

    ``running`` is whether a web process is at it; ``answers`` has what people said about numbered questions.
    """

    id: str
    actor: str
    phone: str
    account: str
    began: str
    running: bool
    entries: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[int, str] = field(default_factory=dict)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """The entries of a kind."""
        return [entry for entry in self.entries if entry["kind"] == kind]

    @property
    def question(self) -> int | None:
        """The number of the question that waits for an answer, while the check runs."""
        asked = self.all("question")
        number = asked[-1]["number"] if asked and self.running and self.entries[-1] is asked[-1] else None
        return None if number in self.answers else number


async def begin(client: "aioredis.Redis", keys: Keys, id: str, *, actor: str, phone: str, account: str) -> Begun:
    """Uses a confirmation: "begun" for its first use alone, and only while no other check runs.

    Whoever does not get "begun" places no call. Repeated after a lost answer it is "used": nothing rings then.
    """
    if not await client.set(keys.provider_check(f"used:{id}"), 1, nx=True, ex=USED):
        return "used"
    if not await client.set(keys.provider_check("running"), id, nx=True, ex=ALIVE):
        return "busy"
    fields: dict[Any, Any] = {
        "id": id,
        "actor": actor,
        "phone": phone,
        "account": account,
        "at": int(time.time() * 1000),
    }
    async with client.pipeline() as pipe:
        pipe.delete(keys.provider_check(), keys.provider_check("entries"))
        pipe.hset(keys.provider_check(), mapping=fields)
        pipe.expire(keys.provider_check(), KEPT)
        await pipe.execute()
    return "begun"


async def read(client: "aioredis.Redis", keys: Keys) -> ProviderCheck | None:
    """The newest check, None without any."""
    async with client.pipeline() as pipe:
        pipe.hgetall(keys.provider_check())
        pipe.lrange(keys.provider_check("entries"), 0, -1)
        pipe.get(keys.provider_check("running"))
        stored, entries, running = await pipe.execute()
    if not stored:
        return None
    fields = {text(name): text(value) for name, value in stored.items()}
    return ProviderCheck(
        fields["id"],
        fields["actor"],
        fields["phone"],
        fields["account"],
        iso(int(fields["at"])),
        running is not None and text(running) == fields["id"],
        [json.loads(entry) for entry in entries],
        {int(name.removeprefix("rang:")): value for name, value in fields.items() if name.startswith("rang:")},
    )


async def answer(client: "aioredis.Redis", keys: Keys, number: int, *, rang: bool) -> None:
    """Keeps the first answer to a question of the newest check."""
    await client.hsetnx(keys.provider_check(), f"rang:{number}", "yes" if rang else "no")


async def cassette(client: "aioredis.Redis", keys: Keys) -> str:
    """The newest recorded exchange, with numbers masked; "" without any."""
    kept: Any = await client.get(keys.provider_check("cassette"))
    return "" if kept is None else text(kept)


async def renew(client: "aioredis.Redis", keys: Keys) -> None:
    """Says that the check still runs."""
    await client.expire(keys.provider_check("running"), ALIVE)


async def end(client: "aioredis.Redis", keys: Keys) -> None:
    """Lets another check begin."""
    await client.delete(keys.provider_check("running"))


class CheckWriter:
    """Writes what a running check shows, from its thread. All methods raise StoreUnavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._questions = 0

    def write(self, kind: str, **fields: Any) -> None:
        """Adds an entry; a longer text is cut at ``MAX_ENTRY``."""
        cut = {n: v[:MAX_ENTRY] + " …" if isinstance(v, str) and len(v) > MAX_ENTRY else v for n, v in fields.items()}
        self._store.call(_push, json.dumps({"kind": kind, **cut}))

    def ask(self, seconds: float) -> bool | None:
        """Asks whether the phone rang and waits for the answer; None: nobody said anything within ``seconds``."""
        self._questions += 1
        self.write("question", number=self._questions)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            answered = self._store.call(_answer, self._questions)
            if answered is not None:
                return answered == "yes"
            time.sleep(0.5)
        return None

    def keep_cassette(self, content: str) -> None:
        """Keeps the exchange for the facts of later visits and for download, unless it is larger than any real one."""
        if len(content) <= MAX_CASSETTE:
            self._store.call(_keep, content)


def _push(client: "redis.Redis", keys: Keys, entry: str) -> None:
    with client.pipeline() as pipe:
        pipe.rpush(keys.provider_check("entries"), entry)
        pipe.expire(keys.provider_check("entries"), KEPT)
        pipe.execute()


def _answer(client: "redis.Redis", keys: Keys, number: int) -> str | None:
    value: Any = client.hget(keys.provider_check(), f"rang:{number}")
    return None if value is None else text(value)


def _keep(client: "redis.Redis", keys: Keys, content: str) -> None:
    client.set(keys.provider_check("cassette"), content)
