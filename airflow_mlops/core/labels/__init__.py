"""Labels: which of them are likely wrong, a file for people to review, and the version with their corrections."""
