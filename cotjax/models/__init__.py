"""Students (T5) and teachers (decoders), and their weights in the formats of others."""
