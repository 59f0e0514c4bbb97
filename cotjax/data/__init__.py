"""From questions and rationales to packed steps."""
