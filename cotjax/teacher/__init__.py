"""The teacher: rationales sampled from a language model, or read from published releases."""
