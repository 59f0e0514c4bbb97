"""The results of a study of two variants and two seeds, drawn by hand."""

from typing import Any

TITLES = {"plain": "label only", "first": "label <first>"}
RIGHT = {"plain": (50, 54), "first": (90, 98)}


def results() -> dict[str, Any]:
    """As `results.json` holds them; 100 test and 50 training questions."""
    return {
        "title": "Which one?",
        "about": ["What is asked.", "How."],
        "caveats": ["Little & short."],
        "variants": [
            {
                "name": name,
                "title": title,
                "overrides": {"data.order": name},
                "example": {
                    "input": "a or b ?",
                    "segments": [["label", "first"], ["rationale", f"said of {name}"]],
                },
            }
            for name, title in TITLES.items()
        ],
        "seeds": [0, 1],
        "checkpoint": "latest",
        "constant_guess": {
            "test": {"accuracy": 0.52, "num_questions": 100},
            "validation": {"accuracy": 0.61, "num_questions": 31},
        },
        "runs": [_run(name, seed) for seed in (0, 1) for name in TITLES],
        "base": {"data.order": "label_first", "optimizer.learning_rate": 0.002, "seed": 0},
    }


def _run(variant: str, seed: int) -> dict[str, Any]:
    right = RIGHT[variant][seed]
    return {
        "variant": variant,
        "seed": seed,
        "seconds": 10.0 if seed else None,
        "test": _summary(right, 100),
        "train": _summary(40 + seed, 50),
        "validation_curve": [[0, 0.0], [20, 0.5]],
        "label_loss_curve": [[10, 0.7], [20, 0.3]],
        "versions": {"cotjax": "0.1.0"},
        "device": f"{seed + 1} x cpu",
    }


def _summary(right: int, total: int) -> dict[str, float]:
    return {
        "right": right,
        "num_questions": total,
        "accuracy": right / total,
        "accuracy_low": right / total - 0.1,
        "accuracy_high": min(right / total + 0.1, 1.0),
        "label_nll": 0.125 + right / total,
        "mean_tokens": 2.5,
    }
