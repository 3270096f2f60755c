"""``alodial dev`` from its first line to its exit code."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlencode, urlsplit

import redis
from rich.console import Console
from rich.text import Text

from alodial.api_keys import read_key
from alodial.cli.output import in_language
from alodial.errors import AlodialError, ConfigurationError
from alodial.settings import Settings
from alodial.settings.environment import without_password
from alodial.store import archiving, sessions
from alodial.store.client import Store
from alodial.store.workers import heartbeats
from alodial.testing.interruptions import end_as_ctrl_c, uninterrupted
from alodial.testing.redis_server import EmbeddedRedis

from .processes import START_TIMEOUT, ProcessEnded, Processes, ending_text

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_COLOURS: Final = {"redis": "red", "web": "cyan", "worker": "green", "sandbox": "magenta", "archive": "yellow"}
_WIDTH: Final = max(len(name) for name in _COLOURS)


def run(settings: Settings, folder: Path, *, port: int, speed: float, as_json: bool) -> int:
    """Starts Redis where nobody listens, web on ``port``, a worker, the archive where the settings name one, and the sandbox
    where they name this machine.

    Runs until Ctrl-C (exit code 0) or until one of them ends (1). Log lines go to standard output with the process's name
    before them; with ``as_json`` to standard error, and standard output has a line for each process and one when all are
    ready. Raises ConfigurationError for settings that cannot be started here.
    """
    api_key, scope = _full_key(settings)
    if not settings.callback_secret:
        raise ConfigurationError(
            "ALODIAL_CALLBACK_SECRET: is not set, so no result could arrive; alodial init writes one"
        )
    _refuse_taken_port("web", port, "choose another one with --port")
    sandbox_port = _sandbox_port(settings)
    if sandbox_port is not None:
        _refuse_taken_port("sandbox", sandbox_port, "end what listens there, or change ALODIAL_PROVIDER_URL")
    output = _Output(as_json)
    end_as_ctrl_c()
    processes = Processes(
        cwd=folder,
        environment={**os.environ, "ALODIAL_LOG_FORMAT": "console", "PYTHONUNBUFFERED": "1"},
        open_output=lambda _name: subprocess.PIPE,
        # A worker waits for its POSTs in progress and settles them.
        grace=settings.provider_timeout + 6.0,
    )
    web = f"http://127.0.0.1:{port}"
    try:
        with _redis(settings, folder, output) as server, closing(Store(settings)) as store:
            try:
                if sandbox_port is not None:
                    secret = settings.callback_secret[0].get_secret_value()
                    callback_url = f"{web}/callbacks/alovoice/{secret}"
                    processes.start_sandbox(sandbox_port, ("--speed", str(speed)), callback_url=callback_url)
                processes.start_web(port)
                processes.start_worker()
                if settings.archive_url is not None:
                    processes.start_archive()
                for name in processes.started:
                    output.follow(name, processes)
                if sandbox_port is not None:
                    processes.wait_until_healthy("sandbox", settings.provider_url)
                    output.started("sandbox", f"{settings.provider_url}/sandbox/phone")
                processes.wait_until_healthy("web", web)
                output.started("web", f"{web}/")
                _wait_for_worker(processes, store)
                output.started("worker", "")
                if settings.archive_url is not None:
                    _wait_for_archive(processes, store)
                    output.started("archive", without_password(settings.archive_url.get_secret_value()))
                link = _sign_in_link(store, web, scope)
                _say_ready(output, web, api_key, link, sandbox=sandbox_port is not None)
                while True:
                    processes.check()
                    _check_redis(server)
                    time.sleep(0.5)
            finally:
                _stop(processes, output)
    except ProcessEnded as exc:
        _say_ended(output, exc, folder)
        return 1
    except KeyboardInterrupt:
        return 0


def _stop(processes: Processes, output: "_Output") -> None:
    try:
        output.say("stopping every process that this command started")
    finally:  # the terminal may be closed, or Ctrl-C pressed again
        processes.stop()


def _say_ended(output: "_Output", exc: ProcessEnded, folder: Path) -> None:
    if exc.name == "Redis":
        output.say(f"error: {exc}; its last lines are in {_redis_folder(folder) / 'redis.log'}")
    else:
        output.say(f"error: {exc}; its last lines are above")


def _sandbox_port(settings: Settings) -> int | None:
    """The port of the sandbox where the settings place calls to this machine; None when they name AloVoice."""
    url = urlsplit(settings.provider_url)
    return (url.port or 80) if url.hostname in LOOPBACK else None


def _full_key(settings: Settings) -> tuple[str, str]:
    """A key with all rights, and its scope. Raises ConfigurationError without one."""
    for number, entry in enumerate(settings.api_keys, start=1):
        text = entry.get_secret_value()
        _, key = read_key(text, number)
        if not key.own and key.roles >= {"submit", "read"}:
            return text.partition(";")[0].strip(), key.scope
    raise ConfigurationError("ALODIAL_API_KEYS: has no key with all rights; alodial init writes one")


def _refuse_taken_port(name: str, port: int, remedy: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(f"port {port}, which the {name} needs, is taken; {remedy}") from None


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _redis_folder(folder: Path) -> Path:
    return folder / "var" / "redis"


@contextmanager
def _redis(settings: Settings, folder: Path, output: "_Output") -> Iterator[EmbeddedRedis | None]:
    """A Redis for the settings' URL: one of our own, which is stopped at the end; None where one listens there already."""
    url = urlsplit(settings.redis_url.get_secret_value())
    shown = f"{url.scheme}://{url.hostname}:{url.port or 6379}"
    own = url.scheme == "redis" and url.hostname in LOOPBACK and not url.password
    if not own or _listens("127.0.0.1", url.port or 6379):
        output.say(f"Redis: the one at {shown} is used; this command does not stop it")
        output.started("redis", shown)
        yield None
        return
    data = _redis_folder(folder)
    data.mkdir(parents=True, exist_ok=True)
    fsync = "always" if settings.durability == "fsync" else "everysec"
    server = EmbeddedRedis(folder=data, fsync=fsync, port=url.port or 6379)
    server.start()
    output.say(f"Redis: started at {shown}; its data stays in {data}")
    output.started("redis", shown)
    try:
        yield server
    finally:
        server.stop()


