"""How the limits of a key are written, and what is wrong with them is said without the key."""

import pytest

from alodial.api_keys import read_key
from alodial.errors import ConfigurationError
from alodial.key_limits import FrequencyCap, KeyLimits, limits_from_text, limits_to_text
from alodial.settings import Settings

OWN = KeyLimits(recipient_cap=FrequencyCap(10, 3600), files=2)


def test_a_key_names_its_limits_and_takes_the_others_of_its_kind() -> None:
    _, key = read_key("KEY;name=shop;own;daily_calls=1000;priorities=normal+bulk;accounts=a+b;files=0", 1, OWN)
    assert key.limits == KeyLimits(
        daily_calls=1000,
        priorities=frozenset({"normal", "bulk"}),
        accounts=frozenset({"a", "b"}),
        recipient_cap=FrequencyCap(10, 3600),
        files=0,
    )
    assert read_key("KEY;name=crm", 1, OWN)[1].limits == KeyLimits()


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        ("daily_calls=-1", "whole number"),
        ("daily_calls=", "whole number"),
        ("requests_per_second=fast", "such as 2 or 0.5"),
        ("priorities=high", "use urgent, normal, bulk"),
        ("accounts=a+", "account names"),
        ("recipient_cap=3 a day", "3/1d"),
        ("files=1;files=2", "twice"),
    ],
)
def test_an_unusable_limit_is_named_with_its_remedy_and_without_the_key(limit: str, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match="ALODIAL_API_KEYS: entry 2") as error:
        read_key(f"planted-secret;name=shop;own;{limit}", 2)
    assert limit.partition("=")[0] in str(error.value)
    assert remedy in str(error.value)
    assert "planted-secret" not in str(error.value)


def test_limits_are_written_as_they_are_read() -> None:
    text = "daily_calls=5;accounts=a+b;priorities=bulk;recipient_cap=3/1d;initiator_cap=9/1h;files=2;requests_per_second=0.5"
    assert limits_to_text(limits_from_text(text)) == text
    assert limits_from_text("", OWN) == OWN


def test_the_setting_for_own_keys_is_checked_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="colour is no limit"):
        Settings(own_key_limits="colour=red")
