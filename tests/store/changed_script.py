"""Plants bugs: a script with other code in one place, which is written as in ``store/lua``."""

import hashlib
import re

from alodial.settings import Settings
from alodial.store.script_parts import constants, with_names
from alodial.store.scripts import Script, retention_ms, shared_parts

CONSTANTS = constants(shared_parts(*retention_ms(Settings(_env_file=None))))


def places(script: Script, code: str) -> int:
    """How often the code stands in the script."""
    return script.text.count(_as_put_together(script, code))


def changed(script: Script, old: str, new: str) -> Script:
    """The script with other code wherever the old one stands."""
    text = script.text.replace(_as_put_together(script, old), _as_put_together(script, new))
    return Script(script.name, text, hashlib.sha1(text.encode()).hexdigest())


def _as_put_together(script: Script, code: str) -> str:
    """Code as script_parts.py puts it into a script: constants by their values, seldom used functions by their names."""
    if code in script.text:
        return code
    code = with_names(code, CONSTANTS)
    seldom = set(re.findall(r"seldom\('(\w+)'\)", script.text))
    return code if code in script.text else with_names(code, {name: f"seldom('{name}')" for name in seldom})
