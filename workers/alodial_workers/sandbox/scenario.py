"""The scenario file: what given numbers and queues do, instead of what their endings say."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from .behaviours import BEHAVIOUR_ENDINGS, TROUBLE_ENDINGS, Behaviour, Trouble, normal_number


class ScenarioPart(BaseModel):
    """What one number or queue does; what is left out is drawn from the number. Seconds are of life, before `speed`."""

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
        """The part a number plays: the scenario's if it is listed, else what its last two digits say."""
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
        """The part a queue plays; an unlisted queue answers, whatever its last digits are."""
        return self.queues.get(queue) or ScenarioPart()


def read_scenario(path: Path) -> Scenario:
    """Reads a scenario file. ValueError says which field is wrong and where."""
    try:
        text = path.read_bytes()
    except OSError as problem:
        raise ValueError(f"scenario: cannot read {path}: {problem.strerror}; name a readable JSON file") from problem
    try:
        return Scenario.model_validate_json(text)
    except ValidationError as problem:
        lines = [f"{'.'.join(str(step) for step in e['loc']) or 'file'}: {e['msg']}" for e in problem.errors()]
        raise ValueError(f"scenario: {path} does not fit: " + "; ".join(lines)) from problem
