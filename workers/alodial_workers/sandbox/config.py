"""The settings of a sandbox, in one frozen object."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from .behaviours import Trouble
from .cassette import Cassette
from .result_forms import Encoding, Spelling
from .scenario import Scenario

Probability = Annotated[float, Field(ge=0, le=1)]


class Announcements(BaseModel):
    """The four audio files of the cabinet, by name; a stage without a file is silent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    initiator: str | None = Field(default=None, description="file 1: to the initiator, right after the answer")
    recipient: str | None = Field(default=None, description="file 2: to the recipient, before the conversation")
    next: str | None = Field(default=None, description="file 3: to the initiator, before the next recipient rings")
    failed: str | None = Field(default=None, description="file 4: to the initiator, when the list is exhausted")


class SandboxConfig(BaseModel):
    """How the sandbox behaves. Seconds are real ones unless a field says simulated."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    callback_url: SecretStr | None = Field(default=None, description="where results are POSTed; it holds a secret")
    callback_encoding: Encoding = "json"
    callback_spelling: Spelling = Field(default="id", description="how the three list fields are spelled")
    callback_tries: int = Field(default=60, ge=1, description="tries before a result is given up")
    callback_retry_seconds: float = Field(default=1.0, gt=0, description="pause between the tries")
    callback_connections: int = Field(default=4, ge=1, le=64, description="results sent at once; httpx slows with more")
    token: SecretStr | None = Field(default=None, description="the only token accepted; unset: every token")
    speed: float = Field(default=1.0, gt=0, le=10_000, description="how many times faster than real time")
    announcements: Announcements = Announcements()
    scenario: Scenario = Scenario()
    cassette: Cassette | None = Field(
        default=None, description="a recorded exchange whose answers and results are played"
    )
    faults: dict[Trouble, Probability] = Field(default_factory=dict, description="probability of each trouble, a POST")
    seed: int = Field(default=0, description="of every draw: ring times, talk times, faults")
    answer_delay: float = Field(default=0.0, ge=0, description="before every answer to a POST")
    slow_answer: float | None = Field(
        default=None, ge=0, description="before a `slow` answer; unset: 30 simulated seconds"
    )
    by_hand: bool = Field(default=False, description="whether a person plays the phones from the start")
    hand_seconds: float = Field(
        default=120.0, gt=0, le=3600, description="that a phone waits for a person before automatic play resumes"
    )
    ledger: Path | None = Field(default=None, description="file that gets one JSON line for each POST that rings")
    max_calls: int = Field(default=100_000, ge=1, description="calls kept in memory; the oldest are dropped")

    @field_validator("callback_url")
    @classmethod
    def _must_be_http(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not _is_web_address(url.get_secret_value()):
            # The value is not repeated: it holds a secret.
            raise ValueError("not a web address; write http://HOST:PORT/PATH or https://HOST/PATH")
        return url

    @property
    def slow_seconds(self) -> float:
        """Real seconds that a `slow` POST waits for its answer."""
        return 30.0 / self.speed if self.slow_answer is None else self.slow_answer


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # `port` raises ValueError for a number that is not a port.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False
