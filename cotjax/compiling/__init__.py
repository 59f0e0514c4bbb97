"""Compiles the train step for TPUs and GPUs that are not here, and says how it would run."""
