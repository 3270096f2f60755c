"""The monitor's screens in a real browser: driven, looked at, attacked."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alodial import CallQueue
from alodial_schemas.campaigns import parse_campaign
from waiting import wait_until
from web.conftest import Web

from .conftest import Visitor

pytestmark = pytest.mark.slow

Visit = Callable[..., Visitor]

ALWAYS = {"windows": "daily 00:00-24:00"}

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "'><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "` onmouseover=`alert(1)",
    '" hx-on:load="alert(1)',
    '<div hx-get="/" hx-trigger="load" hx-on::after-request="alert(1)"></div>',
    '<div hx-get="javascript:alert(1)" hx-trigger="load"></div>',
    '<p hx-vals="js:{x:alert(1)}" hx-get="/" hx-trigger="load">',
    "{{ 7*7 }}",
    "{{ ''.__class__.__mro__ }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "${alert(1)}",
    "#{alert(1)}",
    "<%= alert(1) %>",
    "<math><mtext></p><script>alert(1)</script>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<form action=javascript:alert(1)><button>x",
    "<base href=//evil.example/>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=javascript:alert(1)>",
    "<template><script>alert(1)</script></template>",
    "\u003cscript\u003ealert(1)\u003c/script\u003e",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\u202e<script>alert(1)</script>",
    "=cmd|'/c calc'!A1",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "<x onclick=alert(1) style=position:fixed;inset:0>x",
]
"""Above fifty, one a line, from every family that a page of ours could meet."""


def placed(queue: CallQueue, count: int = 10, name: str = "Spring offer", **policy: Any) -> str:
    request = parse_campaign({"name": name, "call": {"callfrom": "712037006"}, "policy": {"hours": ALWAYS} | policy})
    return queue.campaigns.submit([f"+99890{1_000_000 + i}" for i in range(count)], request, actor="test").id


def a_file(folder: Path, count: int = 40) -> Path:
    text = "Телефон;Имя;Язык\n" + "".join(f"90{1_000_000 + i};Клиент {i};ru\n" for i in range(count))
    file = folder / "clients.csv"
    file.write_bytes(
        (text + "12;Коротко;ru\n9,98901E+11;Степень;ru\n901000001;Повтор;ru\n=1+1;Формула;ru\n").encode("cp1251")
    )
    return file


def test_a_campaign_goes_from_its_file_to_its_end_in_the_browser(
    visit: Visit, queue: CallQueue, tmp_path: Path
) -> None:
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    page.click("text=New campaign")
    # The page's script hides what the other kind needs, so it is waited for.
    page.wait_for_selector("#callfrom", state="visible")
    page.wait_for_selector("#ivrid", state="hidden")
    page.select_option("#kind", "ivr")
    page.wait_for_selector("#ivrid", state="visible")
    page.wait_for_selector("#callfrom", state="hidden")
    page.select_option("#kind", "two-way")
    page.fill("#name", "Spring offer")
    page.fill("#callfrom", "712037006")
    page.set_input_files("#file", a_file(tmp_path))
    page.click("text=Check the file")
    page.wait_for_selector("#report-title")
    visitor.picture("draft")
    assert "Windows-1251" in visitor.text()
    page.click("text=Continue with 40 rows")
    page.click("text=Submit: call 40 rows")
    page.wait_for_url(re.compile(r"/campaigns/[0-9a-f-]{36}"))
    visitor.picture("campaign")
    id = page.url.rpartition("/")[2].partition("?")[0]
    page.click("text=Cancel")
    page.fill("#reason", "wrong file")
    visitor.picture("cancel")
    page.click("text=Cancel 40 calls")
    page.wait_for_selector(".s-canceled")
    assert "wrong file" in visitor.text()
    assert queue.campaigns.get(id).state == "canceled"
    assert visitor.complaints == []


def test_an_open_page_follows_what_others_do(visit: Visit, queue: CallQueue) -> None:
    id = placed(queue)
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    visitor.go(f"/campaigns/{id}")
    page.wait_for_selector(".s-running")
    queue.campaigns.pause(id, actor="somebody else", reason="lunch")
    page.wait_for_selector(".s-paused")
    page.wait_for_selector("text=Resume")
    assert "somebody else · lunch" in visitor.text()
    visitor.go("/")
    queue.campaigns.cancel(id, actor="test")
    page.wait_for_selector("#campaigns .s-canceled")
    assert visitor.complaints == []


def test_the_keyboard_is_not_thrown_out_by_what_is_renewed(visit: Visit, queue: CallQueue) -> None:
    id = placed(queue)
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    page.focus(f"#to-{id}")
    with page.expect_response(lambda answer: answer.url.endswith("/now")):
        pass
    with page.expect_response(lambda answer: answer.request.headers.get("hx-target") == "campaigns"):
        pass
    wait_until(lambda: bool(page.evaluate("document.activeElement.id") == f"to-{id}"))


def test_an_open_page_says_when_the_server_does_not_answer(visit: Visit, queue: CallQueue) -> None:
    id = placed(queue)
    visitor = visit()
    visitor.sign_in()
    visitor.go(f"/campaigns/{id}")
    visitor.page.wait_for_selector("#offline", state="hidden")
    visitor.page.context.set_offline(True)
    visitor.page.wait_for_selector("#offline", state="visible")
    visitor.page.context.set_offline(False)
    visitor.page.wait_for_selector("#offline", state="hidden")


def test_everything_can_be_done_without_scripts(visit: Visit, queue: CallQueue, tmp_path: Path) -> None:
    visitor = visit(scripts=False)
    page = visitor.page
    visitor.sign_in()
    visitor.go("/campaigns/new")
    page.fill("#callfrom", "712037006")
    page.set_input_files("#file", a_file(tmp_path))
    page.click("text=Check the file")
    for _ in range(50):
        if page.is_visible("#report-title"):
            break
        page.reload()
    page.click("text=Continue with 40 rows")
    page.click("text=Submit: call 40 rows")
    # The campaign is listed from its draft on; its rows follow in chunks.
    wait_until(lambda: [found.rows["good"] for found in queue.campaigns.list().campaigns] == [40])


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Visit) -> None:
    visitor = visit()
    page = visitor.page
    visitor.sign_in()
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    box = page.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none" or page.evaluate(
            "document.activeElement === document.body"
        )
    assert "New campaign" in reached


@pytest.mark.parametrize(
    ("locale", "scheme", "width"),
    [("en-GB", "light", 1100), ("ru-RU", "dark", 320), ("uz-UZ", "light", 320), ("ru-RU", "dark", 768)],
)
def test_every_screen_is_clean_for_axe_and_fits_its_window(
    visit: Visit, queue: CallQueue, axe: str, tmp_path: Path, locale: str, scheme: str, width: int
) -> None:
    id = placed(queue, 25, name="Очень длинное название " + "x" * 60)
    paused = placed(queue, 5, name="paused one")
    queue.campaigns.pause(paused, actor="test")
    queue.dnc.add(["+998901234567"], reason="y" * 150, actor="somebody")
    visitor = visit(width, locale, scheme)
    page = visitor.page
    look = f"{locale[:2]}-{scheme}-{width}"

    def checked(screen: str) -> None:
        visitor.picture(f"{look}-{screen}")
        assert visitor.faults(axe) == [], screen
        assert not visitor.too_wide(), screen

    visitor.go("/")
    checked("sign-in")
    visitor.sign_in()
    checked("front")
    for screen, address in (
        ("list", "/campaigns"),
        ("campaign", f"/campaigns/{id}"),
        ("paused", f"/campaigns/{paused}?done=pause"),
        ("pace", f"/campaigns/{id}/pace"),
        ("cancel", f"/campaigns/{id}/cancel"),
        ("problems", f"/campaigns/{id}/problems"),
        ("rows", f"/campaigns/{id}/rows"),
        ("no-rows", f"/campaigns/{id}/rows?q=nobody&outcome=d:busy"),
        ("do-not-call", "/do-not-call?number=901234567"),
        ("no-number", "/do-not-call?number=abc"),
        ("nothing", "/campaigns/none"),
    ):
        visitor.go(address)
        checked(screen)
    visitor.go("/campaigns/new")
    page.click("summary")
    checked("new")
    page.fill("#callfrom", "712037006")
    page.fill("#pace", "fast")
    page.set_input_files("#file", a_file(tmp_path))
    page.click("form[enctype] button.main")
    page.wait_for_selector("#pace-wrong")
    checked("draft-to-mend")
    page.fill("#pace", "2")
    page.click("#settings-form > button")
    page.wait_for_selector("#report-title")
    checked("draft")


def hostile_file(folder: Path) -> Path:
    quoted = ['"' + payload.replace('"', '""') + '"' for payload in PAYLOADS]
    header = ";".join(["Телефон", *quoted])
    lines = [";".join(["901000001", *quoted]), *(f"{payload}" for payload in quoted)]
    file = folder / "hostile.csv"
    file.write_text("\n".join([header, *lines]) + "\n", "utf-8")
    return file


def test_no_text_from_outside_ever_runs(visit: Visit, queue: CallQueue, tmp_path: Path) -> None:
    visitor = visit()
    page = visitor.page
    visitor.sign_in(name="<img src=x onerror=alert(1)>")
    visitor.go("/campaigns/new")
    page.fill("#callfrom", "712037006")
    page.fill("#name", "<script>alert(1)</script>")
    page.set_input_files("#file", hostile_file(tmp_path))
    page.click("text=Check the file")
    page.wait_for_selector("#report-title")
    visitor.picture("hostile-draft")
    page.click("a.main")
    page.click("button:has-text('Submit')")
    page.wait_for_url(re.compile(r"/campaigns/[0-9a-f-]{36}"))
    id = page.url.rpartition("/")[2].partition("?")[0]
    visitor.go(f"/campaigns/{id}/problems")
    for number, payload in enumerate(PAYLOADS):
        # A name with a mark of direction is refused; reasons and actors may hold it.
        other = placed(queue, 1 + number, name=payload.replace("\u202e", "")[:100])
        queue.campaigns.pause(other, actor=payload, reason=payload)
        queue.dnc.add([f"+99890{2_000_000 + number}"], reason=payload, actor=payload)
        visitor.go(f"/campaigns/{other}")
        assert payload.replace("\u202e", "")[:40] in visitor.text()
        visitor.go(f"/campaigns/{other}/cancel")
    queue.stop("<script>alert(1)</script>")
    for address in ("/campaigns", "/do-not-call", f"/campaigns/{id}", f"/campaigns/{id}/report"):
        visitor.go(address)
        page.wait_for_load_state("networkidle")
    visitor.go("/")
    with page.expect_response(lambda answer: answer.url.endswith("/now")):
        pass  # what is renewed is put into the page by a script of htmx's
    page.wait_for_selector("text=The emergency stop has been on")
    visitor.picture("hostile-front")
    visitor.check_no_foreign_script()


def test_a_page_of_another_site_can_do_nothing_here(visit: Visit, queue: CallQueue, web: Web) -> None:
    id = placed(queue)
    visitor = visit()
    page = visitor.page
    visitor.sign_in()

    page.context.route(
        "http://evil.example/*",
        lambda route: route.fulfill(
            content_type="text/html",
            body=f'<form method="post" action="{web.url}/campaigns/{id}/cancel"><button>win a car</button></form>'
            f'<iframe src="{web.url}/"></iframe>',
        ),
    )
    page.goto("http://evil.example/")
    assert all("Emergency" not in frame.content() for frame in page.frames[1:])
    page.click("button")
    page.wait_for_load_state()
    assert queue.campaigns.get(id).state == "running"
    assert "Emergency" not in visitor.text()
