"""``alodial dev``: everything that one machine needs, as processes with readable logs."""