def _check_redis(server: EmbeddedRedis | None) -> None:
    """Raises ProcessEnded when the Redis that this command started has ended."""
    with uninterrupted():
        code = None if server is None or server.process is None else server.process.poll()
    if code is not None:
        raise ProcessEnded("Redis", ending_text("Redis", code))


def _wait_for_worker(processes: Processes, store: Store) -> None:
    ends = time.monotonic() + START_TIMEOUT
    while not any(beat.pid == processes.started["worker"].pid for beat in store.call(heartbeats)):
        processes.check()
        if time.monotonic() > ends:
            raise ProcessEnded("worker", f"the worker did not come up in {START_TIMEOUT:.0f} s")
        time.sleep(0.1)


def _wait_for_archive(processes: Processes, store: Store) -> None:
    ends = time.monotonic() + START_TIMEOUT
    while store.call(archiving.read_state, store.server_ms()) is None:
        processes.check()
        if time.monotonic() > ends:
            raise ProcessEnded("archive", f"the archive did not come up in {START_TIMEOUT:.0f} s")
        time.sleep(0.1)


def _sign_in_link(store: Store, web: str, scope: str) -> str:
    """A link that opens the monitor once; "" where the store takes no more, and the key has to be typed."""
    try:
        return f"{web}/sign-in?{urlencode({'code': store.call(sessions.offer_link, scope)})}"
    except (AlodialError, redis.RedisError):
        return ""


def _say_ready(output: "_Output", web: str, key: str, link: str, *, sandbox: bool) -> None:
    output.ready({"ready": True, "monitor": f"{web}/", "api": f"{web}/v1", "key": key})
    body = '{"callfrom": "712037006", "callto": ["994412860"], "reference": "order-1"}'
    output.say(
        "",
        "Ready. No phone rings: the sandbox plays AloVoice."
        if sandbox
        else "Ready. Calls go to AloVoice: PHONES RING.",
        *([f"  the monitor, signed in (once, within 10 minutes): {link}"] if link else []),
        f"  the monitor: {web}/   sign in with this key: {key}",
        "  a call:",
        f"    curl -X POST {web}/v1/calls -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' -d '{body}'",
        "  Ctrl-C ends everything.",
        "",
    )


class _Output:
    """Lines for people, and with ``--json`` documents on standard output."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._console = Console(stderr=as_json, highlight=False, soft_wrap=True)
        self._lock = threading.Lock()

    def say(self, *lines: str) -> None:
        with self._lock:
            for line in lines:
                self._console.print(Text(in_language(line), style="bold"))

    def started(self, process: str, url: str) -> None:
        self._document({"process": process, "url": url})

    def ready(self, document: dict[str, Any]) -> None:
        self._document(document)

    def _document(self, document: dict[str, Any]) -> None:
        if self._as_json:
            with self._lock:
                sys.stdout.write(json.dumps(document) + "\n")
                sys.stdout.flush()

    def follow(self, name: str, processes: Processes) -> None:
        """Prints the process's lines with its name before each, from a thread that ends with the process."""
        stream = processes.started[name].stdout
        if stream is not None:
            threading.Thread(target=self._copy, args=(name, stream), name=f"log of {name}", daemon=True).start()

    def _copy(self, name: str, stream: IO[bytes]) -> None:
        prefix = Text(f"{name:<{_WIDTH}} | ", style=_COLOURS[name])
        for raw in stream:
            line = Text.from_ansi(raw.decode("utf-8", "replace").rstrip("\r\n"))
            with self._lock:
                self._console.print(prefix + line)
