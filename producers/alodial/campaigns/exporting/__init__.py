"""Results, rejected rows and the printable report of a campaign."""
