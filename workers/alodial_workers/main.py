"""Runs one worker process: Dramatiq's worker, and the signals that end it."""

import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

import structlog

from alodial.errors import AlodialError, ConfigurationError
from alodial.observability.logging import configure, drain
from alodial.observability.setting_risks import require_no_risk
from alodial.settings import Settings
from alodial.settings.open_files import raise_file_limit

from .actors import declare
from .broker import dead_threads, patient_worker
from .runtime import Runtime, worker_name

log = structlog.get_logger("alodial.worker")

SHUTDOWN_MARGIN = 5.0
"""Seconds beyond the provider's timeout to settle what was in flight. Docker's own 10 s are too short for the default."""

OTHER_FILES = 512
"""Open files of a worker beside its connections to AloVoice: those to Redis and to webhook endpoints, and its own."""

COLLECT_AFTER = 20_000
"""New objects between two collections: with Python's 700 they take a tenth of a busy worker's time, and find next to nothing."""

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopSignals:
    """Handles the signals of a worker process.

    SIGTERM or SIGINT ends it, the second one at once. SIGHUP restarts it with new settings, also while it waits for Redis;
    it does not take back an end that was asked for, and is replaced by one that is asked for later.
    """

    def __init__(self, request_stop: Callable[[], None]) -> None:
        self._request_stop = request_stop
        self.ending = False
        self.restart = False

    def install(self) -> None:
        """Installs the handlers, and lets signals through that came while the process restarted."""
        for number in SIGNALS:
            signal.signal(number, self._handle)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.restart = not self.ending
        elif self.ending:
            os._exit(1)
        else:
            self.ending, self.restart = True, False
        self._request_stop()

    def restart_if_asked(self) -> None:
        """Replaces this process by one with new settings when SIGHUP asked for it; returns when nothing did."""
        if not self.restart:
            return
        # Blocked signals stay pending over exec: until the new handlers stand, a second SIGHUP would kill the process.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        if not self.restart:
            return
        drain()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # this process again


def within_open_files(settings: Settings, files: int) -> Settings:
    """Returns settings with no more POSTs in flight than a process with so many open files has connections for."""
    bound = max(1, files // 2, files - OTHER_FILES)
    if bound >= settings.max_in_flight:
        return settings
    log.warning(
        "worker.in_flight_bounded",
        max_in_flight=bound,
        open_files=files,
        hint="raise the limit of open files (ulimit -n, LimitNOFILE= of systemd), or lower ALODIAL_MAX_IN_FLIGHT",
    )
    return settings.model_copy(update={"max_in_flight": bound})


def run_worker(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT and returns the exit code; SIGHUP restarts the process with new settings.

    The first signal stops new claims and waits for the POSTs under way. The second ends the process at once: then the
    sweeper of another worker marks as unconfirmed what was in flight. A thread that dies ends the process with 1, so
    that whoever watches over it starts another. Raises ConfigurationError for a risk that nobody accepted.
    """
    require_no_risk(settings)
    name = worker_name()
    configure(settings, non_blocking=True, shared=True, worker=name)
    settings = within_open_files(settings, raise_file_limit(settings.max_in_flight + OTHER_FILES))
    runtime = Runtime(settings, name)
    signals = StopSignals(runtime.request_stop)
    signals.install()
    declare(runtime)
    try:
        _check_tokens(settings)
        if not runtime.start():
            signals.restart_if_asked()
            return 0
    except AlodialError as exc:
        log.critical("worker.start_refused", code=exc.code, error=str(exc))
        return 1
    # A thread for each account, and some that are always free for results.
    worker = patient_worker(runtime.broker, len(settings.account_names) + 3)
    worker.start()
    log.info("worker.started", pid=os.getpid(), accounts=len(settings.account_names), provider=settings.provider_url)
    # The loaded modules stay until the end; a collection that walks them holds up every call for 100 ms.
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    dead = runtime.wait_until_stop(lambda: [*runtime.dead_threads(), *dead_threads(worker)])
    if dead:
        log.critical("worker.thread_died", threads=dead, hint="this process ends; start another")
    left = runtime.stop(settings.provider_timeout + SHUTDOWN_MARGIN)
    worker.stop(timeout=2000)
    runtime.broker.close()
    log.info("worker.stopped", unsettled=left)
    if dead:
        return 1
    signals.restart_if_asked()
    return 0


def _check_tokens(settings: Settings) -> None:
    """Logs the accounts that have no token. Raises ConfigurationError when no account has one."""
    missing = [name for name in settings.account_names if settings.account(name).token is None]
    if len(missing) == len(settings.account_names):
        raise ConfigurationError("no account has a token; set ALODIAL_PROVIDER_TOKEN (or ALODIAL_ACCOUNTS)")
    for name in missing:
        log.warning(
            "account.token_missing", account=name, hint="its calls wait until it has one and the workers restart"
        )
