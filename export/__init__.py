"""From a checkpoint to a published version, and the proof that they agree."""
