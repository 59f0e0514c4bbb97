"""Decoding: text out of a trained student."""
