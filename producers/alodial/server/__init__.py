"""The composition root: mounts web and monitor into one app and serves it. Read README.md first."""
