"""Builds a call from a packed row: ids, body, metadata. Rows were validated before they were packed."""

import json

from alodial_schemas.campaigns import CampaignRequest
from alodial_schemas.ids import row_extid, row_id

from ..store.campaign_transitions import HopperRow
from .row_codec import PackedRow, RowSpec


def make_body(spec: RowSpec, request: CampaignRequest) -> str:
    """The JSON body of the row's call, exactly as :func:`alodial_schemas.calls.body_json` writes that of a single call."""
    call = request.call
    if call.kind == "ivr":
        return f'{{"callto":"{spec.to[0]}","ivrid":{call.ivrid},"fromline":"{call.fromline}"}}'
    lang = spec.lang or call.lang
    if call.kind == "queue":
        return f'{{"callfrom":{_phone(spec.to[0], lang)},"callto":[{{"queue":"{spec.queue or call.queue}"}}]}}'
    initiator = spec.initiator or call.callfrom or ""
    targets = [_phone(number, lang) for number in spec.to]
    if spec.queue:
        targets.append(f'{{"queue":"{spec.queue}"}}')
    return f'{{"callfrom":{_phone(initiator, None)},"callto":[{",".join(targets)}]}}'


def _phone(number: str, lang: str | None) -> str:
    return f'{{"phone":"{number}"}}' if lang is None else f'{{"phone":"{number}","lang":"{lang}"}}'


class Expander:
    """Builds the calls of one campaign.

    ``seed`` and ``made_ms`` determine the ids, ``total`` is the number of rows. No row is dialled after ``latest_ms``, nor
    after ``end_ms``, the campaign's end, which may be moved.
    """

    def __init__(
        self,
        request: CampaignRequest,
        *,
        seed: bytes,
        made_ms: int,
        total: int,
        latest_ms: int | None = None,
        end_ms: int | None = None,
    ) -> None:
        self.request = request
        self.total = total
        self._seed = seed
        self._made_ms = made_ms
        self._latest = latest_ms
        self._end = end_ms
        self._metadata = _json(dict(request.metadata))

    def extids(self, index: int) -> tuple[str, str]:
        """The extid of the row at this index, and a second one for when another call has the first."""
        return row_extid(self._seed, index), row_extid(self._seed, index, 1)

    def expand(self, index: int, row: PackedRow) -> HopperRow:
        """The call of the row at this index; the same at every call."""
        spec = row.spec
        extid, other_extid = self.extids(index)
        expires = spec.expires_at
        if self._latest is not None:
            expires = self._latest if expires is None else min(expires, self._latest)
        own: int | str = ""
        if self._end is not None and (expires is None or self._end < expires):
            own, expires = "-" if expires is None else expires, self._end
        return HopperRow(
            extid,
            row_id(self._seed, index, extid, self._made_ms),
            make_body(spec, self.request),
            spec.reference or "",
            self._metadata if not spec.metadata else _json({**self.request.metadata, **spec.metadata}),
            "" if expires is None else expires,
            spec.zone,
            other_extid,
            row_id(self._seed, index, other_extid, self._made_ms),
            own,
        )


def _json(metadata: dict[str, str]) -> str:
    return json.dumps(metadata, ensure_ascii=False, separators=(",", ":")) if metadata else ""


def trial_call(spec: RowSpec, request: CampaignRequest, phone: str) -> dict[str, object]:
    """The row's call to ``phone`` instead of its own number: a single urgent call outside of the campaign."""
    body: dict[str, object] = json.loads(make_body(spec._replace(to=(phone,)), request))
    return body | {"priority": "urgent", "account": request.call.account, "reference": "campaign test"}
