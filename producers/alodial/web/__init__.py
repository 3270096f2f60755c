"""The HTTP interface for programs. Read README.md first."""
