"""From a checkpoint to predictions and metrics."""
