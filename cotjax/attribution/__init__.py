"""Which words of a rationale matter for the label: scores beside the records."""
