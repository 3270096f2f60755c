"""A Redis that refuses, at each command: it ends with 1, says what Redis answered and what helps, and prints no traceback."""

import json
from pathlib import Path

import pytest

from cli.conftest import TWO_WAY, Alodial, alodial, environment
from cli.test_every_command import ASKS_REDIS, FILE

from .proxy import REFUSALS, RefusingProxy, refusals_for

__all__ = ["alodial", "environment"]


@pytest.mark.parametrize(("place", "name"), list(enumerate(sorted(ASKS_REDIS))))
def test_a_command_says_that_redis_refuses(
    place: int, name: str, alodial: Alodial, environment: pytest.MonkeyPatch, proxy: RefusingProxy
) -> None:
    environment.setenv("ALODIAL_REDIS_URL", proxy.url)
    environment.setenv("ALODIAL_WEBHOOKS", "https://example.com/hook")
    environment.setenv("ALODIAL_WEBHOOK_SECRET", "whsec_" + "QUFB" * 8)
    Path(FILE).write_text("phone\n994412860\n")
    for code, error in refusals_for(place, 2):
        if "in a script" in code and name == "events":
            continue  # it reads without a script, and does not end by itself
        with proxy.refusing(error):
            done = alodial(*name.split(), *ASKS_REDIS[name])
        assert "Traceback" not in done.err, code
        assert done.code in (0, 1), (code, done.err)
        if "in a script" not in code:
            said = "error: the store is full" if code == "OOM" else "error: Redis at 127.0.0.1:"
            assert (done.code, done.out) == (1, ""), (code, done.err)
            assert said in done.err, (code, done.err)
            assert "hint: " in done.err, code


def test_every_refusal_is_a_document_with_json(
    alodial: Alodial, environment: pytest.MonkeyPatch, proxy: RefusingProxy
) -> None:
    environment.setenv("ALODIAL_REDIS_URL", proxy.url)
    for code, error in REFUSALS.items():
        with proxy.refusing(error):
            done = alodial(*TWO_WAY, "--json")
        (said,) = [json.loads(line) for line in done.out.splitlines()] or [{}]
        expected = "store_full" if "OOM" in code else "store_unavailable"
        assert said["error"]["code"] == expected, (code, done.out, done.err)
        assert said["error"]["hint"], code
