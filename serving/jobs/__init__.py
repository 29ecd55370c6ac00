"""Batches that clients hand in: kept in a folder with their account, worked off behind everybody who waits."""
