"""The report of a round: one HTML page with charts, tables and pictures."""
