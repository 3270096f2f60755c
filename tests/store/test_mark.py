"""The mark of a store: processes of another provider or of an older form of the data refuse, in words."""

import asyncio
from collections.abc import Callable

import pytest

from alodial import CallQueue, TwoWayCall
from alodial.calls.queue import AsyncCallQueue
from alodial.errors import StoreUnfit
from alodial.settings import Settings
from alodial.store import mark, redis_checks
from alodial.store.client import Store
from alodial.store.keys import Keys

CALL = TwoWayCall(callfrom="712037006", callto=["994412860"])
SANDBOX, OTHER_SANDBOX, LIVE, PROXY = (
    "http://127.0.0.1:8090",
    "http://sandbox:8090",
    "https://cld.alovoice.uz",
    "https://pbx.example.uz",
)


At = Callable[..., Store]


@pytest.fixture
def at(settings: Settings) -> At:
    def at(url: str, was: str = "") -> Store:
        given = settings.model_dump(include={"redis_url"}) | {"provider_url": url, "provider_was": was}
        return Store(Settings(_env_file=None, **given))  # type: ignore[call-arg]  # pydantic-settings' own

    return at


def claim(store: Store) -> None:
    store.call(mark.claim, store.settings)


def test_the_first_worker_marks_a_store_and_others_of_its_provider_go_on(at: At, settings: Settings) -> None:
    claim(at(LIVE))
    claim(at(LIVE))
    found = at(LIVE).call(mark.read)
    assert found == (mark.SCHEMA, "live", "cld.alovoice.uz")


def test_a_worker_of_another_provider_refuses_with_both_hosts_and_the_remedy(at: At) -> None:
    claim(at(SANDBOX))
    with pytest.raises(StoreUnfit, match=r"of a sandbox at 127.0.0.1.*at cld.alovoice.uz.*ALODIAL_PROVIDER_WAS=127"):
        claim(at(LIVE))
    claim(at(OTHER_SANDBOX))  # rings nobody


def test_a_provider_that_moved_on_purpose_is_taken_by_the_name_it_had(at: At) -> None:
    claim(at(LIVE))
    with pytest.raises(StoreUnfit):
        claim(at(PROXY, "other.example.uz"))
    moved = at(PROXY, "cld.alovoice.uz")
    for _ in range(2):
        claim(moved)
    with pytest.raises(StoreUnfit, match=r"at pbx\.example\.uz"):
        claim(at(LIVE))


def test_a_store_of_a_newer_version_is_refused(at: At) -> None:
    store = at(LIVE)
    claim(store)
    store.redis.hset(Keys().MARK, "v", mark.SCHEMA + 1)
    with pytest.raises(StoreUnfit, match="newer alodial"):
        claim(store)


def test_a_program_that_names_another_provider_stores_no_call(at: At, settings: Settings) -> None:
    claim(at(LIVE))
    store = at(SANDBOX)
    with CallQueue(settings=store.settings) as queue:
        for enqueue in (queue.enqueue, lambda call: queue.enqueue_many([call])):
            with pytest.raises(StoreUnfit, match="ALODIAL_PROVIDER_URL"):
                enqueue(CALL)

    async def placed() -> None:
        async with AsyncCallQueue(settings=store.settings) as queue:
            with pytest.raises(StoreUnfit):
                await queue.enqueue(CALL)

    asyncio.run(placed())
    assert not store.redis.exists(Keys().INDEX)
    with CallQueue(settings=settings) as queue:  # one that names none
        assert queue.enqueue(CALL).created


def test_the_doctor_says_at_which_provider_the_calls_are_placed(at: At) -> None:
    def check(store: Store) -> redis_checks.RedisCheck:
        return next(row for row in store.call(redis_checks.inspect_for, store.settings) if row.name == "redis.mark")

    assert check(at(LIVE)).level == "ok"
    claim(at(LIVE))
    assert "cld.alovoice.uz (live)" in check(at(LIVE)).message
    assert (check(at(SANDBOX)).level, "ALODIAL_NAMESPACE" in check(at(SANDBOX)).hint) == ("error", True)
