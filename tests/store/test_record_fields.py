"""Every field of a call's record has its meaning written down."""

import re
from pathlib import Path
from typing import Any

from alodial import CallQueue, TwoWayCall
from alodial.store import records
from alodial.store.keys import Keys
from monitor.call_stage import Stage

STORE = Path(records.__file__).parent
DOCUMENTED = set(re.findall(r"^\| `([a-z]+(?:{n})?)` \|", (STORE / "RECORDS.md").read_text("utf-8"), re.MULTILINE))
OF_THE_SCRIPT = {"expires"}
"""What a loaded record has besides its fields."""

COMMAND = re.compile(r"redis\.call\('H\w+', P \.\. 'c:' \.\. [\w.]+(.*)")
OF_KEY = re.compile(r"redis\.call\('H\w+', key(.*)")
KEY_IS_A_RECORD = ("account.lua", "apply.lua", "settle.lua", "sweep.lua")
ADDED = re.compile(r"fields\[n \+ 1\], fields\[n \+ 2\], n = '(\w+)'")


def used_in_scripts() -> set[str]:
    names: set[str] = set()
    for path in (STORE / "lua").glob("*.lua"):
        source = re.sub(r"--.*", "", path.read_text("utf-8"))
        names.update(re.findall(r"\br\.([a-z]+)\b(?! =)", source), ADDED.findall(source))
        names.update(f"{name}{{n}}" for name in re.findall(r"'([a-z]{1,2})' \.\. (?:r\.)?n\b", source))
        commands = COMMAND.findall(source) + (OF_KEY.findall(source) if path.name in KEY_IS_A_RECORD else [])
        for words in commands:
            names.update(re.findall(r"(?:^|, )'([a-z]{1,3})'(?! \.\.)", words))
    return names - OF_THE_SCRIPT


def used_in_python() -> set[str]:
    source = (STORE / "records.py").read_text("utf-8")
    names = set(re.findall(r'text(?:\.get\(|\[)"([a-z]+)"', source))
    return names | {f"{name}{{n}}" for name in re.findall(r'f"([a-z]+){n}"', source)}


def test_each_field_that_scripts_or_readers_use_is_in_the_table() -> None:
    scripts, python = used_in_scripts(), used_in_python()
    assert len(scripts) > 35
    assert len(python) > 20
    assert (scripts | python) ^ DOCUMENTED == set()


def test_each_field_that_redis_holds_is_in_the_table(queue: CallQueue) -> None:
    keys = Keys()
    call = TwoWayCall(callfrom="712037006", callto=["994412860"])
    more: dict[str, Any] = {
        "redial": {"max_attempts": 2, "delays": {"busy": [60]}},
        "on_unconfirmed": "redial",
        "priority": "urgent",
    }
    queue.enqueue(call, reference="r", metadata={"a": "b"}, idempotency_key="k", **more)
    stage = Stage(queue)
    stage.completed("busy")
    stage.settle("auth", "token_refused")
    queue.cancel(queue.enqueue(call, extid="17").id)
    queue.submit_campaign(["977076909"], {"name": "c", "call": {"callfrom": "712037006"}})
    held = {
        re.sub(r"\d+$", "{n}", field.decode())
        for key in queue.store.redis.scan_iter(f"{keys.PREFIX}c:*")
        for field in queue.store.redis.hkeys(key)
    }
    assert {"s", "id", "b", "tl", "m", "r", "rd", "ik", "d{n}", "h{n}", "o{n}"} <= held
    assert held - DOCUMENTED == set()
