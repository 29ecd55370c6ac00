"""A local NVIDIA Triton without a container: install it, start it, keep it running, stop it."""
