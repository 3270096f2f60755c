"""Runs one worker process: Dramatiq's worker, and the signals that end it."""

import gc
import os
import signal
import sys
import threading
from types import FrameType

import structlog
from dramatiq import Worker

from alodial.errors import AlodialError, ConfigurationError
from alodial.observability.logging import configure, drain
from alodial.settings import Settings

from .actors import declare
from .broker import WORKER_TIMEOUT_MS
from .runtime import Runtime, worker_name

log = structlog.get_logger("alodial.worker")

SHUTDOWN_MARGIN = 5.0
"""Seconds beyond the provider's timeout to settle what was in flight. Docker's own 10 s are too short for the default."""


def run_worker(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT and returns the exit code; SIGHUP restarts the process with new settings.

    The first signal stops new claims and waits for the POSTs under way. The second ends the process at once: then the
    sweeper of another worker marks as unconfirmed what was in flight.
    """
    name = worker_name()
    configure(settings, non_blocking=True, shared=True, worker=name)
    runtime = Runtime(settings, name)
    reload = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if runtime.stop_requested and number != signal.SIGHUP:
            os._exit(1)
        if number == signal.SIGHUP:
            reload.set()
        runtime.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    declare(runtime)
    try:
        _check_tokens(settings)
        if not runtime.start():
            return 0
    except AlodialError as exc:
        log.critical("worker.start_refused", code=exc.code, error=str(exc))
        return 1
    # A thread for each account, and some that are always free for results.
    worker = Worker(runtime.broker, worker_timeout=WORKER_TIMEOUT_MS, worker_threads=len(settings.account_names) + 3)
    worker.start()
    log.info("worker.started", pid=os.getpid(), accounts=len(settings.account_names), provider=settings.provider_url)
    # The loaded modules stay until the end; a collection that walks them holds up every call for 100 ms.
    gc.collect()
    gc.freeze()
    runtime.wait_until_stop()
    grace = settings.provider_timeout + SHUTDOWN_MARGIN
    left = runtime.stop(grace)
    worker.stop(timeout=2000)
    runtime.broker.close()
    log.info("worker.stopped", unsettled=left)
    if reload.is_set():
        drain()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # this process again, with new settings
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
