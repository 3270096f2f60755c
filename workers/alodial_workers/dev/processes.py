"""Alodial's own processes as children of this one, which stops them by their pid."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

import httpx

from alodial.errors import AlodialError
from alodial.testing.interruptions import uninterrupted

START_TIMEOUT: Final = 30.0
"""Seconds for a process to answer after its start, on a busy machine."""

HEALTH_TIMEOUT: Final = 2.0
"""Seconds for one answer, before it is asked again; Ctrl-C waits as long."""

STOP_POLL: Final = 0.02
"""Seconds between looks at whether all have ended."""

_IMPORTS: Final = "import sys; from alodial.settings import load_settings; "
_SERVE: Final = "from alodial.server.serve import serve; serve(load_settings(), '127.0.0.1', int(sys.argv[1]))"
_WORK: Final = "from alodial_workers.main import run_worker; raise SystemExit(run_worker(load_settings()))"


def ending_text(name: str, code: int) -> str:
    """How a process ended, of its exit code, which for a signal is the signal's number below zero."""
    if code < 0:
        return f"the {name} was killed by signal {-code}"
    return f"the {name} ended with exit code {code}"


class ProcessEnded(AlodialError):
    """A child process ended, or did not answer in time; ``name`` is its name."""

    code = "process_ended"

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Processes:
    """Child processes by name, in the folder ``cwd`` and with ``environment``.

    ``open_output`` gives the file that gets a process's output, or ``subprocess.PIPE``. ``grace`` is how many seconds they
    have after SIGTERM; with 0 they are killed at once.
    """

    def __init__(
        self,
        *,
        cwd: Path,
        environment: Mapping[str, str],
        open_output: Callable[[str], IO[bytes] | int],
        grace: float = 0.0,
    ) -> None:
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        # No proxy of the caller's environment.
        self.http = httpx.Client(trust_env=False, timeout=10)
        self._cwd = cwd
        self._environment = environment
        self._open_output = open_output
        self._grace = grace

    def start_web(self, port: int) -> None:
        """Starts a web process on a port of loopback."""
        self.start("web", ["-c", _IMPORTS + _SERVE, str(port)])

    def start_worker(self, name: str = "worker") -> None:
        """Starts a worker."""
        self.start(name, ["-c", _IMPORTS + _WORK])

    def start_archive(self, name: str = "archive") -> None:
        """Starts the archiver."""
        self.start(name, ["-m", "alodial.cli", "archive"])

    def start_sandbox(self, port: int, options: Sequence[str] = (), *, callback_url: str) -> None:
        """Starts a sandbox that sends its results to ``callback_url``, which holds a secret."""
        # Not among the arguments, which every user of the machine can read.
        extra = {"ALODIAL_SANDBOX_CALLBACK_URL": callback_url}
        self.start("sandbox", ["-m", "alodial_workers.sandbox", "--port", str(port), *options], extra)

    def start(self, name: str, args: Sequence[str], extra: Mapping[str, str] | None = None) -> None:
        """Starts our own interpreter with ``args``; ``extra`` are further variables."""
        output = self._open_output(name)
        # In a session of its own: a terminal's Ctrl-C reaches this process alone, which stops the others in order.
        with uninterrupted():
            self.started[name] = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
                [sys.executable, *args],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**self._environment, **(extra or {})},
                cwd=self._cwd,
                start_new_session=True,
            )
        if not isinstance(output, int):
            output.close()

    def check(self) -> None:
        """Raises ProcessEnded when a process has ended."""
        running = self._running()
        for name, process in self.started.items():
            if process not in running:
                raise ProcessEnded(name, ending_text(name, process.returncode))

    def _running(self) -> list["subprocess.Popen[bytes]"]:
        with uninterrupted():  # broken off, poll keeps a lock for which wait would wait for ever
            return [process for process in self.started.values() if process.poll() is None]

    def wait_until_healthy(self, name: str, url: str) -> None:
        """Waits until the process answers. Raises ProcessEnded when any ends before, or when it takes START_TIMEOUT."""
        ends = time.monotonic() + START_TIMEOUT
        while True:
            self.check()
            with suppress(httpx.TransportError), uninterrupted():  # so does its client
                if self.http.get(f"{url}/healthz", timeout=HEALTH_TIMEOUT).is_success:
                    return
            if time.monotonic() > ends:
                raise ProcessEnded(name, f"the {name} did not answer in {START_TIMEOUT:.0f} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stops every process that was started; none outlives this one, however often Ctrl-C is pressed meanwhile."""
        try:
            alive = self._running()
            with uninterrupted():
                for process in alive:
                    process.terminate() if self._grace else process.kill()
            ends = time.monotonic() + self._grace
            while self._running() and time.monotonic() < ends:
                time.sleep(STOP_POLL)
        except KeyboardInterrupt:
            pass  # a second Ctrl-C means now
        with uninterrupted():
            for process in self.started.values():
                if process.poll() is None:
                    process.kill()
                    process.wait()
        self.http.close()


def environment_without_settings() -> dict[str, str]:
    """The caller's environment without ``ALODIAL_*``."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ALODIAL_")}
