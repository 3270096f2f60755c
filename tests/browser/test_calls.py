"""The screens of calls in a real browser, with a real sandbox and a real worker: driven, looked at, attacked."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from alodial import CallQueue
from alodial.settings import Settings
from alodial.store.keys import Keys
from alodial.testing.redis_server import free_port
from alodial_schemas.campaigns import parse_campaign
from monitor.call_stage import RESULT, Stage
from waiting import wait_until
from web.conftest import SECRET, Web

from .conftest import Visitor
from .test_monitor import ALWAYS, PAYLOADS

keys = Keys()

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]


@pytest.fixture
def stage(queue: CallQueue) -> Stage:
    return Stage(queue)


class Life:
    """An ``alodial web``, a worker and a sandbox that plays calls eight times faster than life."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        port = free_port()
        provider = {"PROVIDER_URL": f"http://127.0.0.1:{port}", "PROVIDER_TOKEN": "t"}
        self.web = Web(redis_url, folder, **provider)
        address = ["--port", str(port), "--speed", "8", "--callback-url", self.web.url + self.web.callback]
        plain = {name: value for name, value in os.environ.items() if not name.startswith("ALODIAL_")}
        given = provider | {"REDIS_URL": redis_url, "CALLBACK_SECRET": SECRET, "SPOOL_DIR": str(folder / "worker")}
        worker = plain | {f"ALODIAL_{name}": value for name, value in given.items()}
        self._processes: list[subprocess.Popen[bytes]] = []
        for command, environment in (
            ([sys.executable, "-m", "alodial_workers.sandbox", *address], plain),
            ([sys.executable, "-m", "alodial.cli", "worker"], worker),
        ):
            log = (folder / f"process-{len(self._processes)}.log").open("ab")
            self._processes.append(subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log))
            log.close()

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(30)
        self.web.stop()


@pytest.fixture
def life(settings: Settings, tmp_path: Path) -> Iterator[Life]:
    life = Life(settings.redis_url.get_secret_value(), tmp_path)
    yield life
    life.stop()


def test_an_open_call_page_follows_the_call_to_its_end(
    chromium: Any, life: Life, queue: CallQueue, shots: Path, axe: str
) -> None:
    context = chromium.new_context(viewport={"width": 1200, "height": 800}, locale="en-GB")
    visitor = Visitor(context.new_page(), life.web, shots)
    page = visitor.page
    visitor.sign_in()
    body = {"callfrom": {"phone": "712037006"}, "callto": [{"phone": "994412890"}, {"phone": "977076909"}]}
    id = queue.enqueue(body, reference="order-17").id
    visitor.go("/calls")
    page.fill("#find", "order-17")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/calls/{id}")
    # It comes to its end under the eyes of whoever watches, without a hand.
    page.wait_for_selector(".p-talk", state="attached", timeout=30_000)
    page.wait_for_selector(".explanation.good", timeout=30_000)
    visitor.picture("call-watched")
    text = visitor.text()
    assert "It rang and was answered; the talk lasted" in text
    assert "Recipient +998994412890 busy" in " ".join(text.split())
    lanes = page.eval_on_selector_all(".timeline .lane:not(.soft)", "lanes => lanes.map(lane => lane.textContent)")
    assert lanes == ["Alodial", "Recipient", "Recipient"]
    assert visitor.faults(axe) == []
    # Chromium has read the recording and has sound to play: readyState 2 is HAVE_CURRENT_DATA.
    page.evaluate("(() => { const sound = document.querySelector('audio'); sound.preload = 'auto'; sound.load(); })()")
    wait_until(lambda: page.evaluate("document.querySelector('audio').readyState") >= 2)
    page.click("text=The answer as it came")
    page.wait_for_selector("pre", state="visible")
    with page.expect_popup() as opened:
        page.click("text=Listen (opens a new page)")
    assert opened.value.evaluate("window.opener") is None
    assert [text for text in visitor.complaints if "Content Security" in text] == []
    context.close()


