"""A full Redis refuses new calls in time, and never the emergency stop, a cancellation, a do-not-call number or a result."""

import time
from pathlib import Path

import pytest

from alodial import CallQueue, RefusedCall, StoreFull
from alodial.cli.app import run
from alodial.observability.diagnosis import diagnose
from alodial.settings import Settings
from alodial.store import call_transitions, overview, redis_checks, workers
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.holds import stopped
from alodial.store.keys import Keys
from alodial.store.redis_checks import epoch
from alodial_schemas import State
from alodial_workers.hopper import HopperFiller
from monitor.client import Operator
from web.conftest import API_KEY, TWO_WAY, Web

from .conftest import SmallRedis

keys = Keys()

CALL = {"callfrom": "712037006", "callto": ["994412860"]}
CAMPAIGN = {
    "name": "spring",
    "call": {"kind": "ivr", "ivrid": 7, "fromline": "712037006"},
    "policy": {"hours": {"windows": "daily 00:00-24:00"}},
}


def test_a_store_at_nine_tenths_takes_no_new_call_and_knows_its_old_ones(
    small_redis: SmallRedis, small_settings: Settings
) -> None:
    with CallQueue(settings=small_settings) as queue:
        first = queue.enqueue(CALL, idempotency_key="order-1")
        small_redis.fill(0.92)
        with pytest.raises(StoreFull, match=r"\(2\d\.\d of 24\.0 MB used\).*raise maxmemory"):
            queue.enqueue(CALL, idempotency_key="order-2")
        assert queue.enqueue(CALL, idempotency_key="order-1").id == first.id
        (row,) = queue.enqueue_many([CALL])
        assert isinstance(row, RefusedCall)
        assert row.code == "store_full"
        assert "of 24.0 MB used" in row.problems[0].problem
        with pytest.raises(StoreFull, match=r"of 24\.0 MB used"):
            queue.submit_campaign([{"phone": "994412860"}], CAMPAIGN)
        assert queue.get(first.id).state is State.QUEUED


def test_a_full_store_takes_no_new_call_after_its_clock_was_set_back(
    small_redis: SmallRedis, small_settings: Settings
) -> None:
    small_redis.fill(0.92)
    with CallQueue(settings=small_settings) as queue, small_redis.client() as client:
        # What a look of before left behind: its 20 ms last for an hour now.
        client.set(f"{keys.PREFIX}room:{queue.store.server_ms() // 10 + 360_000}", 1, px=3_600_020)
        with pytest.raises(StoreFull):
            queue.enqueue(CALL)


def test_rows_of_a_campaign_wait_in_a_full_store(small_redis: SmallRedis, small_settings: Settings) -> None:
    with CallQueue(settings=small_settings) as queue:
        campaign = queue.submit_campaign([{"phone": "994412860"}], CAMPAIGN)
        filler = HopperFiller(queue.store, small_settings)
        small_redis.fill(0.92)
        pace = call_transitions.pace({"default": 10})
        (need,) = queue.store.run(pace).hoppers
        assert filler.fill(need) == []
        assert queue.store.run(pace).hoppers == [], "it is not tried again at once"
        assert queue.campaigns.get(campaign.id).state == "running"
        with small_redis.client() as client:
            for name in client.scan_iter("ballast:*"):
                client.delete(name)
            client.zadd(f"{keys.PREFIX}hungry", {campaign.id: 0})
        (need,) = queue.store.run(pace).hoppers
        filler.fill(need)
        assert sum(account.ready for account in queue.store.call(overview.read, queue.settings).accounts) == 1


def test_everything_that_stops_calls_works_in_a_full_store(small_redis: SmallRedis, small_settings: Settings) -> None:
    with CallQueue(settings=small_settings) as queue:
        call = queue.enqueue(CALL)
        campaign = queue.submit_campaign([{"phone": "994412861"}], CAMPAIGN)
        other = queue.submit_campaign([{"phone": "994412862"}], CAMPAIGN | {"name": "summer"})
        small_redis.fill(1)
        with pytest.raises(StoreFull):
            queue.enqueue(CALL)
        assert queue.stop("wrong list", actor="anna")
        assert queue.store.call(stopped) == "wrong list"
        assert not queue.stop("again")
        assert queue.cancel(call.id).state is State.CANCELED
        assert queue.dnc.add([f"9944128{n}" for n in range(60, 99)]) == 39
        assert queue.dnc.remove(["994412860"]) == 1
        assert queue.campaigns.cancel(campaign.id, actor="anna").state == "canceled"
        assert queue.campaigns.pause(other.id, actor="anna").state == "paused"
        queue.resume()
        assert queue.store.call(stopped) is None


