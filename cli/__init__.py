"""The `box2seg` command: one file per verb. A room is imported only when its verb runs."""
