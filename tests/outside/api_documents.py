"""schemas/openapi.json and schemas/asyncapi.json. ``python -m tests.outside.api_documents`` writes them anew."""

import json
from pathlib import Path
from typing import Any

from alodial.server.app import create_app
from alodial.settings import Settings
from alodial.web.openapi import asyncapi

FOLDER = Path(__file__).parents[2] / "schemas"


def documents() -> dict[str, Any]:
    return {"openapi.json": create_app(Settings(_env_file=None)).openapi(), "asyncapi.json": asyncapi.document()}


def written(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for name, document in documents().items():
        (FOLDER / name).write_text(written(document), "utf-8")
