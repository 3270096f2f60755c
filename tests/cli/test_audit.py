"""``alodial audit``, and that commands leave entries."""

import os
import pwd

import pytest

from alodial.cli.audit import READ_ONLY
from alodial.store.client import Store
from alodial.store.keys import Keys

from .conftest import Alodial
from .test_every_command import LEAVES

keys = Keys()


def test_a_command_that_changes_something_leaves_an_entry_of_the_systems_user(
    alodial: Alodial, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("USER", "boss")
    environment.setenv("LOGNAME", "boss")
    assert alodial("dnc", "add", "994412860", "--reason", "asked").code == 0
    assert alodial("stop", "--reason", "wrong list").code == 0
    assert alodial("status").code in (0, 1)
    first, second = alodial("audit", "--json").documents
    assert (first["act"], first["target"], first["via"]) == ("dnc add", "99***2860 asked", "cli")
    assert (second["act"], second["target"]) == ("stop", "wrong list")
    assert first["actor"] == second["actor"] == f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    assert "wrong list" in alodial("audit").out


def test_a_command_that_failed_leaves_an_entry_that_says_so_or_none(alodial: Alodial) -> None:
    assert alodial("calls", "cancel", "17").code == 1
    (entry,) = alodial("audit", "--json").documents
    assert (entry["act"], entry["target"], entry["details"]) == ("calls cancel", "17", {"exit": 1})
    assert alodial("campaign", "pause", "none").code == 1
    assert len(alodial("audit", "--json").documents) == 1


def test_every_command_is_known_to_read_only_or_leaves_an_entry() -> None:
    assert LEAVES | {"audit"} >= READ_ONLY
    acting = LEAVES - READ_ONLY
    assert {"stop", "resume", "calls cancel", "dnc remove", "campaign export", "keys create", "dead drop"} <= acting


def test_verify_tells_whether_an_entry_was_removed(alodial: Alodial, store: Store) -> None:
    for _ in range(3):
        alodial("stop")
    done = alodial("audit", "--verify")
    assert (done.code, "3 entries of operators: unbroken" in done.err) == (0, True)
    rows = store.redis.xrange(keys.audit(own=False))
    store.redis.xdel(keys.audit(own=False), rows[1][0])  # type: ignore[index]
    done = alodial("audit", "--verify", "--json")
    assert done.code == 1
    assert done.documents[0]["broken"]
