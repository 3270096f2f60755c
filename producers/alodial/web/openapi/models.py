"""The answers of the OpenAPI document, derived from the records that the routes send. Nothing here runs for a request."""

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, create_model

from alodial_schemas import Disposition, FieldProblem, State
from alodial_schemas.campaigns import CampaignState

from ...archive.report_query import Report, ReportRow
from ...calls.erasure import ErasureReport
from ...campaigns.records import Activity, CampaignRecord
from ...campaigns.row_codec import RowProblem
from ...store.audit import AuditEntry
from ...store.do_not_call import DncEntry
from ...store.key_records import KeyListing
from ...store.records import CallRecord
from ...store.redis_checks import RedisCheck
from ...store.webhooks import EndpointHealth
from . import examples

Responses = dict[int | str, dict[str, Any]]
Text = str | None


def _model(
    name: str,
    record: type | None = None,
    /,
    *,
    description: str | None = None,
    without: tuple[str, ...] = (),
    extra: bool = False,
    **fields: Any,
) -> Any:
    """The model of an answer: the fields of ``record``, which ``fields`` replace and complete.

    ``without`` names fields of the record that are not sent; ``extra`` allows further ones.
    """
    types = get_type_hints(record) if record else {}
    # HTTP's name for an actor is older than ours.
    types = {"who" if field == "actor" else field: kind for field, kind in types.items() if field not in without}
    config = ConfigDict()
    if extra:
        config["extra"] = "allow"
    if name in examples.SCHEMAS:
        config["json_schema_extra"] = {"examples": [examples.SCHEMAS[name]]}
    with_defaults: dict[str, Any] = {
        field: kind if isinstance(kind, tuple) else (kind, ...) for field, kind in (types | fields).items()
    }
    return create_model(name, __config__=config, __doc__=description, **with_defaults)


def _list(item: Any) -> Any:
    return GenericAlias(list, (item,))


def _optional(kind: Any) -> Any:
    """A field that may be absent, with None as its default."""
    return (kind | None, None)


def _about(kind: Any, description: str) -> Any:
    return Annotated[kind, Field(description=description)]


PlacedCall = _model(
    "PlacedCall",
    id=_about(str, "Ours, UUIDv7 text"),
    extid=_about(str, "Digits, sent to AloVoice"),
    state=State,
    reference=Text,
    warnings=_optional(_about(list[str], "What may not have been meant; absent without any")),
)
CanceledCall = _model("CanceledCall", id=str, extid=str, state=State)
RedialedCall = _model("RedialedCall", id=str, extid=str, state=State)
FieldError = _model("FieldError", FieldProblem, field=_about(str, "A dotted path; empty for the body as a whole"))
Problem = _model(
    "Problem",
    description="RFC 9457.",
    extra=True,
    type=Annotated[str, Field(examples=["urn:alodial:problem:invalid_call"])],
    title=str,
    status=int,
    detail=str,
    code=Annotated[str, Field(examples=["invalid_call"])],
    errors=_optional(_list(FieldError)),
)
RowError = _model(
    "RowError",
    code=str,
    errors=_list(FieldError),
    retry=(_about(bool | None, "True when the same row may succeed later"), None),
)
BatchRow = _model(
    "BatchRow",
    description="Either the call's names and state, or its error.",
    id=_optional(str),
    extid=_optional(str),
    state=_optional(State),
    warnings=_optional(list[str]),
    error=_optional(RowError),
)
BatchResults = _model("BatchResults", results=_list(BatchRow))

