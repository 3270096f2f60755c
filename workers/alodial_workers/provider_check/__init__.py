"""`alodial provider check`: the first live call, guided."""
