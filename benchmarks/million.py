"""A million calls in the store: whether lists, screens and the way of a call feel it.

Calls at every state are made by the store's own operations. Each list of the API and each screen of the monitor is then
asked for five times of a real ``alodial web``, and the operations of a call's way are timed beside a store of a thousand.
"""

import argparse
import http.cookiejar
import re
import statistics
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store import call_transitions, redis_checks
from alodial.store.call_transitions import Applying, Arming, Settling
from alodial.store.keys import Keys
from alodial.testing.redis_server import EmbeddedRedis

from .machine import OTHER_CORE, WORKER_CORE, child

keys = Keys()

KEY = "million-rows-api-key"
LIMIT_MS = 200.0
ENDINGS = ("answered", "answered", "answered", "busy", "no_answer", "congestion")


def fill(queue: CallQueue, calls: int, ended: int) -> None:
    """``calls`` with numbers of their own; ``ended`` of them went their whole way, with some of every outcome."""
    print(f"storing {calls:,} calls ...", file=sys.stderr)
    queue.enqueue_many(
        {
            "callfrom": {"phone": "712037006"},
            "callto": [{"phone": f"9{(n * 7919) % 10**8:08d}"}],
            "reference": f"order-{n}",
            "priority": ("normal", "bulk")[n % 2],
        }
        for n in range(calls)
    )
    print(f"bringing {ended:,} of them to an end ...", file=sys.stderr)
    done = 0
    while done < ended:
        done += way(queue, 500)[1]


def way(queue: CallQueue, many: int) -> tuple[float, int]:
    """Takes calls through claim, arm, settle and apply; seconds for one, and how many they were."""
    settings, limits, redis = queue.settings, queue.settings.account("default"), queue.store
    epoch = redis_checks.epoch(redis.redis, keys)
    began = time.perf_counter()
    claim = call_transitions.claim(settings, "default", limits, epoch=epoch, room=many, horizon=1, attend=0)
    calls = redis.run(claim).calls
    redis.run(
        call_transitions.arm(
            settings, limits, [Arming(c.record, c.token, c.slot) for c in calls], epoch=epoch, worker="w"
        )
    )
    outcomes = [("taken", "unconfirmed", "rejected")[0 if n % 20 else 1 + n // 20 % 2] for n in range(len(calls))]
    settled = [
        Settling(call.record, call.token, outcome, code="" if outcome == "taken" else "http_400")  # type: ignore[arg-type]  # one of the outcomes
        for call, outcome in zip(calls, outcomes, strict=True)
    ]
    redis.run(call_transitions.settle(settings, limits, settled))
    results = [
        Applying(call.extid, '{"dialstatus":"X"}', call.extid, ENDINGS[n % len(ENDINGS)], 20)
        for n, call in enumerate(calls)
        if outcomes[n] == "taken"
    ]
    redis.run(call_transitions.apply_results(results))
    return (time.perf_counter() - began) / len(calls), len(calls)


class Visitor:
    """Somebody with a key: the API's, and signed in to the monitor."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), urllib.request.ProxyHandler({})
        )
        page = self._opener.open(url + "/").read().decode()
        token = re.search(r'name="form_token" value="([^"]+)"', page)
        assert token is not None
        form = urllib.parse.urlencode({"key": KEY, "name": "bench", "form_token": token[1], "to": "/"}).encode()
        asked = urllib.request.Request(url + "/sign-in", form, {"Origin": url})
        self._opener.open(asked).read()

    def median_ms(self, address: str, times: int = 5) -> float | None:
        """None where there is no such screen or filter."""
        took = []
        for _ in range(times):
            asked = urllib.request.Request(self._url + address, headers={"Authorization": f"Bearer {KEY}"})
            began = time.perf_counter()
            try:
                self._opener.open(asked).read()
            except urllib.error.HTTPError as exc:
                if exc.code in (404, 422):
                    return None
                raise
            took.append(time.perf_counter() - began)
        return statistics.median(took) * 1000


def addresses(queue: CallQueue) -> list[str]:
    some = queue.calls(limit=1).calls[0]
    phone = urllib.parse.quote(some.request["callto"][0]["phone"])
    lists = [
        "",
        "?state=queued",
        "?state=submitted",
        "?state=unconfirmed",
        "?state=completed",
        "?state=rejected",
        "?state=failed",
        "?disposition=busy",
        f"?phone={phone}",
        "?phone=712037006",
        "?reference=order-77",
        "?state=completed&phone=712037006",
        "?state=rejected&reason=http_400",
    ]
    screens = [
        "/",
        "/now",
        "/calls",
        "/unconfirmed",
        "/failed",
        "/workers",
        "/callbacks",
        "/webhooks",
        "/logs",
        "/campaigns",
    ]
    return [
        *(f"/v1/calls{query}" for query in lists),
        *(f"/calls{query}" for query in lists[1:]),
        f"/calls/{some.id}",
        f"/v1/calls/{some.id}",
        *screens,
        "/metrics",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description="A million calls in the store.")
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--ended", type=int, default=200_000)
    given = parser.parse_args()
    good = True
    with EmbeddedRedis(fsync="no") as redis:
        settings = Settings(_env_file=None, redis_url=redis.url, calls_per_second=0, max_concurrent_calls=0)
        with CallQueue(settings=settings) as queue:
            fill(queue, 1000, 0)
            few = [way(queue, 50)[0] for _ in range(10)]
            redis.client().flushall()
            fill(queue, given.calls, given.ended)
            many = [way(queue, 50)[0] for _ in range(20)]
            ratio = statistics.median(many) / statistics.median(few)
            print(
                f"claim, arm, settle, apply: {statistics.median(few) * 1e6:.0f} us a call with 1,000 stored, ", end=""
            )
            print(f"{statistics.median(many) * 1e6:.0f} us with {given.calls:,}: {ratio:.2f} times")
            good &= ratio < 1.3
            print(f"{int(redis.client().info('memory')['used_memory']) / given.calls:.0f} bytes of Redis a call")
            env = {"ALODIAL_REDIS_URL": redis.url, "ALODIAL_API_KEYS": KEY, "ALODIAL_LOG_LEVEL": "error"}
            with child(["-m", "alodial.cli", "web", "--port", "0"], WORKER_CORE, env) as web:
                assert web.stdout is not None
                visitor = Visitor(web.stdout.readline().split()[-1])
                for address in addresses(queue):
                    took = visitor.median_ms(address)
                    mark = "" if took is None or took < LIMIT_MS else "  TOO SLOW"
                    good &= not mark
                    print(f"{'-' if took is None else f'{took:.0f}':>6} ms  {address}{mark}")
            assert queue.store.redis.exists(keys.INDEX)
    print("good" if good else "NOT good")
    return 0 if good else 1


if __name__ == "__main__":
    assert OTHER_CORE != WORKER_CORE
    sys.exit(main())
