"""Lists in another order, and filters that a person keeps under a name."""

import re

from alodial import CallQueue
from alodial.monitor.saved_filters import kept_query
from alodial.store.saved_filters import MAX_FILTERS
from web.conftest import OTHER_KEY, Web

from .call_stage import Stage
from .client import Operator, words_on
from .test_campaigns import placed


def test_a_page_of_calls_is_sorted_by_a_column_and_says_that_it_is_the_page_alone(
    operator: Operator, stage: Stage
) -> None:
    for name in ("b", "c", "a"):
        stage.place(reference=f"order-{name}")

    def order(address: str) -> list[str]:
        return re.findall(r">(order-[abc])<", operator.get(address).text)

    assert order("/calls") == ["order-a", "order-c", "order-b"]
    assert order("/calls?sort=name") == ["order-a", "order-b", "order-c"]
    assert order("/calls?sort=-name") == ["order-c", "order-b", "order-a"]
    assert order("/calls?sort=nonsense") == order("/calls")
    page = operator.get("/calls?state=queued&sort=name")
    assert "Sorted: the 3 calls of this page only" in words_on(page)
    assert 'aria-sort="ascending"><a class="sort" id="sort-name" href="/calls?state=queued&amp;sort=-name"' in page.text
    assert 'hx-get="/calls?state=queued&amp;sort=name"' in page.text  # updates keep the order


def test_campaigns_workers_and_keys_are_sorted_whole(operator: Operator, queue: CallQueue) -> None:
    for count in (3, 1, 2):
        placed(queue, count)
    page = operator.get("/campaigns?sort=rows")
    assert re.findall(r">planted (\d)<", page.text) == ["1", "2", "3"]
    assert "All 3 campaigns, sorted." in words_on(page)
    assert 'aria-sort="descending"' in operator.get("/keys?sort=-used").text
    assert operator.get("/workers?sort=heard").status_code == 200


def test_a_saved_filter_is_its_person_s_alone_until_it_is_deleted(web: Web, operator: Operator) -> None:
    other = Operator(web, OTHER_KEY)
    fields = {"screen": "calls", "name": "Busy <today>", "query": "disposition=busy"}
    sent = operator.post("/filters/save", fields, page="/calls?disposition=busy")
    assert sent.headers["location"] == "/calls?disposition=busy"
    page = operator.get("/calls").text
    assert '<a href="/calls?disposition=busy"><bdi>Busy &lt;today&gt;</bdi></a>' in page
    assert (
        "Busy" not in re.sub(r"<option.*?</option>", "", other.get("/calls").text).partition('class="chips saved"')[2]
    )
    other.post("/filters/delete", fields)
    assert "Busy &lt;today&gt;" in operator.get("/calls").text
    operator.post("/filters/delete", fields)
    assert "chips saved" not in operator.get("/calls").text
    operator.post("/filters/save", {"screen": "logs", "name": "Errors", "query": "level=error"})
    assert '<a href="/logs?level=error"><bdi>Errors</bdi></a>' in operator.get("/logs").text


def test_no_more_filters_are_kept_than_the_limit_and_none_that_names_a_person(operator: Operator) -> None:
    for number in range(MAX_FILTERS):
        operator.post("/filters/save", {"screen": "calls", "name": str(number), "query": "state=queued"})
    full = operator.post("/filters/save", {"screen": "calls", "name": "more", "query": "state=queued"})
    assert full.headers["location"] == "/calls?state=queued&filters=full"
    assert "You have 20 filters" in words_on(operator.get(full.headers["location"]))
    assert kept_query("calls", "state=queued&phone=%2B998901234567") == ""
    assert kept_query("calls", "to=https://elsewhere.example") == ""
    assert "because it names a person" in words_on(operator.get("/calls?phone=901234567"))


def test_an_address_may_name_a_campaign_by_its_name(operator: Operator, queue: CallQueue) -> None:
    id = placed(queue, 2)
    for screen in ("calls", "reports"):
        named = operator.get(f"/{screen}?campaign=planted+2&since=2026-01-01")
        assert named.headers["location"] == f"/{screen}?campaign={id}&since=2026-01-01"
        assert operator.get(named.headers["location"]).status_code == 200
    assert operator.get("/calls?campaign=nobody").status_code == 200


def test_a_campaign_s_page_charts_how_its_calls_ended_in_a_range(operator: Operator, queue: CallQueue) -> None:
    id = placed(queue, 2)
    assert "No call ended in this time." in words_on(operator.get(f"/campaigns/{id}"))
    hour = queue.store.server_ms() // 3_600_000
    for ago, label, count in ((0, "completed:busy", 2), (30, "completed:answered", 5), (30, "failed", 1)):
        key = queue.store.keys.campaign_hours(id, (hour - ago) // 24)
        queue.store.redis.hincrby(key, f"{(hour - ago) % 24}:{label}", count)
    chart = operator.get(f"/campaigns/{id}/series?range=7d").json()["outcomes"]
    lines = {line["label"]: line["values"] for line in chart["series"]}
    assert (lines["busy"][-1], lines["answered"][-31], lines["not placed"][-31]) == (2, 5, 1)
    assert (chart["offset"], len(lines["busy"]), lines["time"][-1]) == ("UTC+5", 168, hour * 3600)
    day = operator.get(f"/campaigns/{id}/series?range=24h").json()["outcomes"]["series"]
    assert {line["label"]: sum(line["values"]) for line in day[1:]} == {"answered": 0, "busy": 2}
    assert f'data-source="/campaigns/{id}/series" data-range="7d"' in operator.get(f"/campaigns/{id}?range=7d").text
