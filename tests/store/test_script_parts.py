"""A script carries those shared functions that it uses, and makes late what only its end needs."""

import re
from datetime import datetime
from importlib.resources import files

import pytest
from redis.exceptions import ResponseError

from alodial.store.client import Store
from alodial.store.keys import Keys
from alodial.store.script_parts import assemble, names_in, split
from alodial.store.scripts import SHARED, load_scripts, shared_parts

keys = Keys()

EXAMPLE = """
-- The key of b.
local base, other = 'a''b', {}
local later
local touched = {}
local waiting, ticks = {}, {}
local function one(n) return n end -- two
local function two(n)
  return one(n) -- three
end
later = function() touched.x = 1 end
local function look_after_touched()
  two(1)
end
local makings = 0
local function helper(n)
  makings = makings + 1
  return n .. ':' .. makings
end
local function rare(n) -- seldom
  return helper(n)
end
local SECOND = 1000
local MINUTE = 60 * SECOND -- so long
local NAME = 'SECOND'
local function minutes(n) return { n.MINUTE or n.x * MINUTE, NAME } end
"""


def texts(own: str) -> str:
    return assemble(split(EXAMPLE), own)


def test_what_is_not_mentioned_is_left_out() -> None:
    assert texts("return 1") == (
        "local function script()\nlocal function main()\nreturn 1\nend\nlocal good, answer = pcall(main)\n"
        "if not good then error(answer, 0) end\nreturn answer\nend\nreturn script()\n"
    )
    assert texts("return r.two .. 'two' -- two").count("local function") == 2


def test_what_a_function_needs_comes_before_it() -> None:
    text = texts("return two(2)")
    assert text.index("local function one") < text.index("local function two") < text.index("main()")
    assert "touched" not in text


def test_what_only_the_end_needs_is_made_at_the_end_when_there_is_something_to_do() -> None:
    text = texts("later()")
    assert text.index("later = function") < text.index("main()")
    assert text.index("if next(touched) then") < text.index("local function two") < text.index("\ntwo(1)\nend")
    assert text.count("local function one") == 1


def test_what_is_seldom_needed_is_made_when_it_is_first_called(store: Store) -> None:
    text = texts("return { rare('a'), rare('b') }")
    assert text.index("seldom = function") < text.index("local makings") < text.index("local function rare")
    assert store.redis.eval(text, 0) == [b"a:1", b"b:2"]


def test_what_a_script_seldom_needs_is_made_late_in_it(store: Store) -> None:
    text = texts("-- Seldom here: helper\nreturn { helper('a'), makings }")
    assert text.index("seldom = function") < text.index("local function helper")
    assert store.redis.eval(text, 0) == [b"a:1", 1]


def test_what_others_need_too_is_made_at_once() -> None:
    text = texts("return helper(1) .. rare(1)")
    assert text.index("local function helper") < text.index("seldom = function") < text.index("local function rare")


def test_a_number_or_a_text_stands_in_the_code_itself(store: Store) -> None:
    text = texts("return minutes({ x = 2 })")
    assert "SECOND =" not in text
    assert "n.MINUTE or n.x * (60 * 1000)" in text
    assert store.redis.eval(text, 0) == [120_000, b"SECOND"]


def test_what_the_end_does_must_not_return() -> None:
    with pytest.raises(ValueError, match="returns"):
        assemble(split(EXAMPLE.replace("  two(1)\nend", "  return two(1)\nend")), "later()")


def test_the_end_comes_after_an_error_too(store: Store) -> None:
    """The calls of a batch before one that is damaged have moved, and whatever follows from that happens."""
    own = "later()\nlocal nothing\nreturn nothing.at_all"
    text = texts(own).replace("two(1)", "redis.call('SET', KEYS[1], 'looked after')")
    with pytest.raises(ResponseError, match="nothing"):
        store.redis.eval(text, 1, keys.PREFIX + "end")
    assert store.redis.get(keys.PREFIX + "end") == b"looked after"


def test_comments_and_texts_mention_nothing() -> None:
    assert names_in("a.b(c) -- d\nlocal e = 'f' .. \"g\"") == {"a", "c", "local", "e"}


def test_a_statement_that_defines_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="not the beginning"):
        split("redis.call('PING')\n")


def test_every_script_has_all_that_it_mentions() -> None:
    """A shared function that was left out would be an unknown global, found only where a script reaches it."""
    scripts = load_scripts(1000, 1000)
    folder = files("alodial.store").joinpath("lua")
    parts = split("".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in SHARED))
    shared = {name for part in parts for name in part.defines}
    for script in scripts.values():
        defined = re.findall(r"function (\w+)|(\w+) = function|local ([\w, ]+)|function \w*\(([^)]*)\)", script.text)
        known = {name for found in defined for text in found for name in re.findall(r"\w+", text)}
        assert names_in(script.text) & shared <= known, script.name


def test_a_moment_becomes_the_text_that_python_makes_of_it(store: Store) -> None:
    text = assemble(shared_parts(1000, 1000), "return now_text()").replace("redis.call('TIME')", "ARGV")
    days = [
        "1970-01-01",
        "1999-12-31",
        "2000-02-29",
        "2024-02-28",
        "2024-02-29",
        "2024-12-31",
        "2025-01-01",
        "2100-03-01",
    ]
    for moment in (f"{day}T{time}Z" for day in days for time in ("00:00:00.000", "09:05:07.004", "23:59:59.999")):
        ms = round(datetime.fromisoformat(moment).timestamp() * 1000)
        assert store.redis.eval(text, 2, keys.PREFIX, keys.EVENTS, ms // 1000, ms % 1000 * 1000) == moment.encode()
