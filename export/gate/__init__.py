"""The gate: what a candidate must show beside the live version before it may answer anybody."""
