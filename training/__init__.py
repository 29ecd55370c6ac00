"""From annotated images to a checkpoint. The only room that computes gradients."""