def test_calls_are_canceled_by_filter_and_the_list_follows(visit: Visit, stage: Stage) -> None:
    for n in range(12):
        stage.place({"callfrom": "712037006", "callto": ["901112233"]}, reference=f"spring-{n}")
    stage.place(reference="other")
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    visitor.go("/calls?phone=901112233")
    page.click("text=Cancel 12 calls")
    visitor.picture("calls-ask-cancel")
    assert "cannot be undone" in visitor.text()
    page.click("button:has-text('Cancel 12 calls')")
    page.wait_for_selector("text=12 calls were canceled.")
    visitor.picture("calls-done")
    page.reload()
    assert "12 calls were canceled." in visitor.text()
    visitor.go("/calls")
    stage.queue.enqueue({"callfrom": "712037006", "callto": ["901112244"]}, reference="newcomer")
    page.wait_for_selector("text=newcomer")
    assert visitor.complaints == []


def test_an_unconfirmed_call_rings_again_once_however_often_it_is_pressed(visit: Visit, stage: Stage) -> None:
    stage.beat()
    placed = stage.unconfirmed("worker_lost", reference="order-9")
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    visitor.go("/unconfirmed")
    page.click("text=Call again")
    assert "Then they ring a second time." in visitor.text()
    visitor.picture("call-ask-redial")
    page.evaluate(
        "Promise.all([1,2,3,4,5].map(() => { const form = document.querySelector('form[action$=\"/redial\"]');"
        "return fetch(form.action, {method: 'POST', body: new URLSearchParams(new FormData(form))}) }))"
    )
    page.click("button:has-text('Call again now')")
    page.wait_for_selector("text=This was done before")
    assert stage.queue.get(placed.id).attempt == 2


def test_everything_about_calls_can_be_done_without_scripts(visit: Visit, stage: Stage) -> None:
    visitor = visit(scripts=False)
    page = visitor.page
    placed = stage.place(reference="order-1")
    visitor.sign_in()
    visitor.go("/calls")
    page.click("summary")
    page.select_option("#state", "queued")
    page.click("button:has-text('Show')")
    assert "state=queued" in page.url
    page.click("text=order-1")
    page.click("text=Cancel this call")
    page.click("button:has-text('Cancel the call')")
    assert stage.queue.get(placed.id).state == "canceled"
    page.click("text=Call again")
    page.click("button:has-text('Call again now')")
    wait_until(lambda: stage.queue.count().number == 2)


def of_every_kind(stage: Stage) -> dict[str, str]:
    """A call of every kind that a screen shows differently."""
    stage.beat(silent=60)
    long = "Очень-длинное-обозначение-" + "x" * 90
    kinds = {"unsure": stage.unconfirmed("worker_lost", reference=long).id}
    kinds["rejected"] = stage.rejected("status_400", body='{"error": "' + "ч" * 900 + '"}').id
    stage.rejected("do_not_call")
    kinds["completed"] = stage.completed("answered", metadata={"магазин": "y" * 200}).id
    kinds["busy"] = stage.completed("busy", redial={"max_attempts": 3, "delays": {"busy": [600]}}).id
    kinds["later"] = stage.place(not_before="2099-01-01T00:00:00+05:00").id
    kinds["ivr"] = stage.place({"callto": "712037006", "ivrid": 222, "fromline": "712037006"}).id
    for n in range(60):
        stage.place(reference=f"row-{n}")
    return kinds


@pytest.mark.parametrize(
    ("locale", "scheme", "width"),
    [("en-GB", "light", 1100), ("ru-RU", "dark", 320), ("uz-UZ", "light", 320), ("ru-RU", "light", 768)],
)
def test_every_screen_of_calls_is_clean_for_axe_and_fits_its_window(
    visit: Visit, stage: Stage, axe: str, locale: str, scheme: str, width: int
) -> None:
    kinds = of_every_kind(stage)
    visitor = visit(width, locale, scheme)
    visitor.sign_in()
    look = f"{locale[:2]}-{scheme}-{width}"
    for screen, address in (
        ("calls", "/calls"),
        ("calls-filtered", "/calls?state=unconfirmed&phone=12&since=x"),
        ("calls-none", "/calls?reference=none"),
        ("calls-ask-cancel", "/calls/cancel?state=queued"),
        ("calls-ask-redial", "/calls/redial?state=unconfirmed"),
        ("unconfirmed", "/unconfirmed"),
        ("failed", "/failed"),
        ("call-ask", f"/calls/{kinds['unsure']}/redial"),
        *((f"call-{kind}", f"/calls/{id}") for kind, id in kinds.items()),
    ):
        visitor.go(address)
        visitor.picture(f"{look}-{screen}")
        assert visitor.faults(axe) == [], screen
        assert not visitor.too_wide(), screen
    assert [text for text in visitor.complaints if "422" not in text] == []


