"""Every Redis key of the call store, in one place.

All keys share one hash slot, so that one script may move a call and append its event on Redis Cluster too: the tag
``dial`` and the contract's stream name ``alodial:events`` both hash to slot 1000 (guarded by a test). One slot is one
core of one node, measured at tens of thousands of transitions a second, far above what a PBX can ring.

``PREFIX`` +          type     holds
``c:{extid}``         hash     a call's record, found by the extid of its first attempt
``x:{extid}``         string   a redial's extid -> ``first extid:attempt``
``k:{hash}``          string   idempotency key -> extid
``q:{account}:{u n b}`` list   ready calls: urgent, normal, bulk
``due``               zset     scheduled calls by due time, ms
``exp``               zset     waiting calls that have an ``expires_at``, ms
``lease``             zset     claimed and submitting calls by the end of their lease, ms
``await``             zset     submitted and unconfirmed calls by the deadline of their result, ms
``chan:{account}``    zset     channels in use by the time they are given up, ms
``starts:{account}``  list     when the last calls were armed, microseconds, newest first
``acct:{account}``    hash     limiter (``tat`` in microseconds), ``hold`` until ms, ``why``, breaker ``brk``
``bell:{account}``    string   a doorbell is on its way or a worker is attending
``help:{account}``    string   the pacers rang for work that waits, within the last 250 ms
``accounts``          set      names seen
``counts``            hash     calls by state
``index``             stream   every call in order of its creation, for lists
``inbox``             stream   raw results from AloVoice, group ``collect``
``orphans``           zset     results whose extid is not known yet, by the time they are given up, ms
``dead``              stream   results that nobody could use, for replay
``spool:{segment}``   string   bytes of a spool's file that are in the inbox; kept 7 days
``stop``              string   the emergency stop and its reason
``epoch``             string   made once; missing while workers run = the store was lost
``workers``           hash     worker name -> heartbeat JSON
"""

from typing import Final

EVENTS: Final = "alodial:events"
TAG: Final = "dial"
PREFIX: Final = f"alodial:{{{TAG}}}:"

INDEX: Final = PREFIX + "index"
INBOX: Final = PREFIX + "inbox"
INBOX_GROUP: Final = "collect"
ORPHANS: Final = PREFIX + "orphans"
DEAD: Final = PREFIX + "dead"
DUE: Final = PREFIX + "due"
LEASE: Final = PREFIX + "lease"
AWAIT: Final = PREFIX + "await"
COUNTS: Final = PREFIX + "counts"
ACCOUNTS: Final = PREFIX + "accounts"
STOP: Final = PREFIX + "stop"
EPOCH: Final = PREFIX + "epoch"
WORKERS: Final = PREFIX + "workers"
INBOX_BELL: Final = PREFIX + "bell:inbox:"

BROKER_NAMESPACE: Final = "alodial:broker"
"""Dramatiq's own keys; they may live in another Redis (``ALODIAL_BROKER_URL``)."""

PRIORITY_LETTERS: Final = {"urgent": "u", "normal": "n", "bulk": "b"}


def record(extid: str) -> str:
    return f"{PREFIX}c:{extid}"


def alias(extid: str) -> str:
    return f"{PREFIX}x:{extid}"


def ready(account: str, priority: str) -> str:
    return f"{PREFIX}q:{account}:{PRIORITY_LETTERS[priority]}"


def channels(account: str) -> str:
    return f"{PREFIX}chan:{account}"


def account(name: str) -> str:
    return f"{PREFIX}acct:{name}"


def bell(name: str) -> str:
    return f"{PREFIX}bell:{name}"
