"""Parameters of a query that a route does not have: a filter with a wrong name would find everything."""

from dataclasses import fields

from starlette.requests import Request

from alodial_schemas import FieldProblem, mask_numbers

MAX_NAMED = 20
"""Problems of one answer."""


def unknown_parameters(request: Request, question: type) -> list[FieldProblem]:
    """The problems of parameters that are no fields of ``question``, a dataclass."""
    known = sorted(field.name for field in fields(question))
    unknown = sorted(set(request.query_params).difference(known))[:MAX_NAMED]
    remedy = f"use {', '.join(known)}"
    return [
        FieldProblem(mask_numbers(name[:64]), "unknown_parameter", "is not a parameter here", remedy)
        for name in unknown
    ]
