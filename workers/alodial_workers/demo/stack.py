"""The demo's house: Redis, sandbox, web and one worker as processes of their own on free loopback ports."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from alodial.errors import AlodialError
from alodial.settings import Settings
from alodial.testing.redis_server import EmbeddedRedis, free_port

from .http_get import ask

UNREADY: Final = "unready"
"""An account without a token: its calls wait, here until they expire."""

CAMPAIGNS: Final = "campaigns"
"""The account of the demo's campaign, with limits of its own: 40 calls a second, 40 at once."""

PROVIDER_TIMEOUT: Final = 3.0
START_TIMEOUT: Final = 30.0
STOP_TIMEOUT: Final = PROVIDER_TIMEOUT + 6.0
"""A worker waits for its POSTs under way and settles them, 5 s beyond the provider's deadline."""

TAIL_LINES: Final = 12

_WORKER: Final = (
    "from alodial_workers.main import run_worker; from alodial.settings import load_settings; "
    "raise SystemExit(run_worker(load_settings()))"
)
_WEB: Final = (
    "import sys; from alodial.server.serve import serve; from alodial.settings import load_settings; "
    'serve(load_settings(), "127.0.0.1", int(sys.argv[1]))'
)
ANNOUNCEMENTS: Final = {
    "initiator": "welcome.wav",
    "recipient": "connecting.wav",
    "next": "trying-next.wav",
    "failed": "nobody.wav",
}


class HouseDown(AlodialError):
    """A process of the house did not come up, or ended before its time; ``tail`` is the end of its log."""

    code = "demo_house_down"

    def __init__(self, message: str, tail: str) -> None:
        super().__init__(message)
        self.tail = tail


class _GivenSettings(Settings):
    """Settings from what is given alone: nothing of the caller's environment or ``.env`` reaches the demo."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def result_timeout(speed: float) -> float:
    """Seconds: the longest call of the demo takes under 200 s of life; 6 s more for a machine that is busy."""
    return 6.0 + 200.0 / speed


class House:
    """Started by ``with``, ended by it too, in whatever way it is left: every child by its pid, Redis last."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self._temporary = tempfile.TemporaryDirectory(prefix="alodial-demo-")
        self.folder = Path(self._temporary.name)
        (self.folder / "redis").mkdir()
        self.redis = EmbeddedRedis(folder=self.folder / "redis")
        self.web_port, self.sandbox_port = free_port(), free_port()
        self.api_key = secrets.token_urlsafe(24)
        self._callback_secret = secrets.token_urlsafe(24)
        self._given: dict[str, Any] = {
            "redis_url": self.redis.url,
            "provider_url": self.sandbox_url,
            "provider_token": secrets.token_urlsafe(24),
            "callback_secret": self._callback_secret,
            "api_keys": self.api_key,
            "calls_per_second": 10,
            "max_concurrent_calls": 10,
            "provider_timeout": PROVIDER_TIMEOUT,
            "result_timeout": result_timeout(speed),
            "accounts": {
                UNREADY: {},
                CAMPAIGNS: {
                    "token": secrets.token_urlsafe(24),
                    "calls_per_second": 40,
                    "max_concurrent_calls": 40,
                },
            },
            "courtesy_hours": "off",
            "own_numbers": "712037006",
            "upload_dir": str(self.folder / "uploads"),
            "spool_dir": str(self.folder / "spool"),
            "log_format": "json",
        }
        self.settings: Settings = _GivenSettings(**self._given)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def web_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def result_timeout(self) -> float:
        return self.settings.result_timeout

    def environment(self) -> dict[str, str]:
        """The house's own settings as ``ALODIAL_*``."""
        return {
            f"ALODIAL_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
            for name, value in self._given.items()
        }

    def __enter__(self) -> Self:
        try:
            self.redis.start()
            self._start("sandbox", self._sandbox())
            self._start("web", ["-c", _WEB, str(self.web_port)])
            self._start("worker", ["-c", _WORKER])
            self._wait(lambda: self._healthy(self.sandbox_port), "the sandbox does not answer")
            self._wait(lambda: self._healthy(self.web_port), "the web server does not answer")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """Every process of the house, Redis first."""
        redis = {} if self.redis.process is None else {"Redis": self.redis.process.pid}
        return {**redis, **{name: process.pid for name, process in self.processes.items()}}

    def check(self) -> None:
        """Raises HouseDown when one of the processes ended before its time."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise HouseDown(f"the {name} ended with exit code {process.returncode}", self._tail(name))
        if self.redis.process is not None and self.redis.process.poll() is not None:
            raise HouseDown("Redis ended", self._tail("redis/redis"))

    def stop(self) -> None:
        """SIGTERM to each child, SIGKILL to what does not obey, Redis and the folder last."""
        alive = [process for process in self.processes.values() if process.poll() is None]
        for process in alive:
            process.terminate()
        ends = time.monotonic() + STOP_TIMEOUT
        for process in alive:
            try:
                process.wait(max(0.1, ends - time.monotonic()))
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                # A second Ctrl-C is impatience, and no child may outlive us.
                process.kill()
                process.wait()
        self.redis.stop()
        self._temporary.cleanup()

    def _sandbox(self) -> list[str]:
        announced = [part for stage, file in ANNOUNCEMENTS.items() for part in ("--announce", f"{stage}={file}")]
        return [
            "-m",
            "alodial_workers.sandbox",
            "--port",
            str(self.sandbox_port),
            "--speed",
            str(self.speed),
            *announced,
        ]

    def _start(self, name: str, args: list[str]) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith("ALODIAL_")}
        env |= self.environment()
        # In the environment, not among the arguments, which every user of the machine can read.
        env["ALODIAL_SANDBOX_CALLBACK_URL"] = f"{self.web_url}/callbacks/alovoice/{self._callback_secret}"
        with (self.folder / f"{name}.log").open("ab") as out:
            # A session of its own: a terminal's Ctrl-C reaches us alone, and we end the children in their order.
            self.processes[name] = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
                [sys.executable, *args],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                env=env,
                cwd=self.folder,
                start_new_session=True,
            )

    def _wait(self, condition: Callable[[], bool], complaint: str) -> None:
        ends = time.monotonic() + START_TIMEOUT
        while not condition():
            self.check()
            if time.monotonic() > ends:
                tails = "\n".join(f"{name}: {self._tail(name)}" for name in self.processes)
                raise HouseDown(f"{complaint} within {START_TIMEOUT:.0f} s", tails)
            time.sleep(0.05)

    def _healthy(self, port: int) -> bool:
        try:
            return ask(port, "GET", "/healthz").status == 200
        except OSError:
            return False

    def _tail(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return "\n".join(lines[-TAIL_LINES:])
