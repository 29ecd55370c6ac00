"""
The three networks: one shared encoder, and what segmentation, attention and embedding put on top.

Shapes in names: B images, K classes with background, L = K - 1 foreground classes, D embedding channels,
C decoder channels, H x W the input, h x w the output at a quarter of it.
"""