def test_no_text_of_a_call_ever_runs(visit: Visit, stage: Stage, queue: CallQueue) -> None:
    visitor = visit()
    page = visitor.page
    visitor.sign_in(name="<img src=x onerror=alert(1)>;x y")
    for number, payload in enumerate(PAYLOADS):
        name = "".join(ch for ch in payload if ch.isprintable())[:128]
        placed = stage.place(reference=name, metadata={name[:60]: name})
        campaign = parse_campaign({"name": name[:100], "call": {"callfrom": "712037006"}, "policy": {"hours": ALWAYS}})
        of = queue.campaigns.submit([f"+99890{2_000_000 + number}"], campaign, actor="test", again=True).id
        queue.campaigns.pause(of, actor="test")
        stage.worker = payload
        call = stage.settle("taken", body=payload)
        legs = [{"to_number": payload, "dialstatus": payload, "begin_time": 1795000000, "end_time": 1795000009}]
        texts = {field: payload for field in RESULT if field not in ("attempts", "call_ids", "begin_time", "end_time")}
        listed = {"from_numbers": [payload], "to_numbers": [payload], "attempts": legs}
        stage.result(call.extid, "unknown", **texts | listed)
        stage.result(call.extid, "unknown", **texts | listed | {"duration": 1, "record": "javascript:alert(1)"})
        # What somebody writes straight into Redis is no better than what comes over HTTP.
        stage.store.redis.hset(keys.record(placed.extid), "g", of)
        visitor.go(f"/calls/{placed.id}")
        assert name[:30].split("\u202e")[0] in visitor.text()
        assert page.evaluate("[...document.links].filter(a => !/^https?:$/.test(a.protocol)).length") == 0
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        page.goto(visitor.web.url + "/calls", wait_until="commit")
        fields = ("reference", "campaign", "account", "phone", "reason", "state", "since", "until")
        for given in (dict.fromkeys(fields, payload), {"reference" if number % 2 else "find": payload}):
            page.goto(f"{visitor.web.url}/calls?" + urlencode(given), wait_until="commit")
    stage.place(reference="x")
    stage.settle("rejected", "status_400", body=PAYLOADS[0])
    stage.place()
    stage.worker = PAYLOADS[1]
    stage.settle("unconfirmed", PAYLOADS[1])
    queue.stop(PAYLOADS[2])
    waiting = stage.place()
    for address in ("/calls", "/unconfirmed", "/failed", "/calls/redial?state=unconfirmed", f"/calls/{waiting.id}"):
        visitor.go(address)
        page.wait_for_load_state("networkidle")
    visitor.go("/calls")
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "calls"):
        pass  # what is renewed is put into the page by a script of htmx's
    visitor.go(f"/calls/{waiting.id}")
    with page.expect_response(lambda answer: "/live?" in answer.url):
        pass
    visitor.picture("call-hostile")
    visitor.check_no_foreign_script()


def test_a_page_of_another_site_can_cancel_no_call(visit: Visit, stage: Stage, web: Web) -> None:
    placed = stage.place()
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    page.context.route(
        "http://evil.example/*",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{web.url}/calls/cancel"><input name="state" value="queued">'
            "<button>win a car</button></form>",
        ),
    )
    page.goto("http://evil.example/")
    page.click("button")
    page.wait_for_load_state()
    assert stage.queue.get(placed.id).state == "queued"
    assert re.search(r"Sign in|nothing was done|did not come", visitor.text())