def test_what_rang_already_is_written_down_in_a_full_store(small_redis: SmallRedis, small_settings: Settings) -> None:
    with CallQueue(settings=small_settings) as queue:
        store, mark = queue.store, queue.store.call(epoch)
        calls = [queue.enqueue(CALL) for _ in range(3)]
        limits = small_settings.account("default")
        claimed = store.run(
            call_transitions.claim(small_settings, "default", limits, room=3, epoch=mark, horizon=0, attend=0)
        ).calls
        arming = [Arming(one.record, one.token, one.slot) for one in claimed[:2]]
        store.run(call_transitions.arm(small_settings, limits, arming, worker="w1", epoch=mark))
        small_redis.fill(1)
        settled = store.run(
            call_transitions.settle(
                small_settings,
                limits,
                [
                    Settling(claimed[0].record, claimed[0].token, "taken"),
                    Settling(claimed[1].record, claimed[1].token, "unconfirmed"),
                    Settling(claimed[2].record, claimed[2].token, "release"),
                ],
            )
        )
        assert len(settled) == 3
        (applied,) = store.run(call_transitions.apply_results([Applying(claimed[0].extid, "{}", "d", "answered")]))
        assert applied.outcome == "completed"
        states = [queue.get(call.id).state for call in calls]
        assert sorted(states) == sorted([State.COMPLETED, State.UNCONFIRMED, State.QUEUED])
        now = int(time.time() * 1000)
        store.call(workers.write_heartbeat, workers.Heartbeat("w1", now, 1, "alpha", 0))
        assert [beat.name for beat in store.call(workers.heartbeats)] == ["w1"]


@pytest.mark.parametrize("share", [0.82, 0.92])
def test_a_store_that_fills_up_is_reported_before_it_is_full(
    small_redis: SmallRedis, small_settings: Settings, share: float
) -> None:
    with CallQueue(settings=small_settings) as queue:
        small_redis.fill(share)
        (finding,) = [
            one for one in diagnose(queue.store.call(overview.read, queue.settings)) if one.code == "store_full"
        ]
        assert finding.severity == ("problem" if share > 0.9 else "warning")
        (check,) = [
            one for one in queue.store.call(lambda client, _: redis_checks.inspect(client)) if one.name == "store_full"
        ]
        assert check.level == ("error" if share > 0.9 else "warning")
        assert not check.prevents_start, "a worker must still start: it applies results"
        assert ("are refused" in check.message) == (share > 0.9) or "above 90 %" in check.message
        assert check.hint.startswith("redis-cli CONFIG SET maxmemory ")


def test_people_and_programs_stop_calls_of_a_full_store(
    small_redis: SmallRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    web = Web(small_redis.url, tmp_path)
    try:
        call = web.place().json()
        operator = Operator(web)
        small_redis.fill(1)
        refused = web.place()
        assert (refused.status_code, refused.json()["code"]) == (503, "store_full")
        assert "of 24.0 MB used" in refused.json()["detail"]
        assert "raise maxmemory in Redis, or shorten ALODIAL_CALL_RETENTION" in refused.json()["detail"]
        assert "Retry-After" in refused.headers
        assert web.http.post("/v1/calls/batch", json=[TWO_WAY]).json()["results"][0]["error"]["code"] == "store_full"
        drop_in = web.http.post(
            f"/requestcall/{API_KEY}", json={"callfrom": "712037006", "callto": [{"phone": "994412860"}]}
        )
        assert (drop_in.status_code, "full" in drop_in.text) == (503, True)
        assert web.http.post(f"/v1/calls/{call['id']}/cancel").json()["state"] == "canceled"
        assert web.http.post("/v1/dnc", json={"numbers": ["994412899"], "reason": "asked"}).status_code == 200
        kept = web.http.post(web.callback, json={"extid": call["extid"]})
        assert kept.status_code == 200, "a result is kept on disk"
        late = Operator(web)  # somebody who signs in only now
        assert late.post("/stop", {"reason": "wrong list"}).status_code == 200
        assert operator.post("/stop", {"reason": "wrong list"}).status_code == 200
        assert web.http.get("/v1/audit").json()["acts"][1]["target"] == "wrong list"
        ready = web.http.get("/readyz")
        assert ready.status_code == 200, "results go on, so this process stays in service"
        assert "store_full" in ready.text
        assert "alodial_store_memory_limit_bytes 2.5165824e+07" in web.http.get("/metrics").text
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("ALODIAL_REDIS_URL", small_redis.url)
        assert run(["resume"]) == 0
        assert run(["stop", "--reason", "by hand"]) == 0
        assert run(["status", "--json"]) in (0, 1)
        assert "store_full" in capsys.readouterr().out
        assert run(["call", "two-way", "--from", "712037006", "--to", "994412860"]) == 1
        assert "of 24.0 MB" in capsys.readouterr().err
    finally:
        web.stop()
