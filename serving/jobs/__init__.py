"""Batches that clients hand in: kept with their account, worked off behind everybody who waits."""
