"""A version built again from its record, and what is different then."""
