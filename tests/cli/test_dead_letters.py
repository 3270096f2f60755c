"""``alodial dead``: dead results are listed, shown, replayed and dropped."""

from collections.abc import Callable

import pytest

from alodial.store.client import Store
from alodial.store.keys import Keys

from .conftest import Alodial

keys = Keys()

Dead = Callable[..., str]


def test_dead_results_are_listed_newest_first(alodial: Alodial, dead: Dead) -> None:
    first, second = dead(b"{"), dead(b"[", "text/plain")
    rows = alodial("dead", "list", "--json").documents
    assert [(row["id"], row["kind"], row["bytes"]) for row in rows] == [
        (second, "unreadable", 1),
        (first, "unreadable", 1),
    ]
    assert [row["id"] for row in alodial("dead", "list", "--after", second, "--json").documents] == [first]
    assert "not JSON" in alodial("dead", "list", "--limit", "1").out


def test_without_dead_results_there_is_a_message(alodial: Alodial) -> None:
    assert alodial("dead", "list").err == "no dead results\n"


def test_the_body_is_printed_unchanged_but_cannot_control_the_terminal(alodial: Alodial, dead: Dead) -> None:
    name = dead("строка\n\x1b[31m\xff[/b]".encode() + b"\xfe")
    shown = alodial("dead", "show", name).out
    assert "строка\n\\x1b[31m" in shown
    assert "[/b]" in shown
    assert "\x1b" not in shown
    [row] = alodial("dead", "show", name, "--json").documents
    assert row["body"] == "строка\n\x1b[31m\xff[/b]\\xfe"


def test_a_replayed_result_is_back_in_the_inbox(alodial: Alodial, dead: Dead, store: Store) -> None:
    name = dead(b'{"externalid": 5}')
    done = alodial("dead", "replay", name, "--json")
    assert done.documents == [{"id": name, "outcome": "replayed"}]
    assert alodial("dead", "list", "--json").documents == []
    bodies = [fields[b"b"] for _, fields in store.call(lambda client, _: client.xrange(keys.INBOX))]
    assert bodies == [b'{"externalid": 5}']


def test_a_dropped_result_is_deleted(alodial: Alodial, dead: Dead, store: Store) -> None:
    name = dead(b"{")
    assert alodial("dead", "drop", name, "--yes").err == f"dropped {name}\n"
    assert alodial("dead", "list", "--json").documents == []
    assert store.call(lambda client, _: client.xlen(keys.INBOX)) == 0


@pytest.mark.parametrize("command", ["show", "replay", "drop"])
@pytest.mark.parametrize("name", ["1-1", "abc"])
def test_an_unknown_result_is_an_error_with_a_hint(command: str, name: str, alodial: Alodial) -> None:
    done = alodial("dead", command, name)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: no dead result {name}\nhint: alodial dead list\n"


def test_dead_results_are_filtered_by_kind_and_reason(alodial: Alodial, dead: Dead) -> None:
    name = dead(b"{")
    reason = alodial("dead", "list", "--json").documents[0]["reason"]
    assert [row["id"] for row in alodial("dead", "list", "--reason", reason, "--json").documents] == [name]
    assert alodial("dead", "list", "--kind", "unmatched").err == "no dead result matches\n"
    assert alodial("dead", "list", "--kind", "bogus").code == 2


def test_all_results_that_match_are_replayed_or_dropped_only_with_all(
    alodial: Alodial, dead: Dead, store: Store
) -> None:
    dead(b"{"), dead(b"[")
    assert alodial("dead", "drop").code == 2
    assert alodial("dead", "drop", "--kind", "unreadable").code == 2
    [done] = alodial("dead", "replay", "--all", "--kind", "unreadable", "--yes", "--json").documents
    assert done == {"outcome": "replayed", "count": 2}
    assert (store.redis.xlen(keys.DEAD), store.redis.xlen(keys.INBOX)) == (0, 2)
    assert alodial("dead", "drop", "--all", "--yes").err == "no dead result matches\n"
