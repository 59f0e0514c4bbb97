"""cotjax: chain-of-thought distillation into T5 students with JAX and Flax."""

__version__ = "0.1.0"
