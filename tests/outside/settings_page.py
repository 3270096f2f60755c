"""docs/settings.md and deploy/env.example, made from the fields of Settings.

``python -m tests.outside.settings_page`` writes both anew.
"""

import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from alodial.settings import AccountSettings, Settings

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
ENV = ROOT / "deploy" / "env.example"

# The first field of each group, in the order of the class.
GROUPS = {
    "redis_url": "Redis",
    "provider_url": "AloVoice and its limits",
    "result_timeout": "Timeouts and retries",
    "callback_secret": "Access and allowed numbers",
    "call_retention": "Retention",
    "max_in_flight": "Processes and logs",
}

# Read and checked already, so that an environment can be prepared, but nothing acts on them in this version.
NOT_USED_YET: set[str] = set()

HEAD = """\
# Settings

Read from the environment, or from a file `.env` in the working directory; the environment wins. This page is made from
`producers/alodial/settings/fields.py` by `python -m tests.outside.settings_page`, and a test keeps the two the same. A wrong
value stops the start with the setting's name and the rule, and is not printed.

Times are in seconds, sizes in bytes. A *secret* is never printed or logged.
"""

TAIL = """
## More than one AloVoice account

`ALODIAL_ACCOUNTS` is JSON: further accounts by name, each with a token and limits of its own. A call names its account
(`"account": "sales"`); without a name it is the default account's.

```json
{accounts}
```

{fields}
"""

EXAMPLE = '{"sales": {"token": "SECRET", "calls_per_second": 2, "max_concurrent_calls": 4}}'


def _plain(value: object) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    match value:
        case None | () | dict() if not value:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case frozenset():
            return f"`[{', '.join(str(part) for part in sorted(value))}]`" if value else "none"
        case tuple():
            return f"`{','.join(str(part) for part in value)}`"
        case float() if value.is_integer():
            return f"`{value:.0f}`" + _in_words(value, {86400: "days", 60: "minutes"})
        case int():
            return f"`{value}`" + _in_words(value, {1024 * 1024: "MiB"})
        case _:
            return f"`{value}`"


def _in_words(value: float, units: dict[int, str]) -> str:
    for size, unit in units.items():
        if value >= 2 * size and value % size == 0:
            return f" ({value / size:.0f} {unit})"
    return ""


def _default(field: FieldInfo) -> str:
    if field.default_factory:
        return _plain({})
    return _plain(float(field.default) if field.annotation is float else field.default)


def _choices(annotation: Any) -> list[str]:
    if typing.get_origin(annotation) is Literal:
        return [str(choice) for choice in typing.get_args(annotation)]
    return [choice for part in typing.get_args(annotation) for choice in _choices(part)]


def _bounds(field: FieldInfo) -> str:
    signs = {"gt": "above", "ge": "from", "le": "to"}
    found = [
        f"{word} {bound:.10g}"
        for sign, word in signs.items()
        for rule in field.metadata
        if (bound := getattr(rule, sign, None)) is not None
    ]
    return " ".join(found)


def _meaning(name: str, field: FieldInfo) -> str:
    parts = [field.description or ""]
    if choices := _choices(field.annotation):
        parts.append("One of " + ", ".join(f"`{choice}`" for choice in choices) + ".")
    elif bounds := _bounds(field):
        parts.append(f"{bounds[0].upper()}{bounds[1:]}.")
    if "SecretStr" in str(field.annotation):
        parts.append("*Secret.*")
    if name in NOT_USED_YET:
        parts.append("Checked, but nothing acts on it in this version.")
    return " ".join(part for part in parts if part)


def rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in GROUPS:
            yield f"\n## {GROUPS[name]}\n\n| setting | default | meaning |\n| --- | --- | --- |\n"
        yield f"| `ALODIAL_{name.upper()}` | {_default(field)} | {_meaning(name, field)} |\n"


def render() -> str:
    own = ", ".join(f"`{name}` ({_default(field)})" for name, field in AccountSettings.model_fields.items())
    tail = TAIL.replace("{accounts}", EXAMPLE).replace("{fields}", f"Its fields and their defaults: {own}.")
    return HEAD + "".join(rows()) + tail


# What everybody fills in, `alodial init` included; the rest stands behind it with its default.
ENV_HEAD = """\
# Settings of alodial. `alodial init` fills this file in; or copy it to .env, deploy/.env (compose) or /etc/alodial/env
# (systemd), mode 0600, and fill it in yourself. Lines that begin with # show the default. docs/settings.md says more.

# Where every call is kept.
ALODIAL_REDIS_URL=redis://127.0.0.1:6379/0
# Nothing that was answered is lost in a power failure. Needs `appendfsync always`, as deploy/redis.conf has it.
ALODIAL_DURABILITY=fsync

# AloVoice. The token is the account's secret. For a dry run: http://127.0.0.1:8090, where `alodial sandbox` listens.
ALODIAL_PROVIDER_URL=https://cld.alovoice.uz
ALODIAL_PROVIDER_TOKEN=

# What AloVoice grants your account: ask them.
ALODIAL_CALLS_PER_SECOND=5
ALODIAL_MAX_CONCURRENT_CALLS=10

# Make each with:  python3 -c 'import secrets; print(secrets.token_urlsafe(32))'
# The callback secret is part of the URL that AloVoice's staff register: https://YOUR.HOST/callbacks/alovoice/SECRET
ALODIAL_CALLBACK_SECRET=
# The key is for the HTTP API and to sign in to the monitor.
ALODIAL_API_KEYS=

# Only these may be rung. Comma-separated; * for every country.
ALODIAL_ALLOWED_PREFIXES=+998
"""


def _env_value(field: FieldInfo) -> str:
    value = {} if field.default_factory else field.default
    match value:
        case SecretStr():
            return value.get_secret_value()
        case None | () | dict():
            return ""
        case bool():
            return str(value).lower()
        case frozenset():
            return f"[{','.join(str(part) for part in sorted(value))}]"
        case tuple():
            return ",".join(str(part) for part in value)
        case float():
            return f"{value:g}" if value < 1e6 else f"{value:.0f}"  # above it, :g writes 2.592e+06
        case _:
            return str(value)


def render_env() -> str:
    """The text of deploy/env.example."""
    parts = [ENV_HEAD]
    for name, field in Settings.model_fields.items():
        if name in GROUPS:
            parts.append(f"\n# ---- {GROUPS[name]} ----\n")
        variable = f"ALODIAL_{name.upper()}"
        if f"\n{variable}=" in ENV_HEAD:
            continue
        meaning = _meaning(name, field).replace("`", "").replace(" *Secret.*", "")
        comment = textwrap.fill(meaning, 110, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        parts.append(f"\n{comment}\n# {variable}={_env_value(field)}\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
    ENV.write_text(render_env())
