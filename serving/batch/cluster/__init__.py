"""A batch past one machine: its photos are segmented by the workers of a Ray cluster, through Ray Data."""
