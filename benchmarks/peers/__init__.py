"""The bare job in other queues: each module runs in an environment of its own, with what the .txt beside it pins."""