Attempt = _model(
    "Attempt",
    attempt=int,
    extid=str,
    submitted_at=Text,
    worker=Text,
    answer=_about(Any, "AloVoice's own answer, as it came and bounded"),
    disposition=Disposition | None,
    result=dict[str, Any] | None,
    conflicting_result=dict[str, Any] | None,
    talk_limited_to=_about(
        int | None, "Talk seconds that count, where the result's times say more than fits the attempt's life"
    ),
)
Moment = _model("Moment", state=str, at=_about(str, "ISO 8601, UTC"), note=Text)
_CALL: dict[str, Any] = {
    "request": Annotated[
        dict[str, Any],
        Field(description="AloVoice's own part, with phones in E.164", examples=[examples.REQUESTS["two-way"]]),
    ],
    "owner": _about(Text, "The name of the key that made it"),
    "disposition": Disposition | None,
}
CallSummary = _model("CallSummary", CallRecord, without=("attempts", "timeline"), **_CALL)
CallShown = _model("CallShown", CallRecord, **_CALL, attempts=_list(Attempt), timeline=_list(Moment))
CallPage = _model(
    "CallPage",
    calls=_list(CallSummary),
    cursor=_about(Text, "For the next page; null on the last one"),
    incomplete=_optional(_about(bool, "True while the archive does not answer, so that older calls are missing")),
)

ReportLine = _model(
    "ReportLine",
    ReportRow,
    without=("of",),
    description="Sums of a group, and the values that make it up: outcome, day, hour, ...",
    extra=True,
)
CallEventsShown = _model(
    "CallEventsShown",
    events=_list(_model("CloudEvent", id=str, type=str, time=str, subject=str, data=dict[str, Any], extra=True)),
    incomplete=_optional(_about(bool, "True while the archive does not answer, so that older events are missing")),
)
ReportShown = _model(
    "ReportShown",
    Report,
    without=("query",),
    report=str,
    by=_list(str),
    since=_about(str, "The first day"),
    until=_about(str, "The last day, included"),
    rows=_list(ReportLine),
    total=ReportLine,
    best=_about(
        ReportLine | None, "The hour in which people answer the most, with 95 % certainty, of 30 attempts or more"
    ),
    more=_about(bool, "There are more than 10,000 rows"),
)

DropInAnswer = _model("DropInAnswer", answer=_model("Names", id=str, extid=str))
DropInError = _model("DropInError", error=str)

Status = _model("Status", status=str)
Look = _model("Look", RedisCheck, level=str)
Ready = _model("Ready", status=str, findings=_list(Look))
LogPage = _model(
    "LogPage",
    lines=_about(list[dict[str, Any]], "As they were logged, newest first; event, level, timestamp, worker"),
    cursor=_about(Text, "For older lines; null when there are none"),
)

RowTrouble = _model(
    "RowTrouble", RowProblem, without=("cells",), number=_about(int, "The spreadsheet's own row number")
)
RowCounts = _model(
    "RowCounts",
    description="Of the file; `file` is the sum of the others.",
    file=_optional(int),
    good=int,
    bad=_optional(int),
    duplicate=_optional(int),
    suppressed=_optional(int),
    left_out=(_about(int | None, "Of a retry: rows whose outcome is not known"), None),
)
Choice = _model(
    "Choice",
    option=_about(str, "The option of the command line that gives this answer"),
    answer=_about(dict[str, Any], "What to add to the campaign for this answer"),
    text=str,
)
FileQuestion = _model(
    "FileQuestion", description="What only the file's owner knows.", code=str, text=str, choices=_list(Choice)
)
FileColumn = _model(
    "FileColumn",
    letter=str,
    name=str,
    field=_about(str, 'Our field that it is used for, "" for none'),
    samples=_about(list[str], "Some of its cells"),
    hint=_about(str, "What it might be, for one that is not used"),
)
FileWarning = _model("FileWarning", code=str, text=str, rows=int)
SkippedRow = _model("SkippedRow", row=int, text=str)
Check = _model(
    "Check",
    description="What a submission would take and refuse. While a question is open, nothing is submitted.",
    file=str,
    kind=str,
    encoding=Text,
    delimiter=Text,
    sheet=Text,
    sheets=_about(list[str], "The workbook's visible sheets with rows"),
    header_row=_about(int, "Row number of the column names, 0 without them"),
    skipped=_about(_list(SkippedRow), "Rows above the column names"),
    hidden=_about(int, "Rows that the spreadsheet program hides"),
    table=_list(FileColumn),
    problems=_about(_list(RowTrouble), "The first hundred"),
    by_code=dict[str, int],
    warnings=_list(FileWarning),
    seconds=_about(float | None, "How long it will take, within its hours; null when nobody can say"),
    duration=Text,
    expected_end=Text,
    columns=_about(dict[str, str], "Our field -> the file's column"),
    ignored=_about(list[str], "Columns that nothing is used of"),
    questions=_list(FileQuestion),
    rows=_about(int, "The sum of the four below"),
    good=int,
    bad=int,
    duplicate=int,
    suppressed=int,
)
Campaign = _model(
    "Campaign",
    CampaignRecord,
    without=("repeated", "attended"),
    extra=True,
    state=CampaignState,
    waiting=_about(str, '"", "window" (outside of its hours), "start" or "cap"'),
    rows=RowCounts,
    calls=_about(dict[str, int], "Good rows by the call's state; `waiting`: not in the hopper yet"),
    answer_rate=float | None,
)
CampaignList = _model("CampaignList", campaigns=_list(Campaign), cursor=Text)
ActivityList = _model("ActivityList", activity=_list(_model("Act", Activity)))

