"""The screen that frees channels which calls without a result hold."""

import time

import pytest

from alodial import CallQueue
from alodial.store.keys import Keys
from alodial.store.overview import read
from web.conftest import Web

from .call_stage import Stage
from .client import Operator, words_on

keys = Keys()


@pytest.mark.parametrize("language", ["en", "ru", "uz"])
def test_channels_of_lost_results_are_freed_by_a_button_beside_what_it_means(
    web: Web, queue: CallQueue, stage: Stage, language: str
) -> None:
    for name in ("a", "b"):
        extid = stage.unconfirmed(reference=name).extid
        queue.store.redis.zadd(keys.channels("default"), {extid: (time.time() + 600) * 1000})
    operator = Operator(web, language=language)
    page = operator.get("/channels")
    assert page.status_code == 200
    assert page.text.count("/calls/") >= 2
    risk = {
        "en": "only after results were lost",
        "ru": "только если результаты потеряны",
        "uz": "faqat natijalar yo‘qolgan",
    }
    assert risk[language] in words_on(page)
    done = operator.post("/channels/release", page="/channels")
    assert {"en": "2 channels are free", "ru": "Освобождено 2 канала", "uz": "2 ta kanal bo‘shadi"}[
        language
    ] in words_on(done)
    (account,) = read(queue.store.redis, keys, queue.settings).accounts
    assert account.channels == 0
    assert [call.state for call in queue.calls().calls] == ["unconfirmed", "unconfirmed"]
