"""Records of uploaded files until they are submitted, shared by all web processes. Redis ends one that nobody looks at.

A record has a version, which a writer must know: of two processes that begin work on one file, one is refused. While a
process works on it, it says so every second; a record whose process fell silent has no worker any more.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import redis

from .answers import text
from .client import Operation
from .keys import Keys

IDLE_SECONDS: Final = 3600
"""A file whose page nobody opened for so long is deleted."""
SILENT_MS: Final = 15_000
"""A process that has not written for so long, while it worked on a file, has died."""
MAX_DRAFTS: Final = 50
MAX_OF_OWNER: Final = 10
"""Above these the oldest are deleted, so that uploads do not fill the disk; those of the key with the most first."""


class StoredDraft(NamedTuple):
    """``record`` is JSON that only the monitor reads; ``in_work`` whether a living process works on it."""

    owner: str
    version: str
    step: str
    record: str
    in_work: bool


class IdleDraft(NamedTuple):
    """A draft that may be dropped; ``left`` seconds until it ends by itself."""

    id: str
    owner: str
    left: int


def write(id: str, *, before: str, owner: str, version: str, step: str, record: str, in_work: bool) -> Operation[bool]:
    """Keeps a draft; False when it is gone or its version is no more ``before``. Also in a full store."""
    work = SILENT_MS if in_work else 0
    return Operation("draft", [id, before, IDLE_SECONDS, work, owner, version, step, record], bool)


def read(client: "redis.Redis", keys: Keys, id: str) -> StoredDraft | None:
    """A draft, which counts as a look at it; None when it ended."""
    key = keys.upload_draft(id)
    with client.pipeline(transaction=False) as pipe:
        pipe.hmget(key, ["o", "v", "s", "r"])
        pipe.exists(keys.draft_work(id))
        pipe.expire(key, IDLE_SECONDS)
        values, in_work, _ = pipe.execute()
    if values[0] is None:
        return None
    owner, version, step, record = (text(value) for value in values)
    return StoredDraft(owner, version, step, record, bool(in_work))


def forget(client: "redis.Redis", keys: Keys, id: str) -> bool:
    """Deletes a draft's record; True for the process that did, which deletes its files."""
    client.delete(keys.upload_draft(id), keys.draft_work(id))
    return bool(client.hdel(keys.DRAFTS, id))


def ended(client: "redis.Redis", keys: Keys) -> list[str]:
    """Forgets the drafts that ended or are too many, and returns those whose files are to be deleted."""
    owners: Any = client.hgetall(keys.DRAFTS)
    ids = [text(id) for id in owners]
    with client.pipeline(transaction=False) as pipe:
        for id in ids:
            pipe.ttl(keys.upload_draft(id))
            pipe.hget(keys.upload_draft(id), "s")
            pipe.exists(keys.draft_work(id))
        answers = pipe.execute()
    gone, idle, busy = [], [], Counter[str]()
    for at, (id, owner) in enumerate(zip(ids, map(text, owners.values()), strict=True)):
        left, step, in_work = answers[3 * at : 3 * at + 3]
        if left < 0:
            gone.append(id)
        elif in_work and text(step) == "submitting":
            busy[owner] += 1
        else:
            idle.append(IdleDraft(id, owner, left))
    return [id for id in (*gone, *surplus(idle, busy)) if forget(client, keys, id)]


def surplus(idle: Iterable[IdleDraft], busy: Counter[str], *, limit: int = MAX_DRAFTS) -> list[str]:
    """The drafts that are too many: of the owner with the most, those that nobody looked at for longest.

    ``busy`` counts by owner the drafts that are being submitted; they stay.
    """
    by_owner: dict[str, list[IdleDraft]] = {}
    for draft in sorted(idle, key=lambda draft: draft.left, reverse=True):
        by_owner.setdefault(draft.owner, []).append(draft)
    counts = busy + Counter({owner: len(drafts) for owner, drafts in by_owner.items()})
    dropped = []
    while by_owner:
        owner = max(by_owner, key=lambda name: counts[name])
        if counts[owner] <= MAX_OF_OWNER and counts.total() <= limit:
            break
        dropped.append(by_owner[owner].pop().id)
        counts[owner] -= 1
        if not by_owner[owner]:
            del by_owner[owner]
    return dropped