DncList = _model("DncList", entries=_list(_model("DncRow", DncEntry)), cursor=Text)
Erased = _model(
    "Erased",
    ErasureReport,
    calls=_about(int, "How many held the number; the same of what follows"),
    rows=_about(int, "Of campaigns, rejected ones too"),
    results=_about(int, "Callbacks that were kept because nobody could use them"),
    deliveries=_about(int, "Events that waited for webhooks"),
    lists=_about(int, "Do-not-call lists that had it in plain text"),
    archived=_about(int, "What the archive held: calls, rows, events, acts"),
    under_way=_about(list[str], "Ids of calls that have to end first"),
    kept=_about(list[str], "Where the number stays, and why"),
)
DncChanged = _model("DncChanged", changed=_about(int, "How many numbers were new, or were taken off"))

Endpoint = _model(
    "Endpoint",
    EndpointHealth,
    description="Times are ISO 8601; `lag` is in seconds, of the oldest event that waits. The URL is without its query.",
)
Act = _model(
    "Act",
    AuditEntry,
    without=("actor",),
    description="An act, chained to the act before it by its hash",
    actor=str,
    id=str,
    own=bool,
    hash=str,
)
AuditPage = _model("AuditPage", acts=_list(Act))
Key = _model("Key", KeyListing, description="An API key, without its secret")
NewKey = _model(
    "NewKey",
    KeyListing,
    description="An API key and its secret, which is shown this once",
    key=(str, Field(description="The secret")),
)
KeyList = _model("KeyList", keys=_list(Key))
EndpointList = _model("EndpointList", endpoints=_list(Endpoint))
Resent = _model("Resent", events=int)

_MEANING = {
    400: "The body is not usable JSON",
    401: "An API key is needed",
    403: "The key lacks a role",
    404: "There is none",
    408: "The body came too slowly",
    409: "The key or extid belongs to another call, or it is too late",
    410: "What was asked for is kept no longer",
    413: "The body is too large",
    415: "A body of another kind is needed",
    422: "Fields to mend, each named in `errors`",
    429: "The key asks too often; see `Retry-After`",
    503: "The call store is away, or too much at once; see `Retry-After`",
}


def refusals(*statuses: int) -> Responses:
    """Returns the description of error answers: for each status a problem document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _MEANING[status], "content": {"application/problem+json": {"schema": schema}}}
        for status in statuses
    }


def answers(models: Mapping[int, tuple[str, Any]]) -> Responses:
    """Returns the description of answers: for each status a text and the model of its body."""
    return {status: {"description": text, "model": model} for status, (text, model) in models.items()}
