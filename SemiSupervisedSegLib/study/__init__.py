"""What the user has: cases, sites, roles, structures, and the checks of what the user gave."""
