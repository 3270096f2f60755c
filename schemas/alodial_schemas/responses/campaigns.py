"""What the OpenAPI document says about campaigns. Nothing here is run for a request."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from alodial_schemas.campaigns import CampaignState

CAMPAIGN = {
    "name": "November reminders",
    "call": {"kind": "two-way", "callfrom": "712037006"},
    "policy": {
        "hours": {"windows": "mon-sat 09:00-18:00"},
        "pace": 2,
        "redial": {"max_attempts": 3, "delays": {"busy": [300, 900], "no_answer": [3600]}},
    },
}


class RowCounts(BaseModel):
    """Of the file; `file` is the sum of the others."""

    file: int | None = None
    good: int
    bad: int | None = None
    duplicate: int | None = None
    suppressed: int | None = None


class RowTrouble(BaseModel):
    number: int = Field(description="The spreadsheet's own row number")
    column: str
    code: str
    problem: str
    remedy: str
    value: str


class Check(BaseModel):
    """What a submission would take and refuse."""

    file: str
    kind: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    columns: list[str]
    understood: dict[str, str] = Field(description="Our field -> the file's column")
    rows: RowCounts
    problems: list[RowTrouble] = Field(description="The first hundred")
    by_code: dict[str, int]
    seconds: float | None = Field(description="How long it will take, within its hours; null when nobody can say")
    duration: str | None
    expected_end: str | None


class Campaign(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: str
    name: str
    state: CampaignState
    waiting: str = Field(description='"", "window" (outside of its hours), "start" or "cap"')
    opens_at: str | None
    reason: str
    account: str
    request: dict[str, Any]
    columns: list[str]
    source: dict[str, Any]
    rows: RowCounts
    calls: dict[str, int] = Field(description="Good rows by the call's state; `waiting`: not in the hopper yet")
    dispositions: dict[str, int]
    attempts: int
    talk_seconds: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    created_by: str
    owner: str | None
    expected_end: str | None
    progress: float
    answer_rate: float | None


class CampaignList(BaseModel):
    campaigns: list[Campaign]
    cursor: str | None


class Act(BaseModel):
    at: str
    who: str
    action: str
    detail: str


class ActivityList(BaseModel):
    activity: list[Act]


class DncRow(BaseModel):
    number: str
    scope: str
    reason: str
    who: str
    at: str


class DncList(BaseModel):
    entries: list[DncRow]
    cursor: str | None


class DncChanged(BaseModel):
    changed: int = Field(description="How many numbers were new, or were taken off")


_FILE = {"type": "string", "format": "binary"}

ROWS: dict[str, Any] = {
    "rows": {
        "type": "array",
        "minItems": 1,
        "maxItems": 10_000,
        "items": {"type": ["object", "string", "integer"]},
        "description": "Each with the columns of a file, or a number alone",
    },
    "again": {"type": "boolean", "description": "Although these rows were submitted before"},
}

CAMPAIGN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "campaign"],
                    "properties": {
                        "file": _FILE,
                        "campaign": {"type": "string", "description": "CampaignRequest as JSON"},
                        "again": {"type": "string", "enum": ["true", "false"]},
                    },
                }
            },
            "application/json": {
                "schema": {"$ref": "#/components/schemas/CampaignWithRows"},
                "example": CAMPAIGN | {"rows": [{"phone": "994412860", "reference": "INV-17"}, {"phone": "977076909"}]},
            },
        },
    }
}

ROWS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}},
            },
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}

REASON_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"reason": {"type": "string", "maxLength": 200}}},
                "example": {"reason": "wrong list"},
            }
        }
    }
}

CHANGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "pace": {"type": ["number", "null"], "exclusiveMinimum": 0},
                        "channels": {"type": ["integer", "null"], "minimum": 1},
                        "weight": {"type": "integer", "minimum": 1, "maximum": 100},
                        "ends_at": {"type": ["string", "null"], "format": "date-time"},
                    },
                },
                "example": {"pace": 5},
            }
        },
    }
}

DNC_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["numbers"],
                    "properties": {
                        "numbers": {"type": "array", "minItems": 1, "maxItems": 10_000, "items": {"type": "string"}},
                        "reason": {"type": "string", "maxLength": 200},
                        "campaign": {"type": "string", "description": "For this campaign alone, by its id"},
                    },
                },
                "example": {"numbers": ["994412860"], "reason": "asked on the phone"},
            }
        },
    }
}
