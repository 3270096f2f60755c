"""Campaigns: many calls from a file or an iterable, under one policy."""
