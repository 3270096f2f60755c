"""``python -m alodial.cli``: the same as the command ``alodial``."""

from . import main

main()
