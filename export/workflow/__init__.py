"""From new photos to a version that answers: stages that each leave what the next one needs."""
