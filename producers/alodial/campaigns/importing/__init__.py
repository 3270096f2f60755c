"""From a file to checked rows. Read first: row_check.py."""
