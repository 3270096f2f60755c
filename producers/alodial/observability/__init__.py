"""Logs, traces, error reports and diagnoses of all processes."""
