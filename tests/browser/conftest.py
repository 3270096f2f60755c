"""A real Chromium at the monitor of a real ``alodial web``. Without a browser the tests skip and say what is missing."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alodial.settings import Settings
from web.conftest import API_KEY, Web, shared_web

__all__ = ["shared_web"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Chromium asks for nothing outside: on a closed network it would go on asking."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser is no unit: its tests are slow ones, and one that fails is tried once more, as Chromium beside other tests may
    take seconds to draw."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser a module, not a session: Playwright leaves its event loop running in this thread until it is stopped,
    and every later test that calls ``asyncio.run`` would be refused."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not here: pip install playwright")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium is on PATH: apt-get install chromium")
    with playwright.sync_playwright() as started:
        # Chromium refuses to run its sandbox as root, as containers do.
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = started.chromium.launch(executable_path=path, args=[*root, *QUIET])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, where node would find it."""
    for folder in (*os.environ.get("NODE_PATH", "").split(os.pathsep), "node_modules", "/usr/lib/node_modules"):
        script = Path(folder) / "axe-core" / "axe.min.js"
        if folder and script.is_file():
            return script.read_text("utf-8")
    pytest.skip("axe-core is not here: `npm install axe-core` anywhere and set NODE_PATH to its node_modules")


@pytest.fixture
def web(shared_web: Web, settings: Settings) -> Web:
    """The module's server on an emptied Redis."""
    return shared_web


class Visitor:
    """One browser window. What the page complains of is kept in ``complaints``; ``dialogs`` are scripts that ran."""

    def __init__(self, page: Any, web: Web, shots: Path) -> None:
        self.page = page
        self.web = web
        self._shots = shots
        self.complaints: list[str] = []
        self.dialogs: list[str] = []
        self.asked: set[str] = set()
        page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.add(request.url))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def check_no_foreign_script(self) -> None:
        """No text of somebody else ran as a script, nor made the page ask elsewhere."""
        assert self.dialogs == []
        assert self.page.evaluate("document.querySelectorAll('script:not([src])').length") == 0
        assert [url for url in self.asked if not url.startswith(self.web.url)] == []
        assert not [text for text in self.complaints if "Content Security Policy" in text]

    def go(self, address: str) -> None:
        self.page.goto(self.web.url + address)

    def sign_in(self, name: str = "Aziza") -> None:
        self.go("/")
        self.page.fill("#key", API_KEY)
        self.page.fill("#name", name)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("#now")

    def picture(self, name: str) -> None:
        # Playwright hides carets by a style at each input, which htmx copies when it renews the page, and the CSP complains.
        self.page.screenshot(path=self._shots / f"{name}.png", full_page=True, caret="initial")

    def text(self) -> str:
        text: str = self.page.inner_text("body")
        return text

    def too_wide(self) -> bool:
        """Whether the page has to be moved sideways to be read."""
        wide: bool = self.page.evaluate("document.documentElement.scrollWidth > innerWidth")
        return wide

    def faults(self, axe: str) -> list[str]:
        """What axe-core finds: the rule and the first place."""
        self.page.evaluate(axe)  # by the debugger: our CSP would not let a page load it
        found = self.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in found["violations"]]


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the screens go; SHOTS names another folder to look at them."""
    named = os.environ.get("SHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(chromium: Any, web: Web, shots: Path) -> Iterator[Callable[..., Visitor]]:
    """Opens a window: ``visit(width=320, locale="ru-RU", scheme="dark")``."""
    contexts = []

    def opened(width: int = 1100, locale: str = "en-GB", scheme: str = "light", scripts: bool = True) -> Visitor:
        context = chromium.new_context(
            viewport={"width": width, "height": 800},
            locale=locale,
            color_scheme=scheme,
            java_script_enabled=scripts,
            accept_downloads=True,
        )
        contexts.append(context)
        context.set_default_timeout(15_000)
        return Visitor(context.new_page(), web, shots)

    yield opened
    for context in contexts:
        context.close()
