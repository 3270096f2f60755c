"""The forms in which results are written; the command line reads them without the rest of the sandbox."""

from typing import Literal

Encoding = Literal["json", "form", "multipart"]
Spelling = Literal["id", "[]id", "id[]"]
