"""What has ended, for years, in a database of SQL."""
