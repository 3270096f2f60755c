"""Redis, sandbox, web and workers as processes on free loopback ports, for `alodial demo` and the chaos tests."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from alodial.errors import AlodialError
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis, free_port

START_TIMEOUT: Final = 30.0
_TAIL_LINES: Final = 12

_PROGRAMS: Final = {
    "worker": "from alodial_workers.main import run_worker; raise SystemExit(run_worker(load_settings()))",
    "web": "from alodial.server.serve import serve; serve(load_settings(), '127.0.0.1', int(sys.argv[1]))",
}
_IMPORTS: Final = "import sys; from alodial.settings import load_settings; "


class StackDown(AlodialError):
    """A process of the stack did not start, or ended too early; ``tail`` is the end of its log."""

    code = "demo_stack_down"

    def __init__(self, message: str, tail: str) -> None:
        super().__init__(message)
        self.tail = tail


class ProcessStack:
    """``with`` starts Redis, a sandbox and web; workers start by ``start_worker``. At its end every process that it started
    is stopped by its pid, Redis last.

    ``values`` are settings by name, for all processes, beside addresses and fresh secrets. Logs and data are in ``folder``,
    which stays. ``sandbox`` are options of its command. ``grace`` is how many seconds processes have after SIGTERM; with 0
    they are killed at once.
    """

    def __init__(
        self,
        folder: Path,
        values: Mapping[str, Any],
        *,
        sandbox: Sequence[str] = (),
        redis_options: tuple[str, ...] = (),
        fsync: str = "everysec",
        grace: float = 0.0,
    ) -> None:
        self.folder = folder
        (folder / "redis").mkdir(parents=True, exist_ok=True)
        self.redis = EmbeddedRedis(folder=folder / "redis", fsync=fsync, options=redis_options)
        self.sandbox_url, self.web_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.values: dict[str, Any] = {
            "redis_url": self.redis.url,
            "provider_url": self.sandbox_url,
            "provider_token": secrets.token_urlsafe(24),
            "callback_secret": secrets.token_urlsafe(24),
            "api_keys": secrets.token_urlsafe(24),
            "spool_dir": str(folder / "spool"),
            "courtesy_hours": "off",
            "log_format": "json",
            **values,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        # No proxy of the caller's environment.
        self.http = httpx.Client(trust_env=False, timeout=10)
        self._sandbox_options = sandbox
        self._grace = grace

    @cached_property
    def settings(self) -> Settings:
        """The settings of the stack's processes."""
        # With another prefix nothing of the caller's environment or `.env` reaches them.
        return Settings(_env_file=None, _env_prefix="ALODIAL_OF_NO_ENVIRONMENT_", **self.values)

    def environment(self) -> dict[str, str]:
        """The settings as ``ALODIAL_*``."""
        return {
            f"ALODIAL_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
            for name, value in self.values.items()
        }

    def __enter__(self) -> Self:
        try:
            self.redis.start()
            port = self.sandbox_url.rpartition(":")[2]
            self._start("sandbox", ["-m", "alodial_workers.sandbox", "--port", port, *self._sandbox_options])
            self._start("web", ["-c", _IMPORTS + _PROGRAMS["web"], self.web_url.rpartition(":")[2]])
            self._wait_until_healthy("sandbox", self.sandbox_url)
            self._wait_until_healthy("web", self.web_url)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start_worker(self, name: str = "worker") -> None:
        """Starts a worker; of several, ``name`` is ``worker-...``, and they share a log."""
        self._start(name, ["-c", _IMPORTS + _PROGRAMS["worker"]])

    def check(self) -> None:
        """Raises StackDown when a process has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise StackDown(f"the {name} ended with exit code {process.returncode}", self._tail(name))
        if self.redis.process is not None and self.redis.process.poll() is not None:
            raise StackDown("Redis ended", self._tail("redis/redis"))

    def stop(self) -> None:
        """Stops every process of the stack."""
        alive = [process for process in self.processes.values() if process.poll() is None]
        for process in alive:
            process.terminate() if self._grace else process.kill()
        ends = time.monotonic() + self._grace
        for process in alive:
            try:
                process.wait(max(0.1, ends - time.monotonic()))
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                # A second Ctrl-C means now, and no process may outlive this one.
                process.kill()
                process.wait()
        self.redis.stop()
        self.http.close()

    def _start(self, name: str, args: list[str]) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith("ALODIAL_")} | self.environment()
        # Not among the arguments, which every user of the machine can read.
        env["ALODIAL_SANDBOX_CALLBACK_URL"] = f"{self.web_url}/callbacks/alovoice/{self.values['callback_secret']}"
        with (self.folder / f"{name.partition('-')[0]}.log").open("ab") as out:
            # In a session of its own: a terminal's Ctrl-C reaches this process alone, which stops the others in order.
            self.processes[name] = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
                [sys.executable, *args],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=env,
                cwd=self.folder,
                start_new_session=True,
            )

    def _wait_until_healthy(self, name: str, url: str) -> None:
        ends = time.monotonic() + START_TIMEOUT
        while True:
            self.check()
            with suppress(httpx.TransportError):
                if self.http.get(f"{url}/healthz").is_success:
                    return
            if time.monotonic() > ends:
                raise StackDown(f"the {name} did not answer in {START_TIMEOUT:.0f} s", self._tail(name))
            time.sleep(0.05)

    def _tail(self, name: str) -> str:
        path = self.folder / f"{name.partition('-')[0]}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-_TAIL_LINES:])
