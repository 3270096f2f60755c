"""``alodial keys``."""

import re

from .conftest import API_KEY, Alodial


def test_a_key_is_shown_once_and_listed_without_its_secret(alodial: Alodial) -> None:
    (new,) = alodial(
        "keys", "create", "shop", "--roles", "submit+read", "--own", "--daily-calls", "10", "--json"
    ).documents
    assert re.fullmatch(r"alodial_[\w-]{43}", new["key"])
    assert (new["name"], new["roles"], new["own"]) == ("shop", ["submit", "read"], True)
    assert "daily_calls=10" in new["limits"]
    listed = alodial("keys", "list", "--json")
    assert [row["name"] for row in listed.documents] == ["#1", "shop"]
    assert new["key"] not in listed.out
    assert API_KEY not in listed.out
    plain = alodial("keys", "create", "eyes", "--roles", "read", "--expires", "90d")
    assert re.fullmatch(r"alodial_[\w-]{43}\n", plain.out)
    assert "shown this once" in plain.err


def test_a_name_is_given_once_and_bad_ones_are_refused(alodial: Alodial) -> None:
    assert alodial("keys", "create", "shop").code == 0
    again = alodial("keys", "create", "shop")
    assert (again.code, again.out) == (1, "")
    assert "hint: alodial keys list" in again.err
    assert alodial("keys", "create", "Shop 2").code == 2
    assert alodial("keys", "create", "x", "--roles", "boss").code == 2
    assert "daily_calls" in alodial("keys", "create", "x", "--daily-calls", "many").err


def test_rotation_gives_a_new_secret_and_a_revoked_key_says_so(alodial: Alodial) -> None:
    alodial("keys", "create", "shop")
    (first,) = alodial("keys", "rotate", "shop", "--grace", "24h", "--json").documents
    assert alodial("keys", "revoke", "shop").code == 0
    assert alodial("keys", "list", "--json").documents[1]["state"] == "revoked"
    (second,) = alodial("keys", "rotate", "shop", "--json").documents
    assert second["state"] == "active"
    assert first["key"] != second["key"]
    unknown = alodial("keys", "revoke", "nobody")
    assert (unknown.code, "no API key nobody" in unknown.err) == (1, True)
