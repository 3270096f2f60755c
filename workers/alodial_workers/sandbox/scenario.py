"""The scenario file: what listed numbers and queues do, whatever their endings say."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .behaviours import BEHAVIOUR_ENDINGS, TROUBLE_ENDINGS, Behaviour, Trouble, normal_number


class ScenarioPart(BaseModel):
    """What a number or queue does; missing times are drawn. Seconds are simulated ones, before `speed`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    behaviour: Behaviour = Behaviour.ANSWERS
    ring_seconds: float | None = Field(default=None, ge=0, le=3600)
    talk_seconds: float | None = Field(default=None, ge=0, le=86_400)
    trouble: frozenset[Trouble] = Field(
        default=frozenset(), description="taken from the first recipient, or from the number that an IVR call rings"
    )


def _normal_keys(numbers: dict[str, ScenarioPart]) -> dict[str, ScenarioPart]:
    for number in numbers:
        if not any(c.isdigit() for c in number):
            raise ValueError(f"{number!r} is not a phone number; write it as +998901112233")
    return {normal_number(number): part for number, part in numbers.items()}


class Scenario(BaseModel):
    """`{"numbers": {"+998901112233": {"behaviour": "busy", "ring_seconds": 3}}, "queues": {"6000": {...}}}`"""

    model_config = ConfigDict(extra="forbid", frozen=True)

    numbers: Annotated[dict[str, ScenarioPart], AfterValidator(_normal_keys)] = Field(default_factory=dict)
    queues: dict[str, ScenarioPart] = Field(default_factory=dict)

    def number(self, number: str) -> ScenarioPart:
        """The part of a number: the scenario's if it is listed, else that of its last two digits."""
        listed = self.numbers.get(normal_number(number)) if self.numbers else None
        if listed is not None:
            return listed
        ending = number[-2:]
        trouble = TROUBLE_ENDINGS.get(ending)
        return ScenarioPart.model_construct(
            behaviour=BEHAVIOUR_ENDINGS.get(ending, Behaviour.ANSWERS),
            ring_seconds=None,
            talk_seconds=None,
            trouble=frozenset() if trouble is None else frozenset({trouble}),
        )

    def queue(self, queue: str) -> ScenarioPart:
        """The part of a queue; an unlisted queue answers, whatever its last digits are."""
        return self.queues.get(queue) or ScenarioPart()


def read_scenario(path: Path) -> Scenario:
    """Reads a scenario file. Raises ValueError, which names the wrong field and its place."""
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ValueError(f"scenario: cannot read {path}: {problem.strerror}; name a readable JSON file") from problem
    try:
        return Scenario.model_validate_json(text)
    except ValidationError as problem:
        lines = [f"{'.'.join(str(step) for step in e['loc']) or 'file'}: {e['msg']}" for e in problem.errors()]
        raise ValueError(f"scenario: {path} does not fit: " + "; ".join(lines)) from problem
