"""``alodial doctor`` asks for the callback address through ALODIAL_PUBLIC_URL."""

import pytest
from pydantic import SecretStr

from alodial.cli.callback_check import check_callback_address, judge
from alodial.settings import Settings

OURS = b'{"code":"method_not_allowed"}'


@pytest.mark.parametrize(
    ("status", "body", "target", "level", "part"),
    [
        (405, OURS, "", "ok", "knows the secret"),
        (405, b"<html>", "", "error", "does not reach alodial web"),
        (404, b'{"code":"not_found"}', "", "error", "does not know the secret"),
        (404, b"<html>nginx", "", "error", "does not reach"),
        (301, b"", "https://calls.example/callbacks/alovoice/planted", "error", "is redirected"),
        (401, b"", "", "error", "asks AloVoice to sign in"),
        (502, b"", "", "error", "answers 502"),
    ],
)
def test_each_answer_of_the_callback_address_is_named(
    status: int, body: bytes, target: str, level: str, part: str
) -> None:
    seen, message, hint = judge(status, body, target)
    assert seen == level
    assert part in message
    assert bool(hint) == (level != "ok")
    assert "planted" not in message + hint


def test_an_address_that_cannot_be_reached_from_here_is_a_warning_without_the_secret(settings: Settings) -> None:
    away = settings.model_copy(
        update={"public_url": "http://127.0.0.1:1", "callback_secret": (SecretStr("planted-callback-secret"),)}
    )
    check = check_callback_address(away)
    assert check is not None
    assert check.level == "warning"
    assert "planted" not in check.message + check.hint
    assert check_callback_address(settings.model_copy(update={"public_url": ""})) is None
