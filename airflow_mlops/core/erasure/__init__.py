"""The rows of one person taken out of everything that the store holds, with tombstones in their place."""
