"""Serving: answers clients from a published version. No torch."""
