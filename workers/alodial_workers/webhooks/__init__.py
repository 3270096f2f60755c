"""Events to other people's servers."""
