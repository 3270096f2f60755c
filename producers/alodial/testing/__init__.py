"""Help for tests of programs that use alodial: a Redis server of their own."""
