"""One attempt of the check, placed as a call of alodial's own, and the bytes that went to AloVoice and came back.

The call gets an account of its own, with the token of the checked account: workers do not know it, so that none of them
places the call in another body form. Enqueue, claim, arm and settle are the same as everywhere: the do-not-call list,
frequency caps, calling hours and the emergency stop hold, a result finds the call by its extid, and a crash at any point
leaves a call that is never POSTed again. Only the pace and channels of the checked account are not shared with its workers.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from alodial.calls.queue import CallQueue
from alodial.errors import NotCancelable
from alodial.settings import AccountSettings, Settings
from alodial.store import call_transitions, primary, redis_checks
from alodial.store.client import AsyncStore
from alodial.store.records import CallRecord
from alodial_schemas import TwoWayCall, new_ids

from ..alovoice.answer_classification import Verdict
from ..alovoice.client import AloVoiceClient, NotArmed, Submission
from ..alovoice.resolver import Resolver
from ..alovoice.transport import DirectTransport, Hook, HttpAnswer, Origin
from ..engine import Engine
from ..runtime import worker_name
from ..sandbox.cassette import BodyForm

ACCOUNT = "provider-check"
PLACE_WITHIN = 30.0
"""Seconds for the claim and the arm of a call."""

EXPIRES = 60.0
"""Seconds after which a call that a killed check left behind may not be placed any more."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A form's attempt. ``request`` and ``answer`` are as on the wire, None where nothing went or came."""

    form: BodyForm
    extid: str
    record: CallRecord
    verdict: Verdict | None
    request: bytes | None
    answer: HttpAnswer | None
    seconds: float = 0.0


class RecordingTransport(DirectTransport):
    """Keeps the one exchange of a call, and refuses any other call: another check's, or one that a killed check left."""

    def __init__(self, extid: str) -> None:
        super().__init__(resolve=Resolver())
        self._extid = extid.encode()
        self.request: bytes | None = None
        self.answer: HttpAnswer | None = None

    async def post(
        self,
        origin: Origin,
        request: bytes,
        *,
        before_first_byte: Hook | None,
        reuse: bool = True,
        limit: float | None = None,
    ) -> HttpAnswer:
        if self._extid not in request or self.request is not None:
            raise NotArmed("other_check")

        async def note() -> None:
            if before_first_byte is not None:
                await before_first_byte()
            self.request = request

        self.answer = await super().post(origin, request, before_first_byte=note, reuse=False, limit=limit)
        return self.answer


class RecordingClient(AloVoiceClient):
    """Keeps the verdict of the one exchange."""

    submission: Submission | None = None

    async def submit(self, account: str, body: Mapping[str, Any], extid: str, *, before_first_byte: Hook) -> Submission:
        self.submission = await super().submit(account, body, extid, before_first_byte=before_first_byte)
        return self.submission


def settings_for(settings: Settings, account: str, form: BodyForm) -> Settings:
    """Returns the settings of an attempt: the form, a single try, and the account of the check with the token of ``account``.

    Raises KeyError for an account that is not there.
    """
    checked = AccountSettings(
        token=settings.account(account).token, calls_per_second=0, max_concurrent_calls=0, daily_calls=0
    )
    changed = {"provider_body": form, "max_tries": 1, "accounts": {**settings.accounts, ACCOUNT: checked}}
    # Not model_copy, which would copy the cached names of the accounts too.
    return Settings.model_construct(**{name: getattr(settings, name) for name in Settings.model_fields} | changed)


def new_extid() -> str:
    """Returns an extid for an attempt, before anything is placed, so that results can be waited for."""
    return new_ids()[1]


def place(settings: Settings, form: BodyForm, phone: str, extid: str, *, account: str = "default") -> Attempt:
    """Places the call and returns what became of it. At most one POST, whatever happens.

    Raises InvalidCall for a number that may not be called, StoreUnavailable, ConfigurationError.
    """
    used = settings_for(settings, account, form)
    with CallQueue(settings=used) as queue:
        expires = datetime.now(UTC) + timedelta(seconds=EXPIRES)
        call = queue.enqueue(
            TwoWayCall(callfrom=phone, callto=[phone]),
            extid=extid,
            account=ACCOUNT,
            expires_at=expires,
            priority="urgent",
            reference="alodial provider check",
        )
        epoch = queue.store.call(redis_checks.epoch)
        transport = RecordingTransport(extid)
        submission = asyncio.run(_submit(used, transport, epoch))
        record = queue.get(call.id)
        if record.state in ("queued", "scheduled"):
            with suppress(NotCancelable):  # somebody was faster; the record says what became of it
                queue.cancel(call.id)
            record = queue.get(call.id)
        # A refused token opened the breaker of the check's own account.
        queue.store.run(call_transitions.resume(ACCOUNT))
    if transport.request is None:
        return Attempt(form, extid, record, submission.verdict if submission else None, None, None)
    if submission is None:
        return Attempt(form, extid, record, Verdict("unconfirmed", "answer_lost"), transport.request, transport.answer)
    verdict = submission.verdict
    return Attempt(form, extid, record, verdict, transport.request, transport.answer, submission.elapsed)


async def _submit(settings: Settings, transport: RecordingTransport, epoch: str) -> Submission | None:
    store = AsyncStore(settings, on_connect=primary.introduce(settings))
    client = RecordingClient(settings, transport=transport)
    engine = Engine(settings, store, client, worker=worker_name(), epoch=epoch)
    try:
        async with asyncio.timeout(PLACE_WITHIN):
            await engine.attend(ACCOUNT)
    except TimeoutError:
        pass  # the call waits for something; it is canceled
    finally:
        await engine.stop(settings.provider_timeout + 5)
        client.close()
        await store.aclose()
    return client.submission
