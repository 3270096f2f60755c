"""Redis, sandbox, web and workers as processes on free loopback ports, for `alodial demo` and the chaos tests."""

import json
import secrets
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from alodial.errors import AlodialError
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis, free_port

from ..dev.processes import ProcessEnded, Processes, environment_without_settings

_TAIL_LINES: Final = 12


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
        fsync: str = "always",
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
        self._children = Processes(
            cwd=folder,
            environment=environment_without_settings() | self.environment(),
            open_output=lambda name: self._log_of(name).open("ab"),
            grace=grace,
        )
        self.processes = self._children.started
        self.http = self._children.http
        self._sandbox_options = sandbox

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
            callback_url = f"{self.web_url}/callbacks/alovoice/{self.values['callback_secret']}"
            self._children.start_sandbox(_port(self.sandbox_url), self._sandbox_options, callback_url=callback_url)
            self._children.start_web(_port(self.web_url))
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
        self._children.start_worker(name)

    def start_archive(self, name: str = "archive") -> None:
        """Starts an archiver, for the ``archive_url`` of the settings."""
        self._children.start_archive(name)

    def start_web(self) -> None:
        """Starts web again, on its port."""
        self._children.start_web(_port(self.web_url))

    def check(self) -> None:
        """Raises StackDown when a process has ended."""
        try:
            self._children.check()
        except ProcessEnded as exc:
            raise StackDown(str(exc), self._tail(exc.name)) from None
        if self.redis.process is not None and self.redis.process.poll() is not None:
            raise StackDown("Redis ended", self._tail("redis/redis"))

    def stop(self) -> None:
        """Stops every process of the stack."""
        self._children.stop()
        self.redis.stop()

    def _wait_until_healthy(self, name: str, url: str) -> None:
        try:
            self._children.wait_until_healthy(name, url)
        except ProcessEnded as exc:
            raise StackDown(str(exc), self._tail(exc.name)) from None

    def _log_of(self, name: str) -> Path:
        return self.folder / f"{name.partition('-')[0]}.log"

    def _tail(self, name: str) -> str:
        path = self._log_of(name)
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-_TAIL_LINES:])


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
