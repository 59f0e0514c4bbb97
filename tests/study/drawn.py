"""The results of a study of two variants and two seeds, drawn by hand."""

from typing import Any

TITLES = {"plain": "label only", "first": "label <first>"}
RIGHT = {"plain": (50, 54), "first": (90, 98)}


SETTINGS = ({"optimizer.learning_rate": 0.001}, {"optimizer.learning_rate": 0.003})


def results() -> dict[str, Any]:
    """As `results.json` holds them; 100 test and 50 training questions; one run has failed."""
    return {
        "title": "Which one?",
        "about": ["What is asked.", "How."],
        "caveats": ["Little & short."],
        "seeds": [0, 1],
        "checkpoint": "latest",
        "baseline": "plain",
        "budget": {"by": "steps", "text": "Every run takes 20 steps."},
        "variants": [
            {
                "name": name,
                "title": title,
                "overrides": {"data.order": name},
                "axes": {"fraction": fraction},
                "example": {
                    "input": "a or b ?",
                    "segments": [["label", "first"], ["rationale", f"said of {name}"]],
                },
                "tuned": None,
            }
            for (name, title), fraction in zip(TITLES.items(), (0.25, 0.5), strict=True)
        ],
        "constant_guess": {
            "test": {"accuracy": 0.52, "num_questions": 100},
            "validation": {"accuracy": 0.61, "num_questions": 31},
        },
        "runs": [_run(name, seed) for seed in (0, 1) for name in TITLES],
        "failed": [
            {
                "variant": "first",
                "seed": 2,
                "group": "runs",
                "reason": "records/first: has no records of split 'train'",
            }
        ],
        "waiting": [
            {"variant": "plain", "seed": 2, "group": "runs", "reason": "interrupted at step 7"}
        ],
        "comparisons": [_comparison()],
        "comparisons_against": [],
        "shared_settings": None,
        "differences": [_difference("test-7", won=True), _difference("test-9", won=False)],
        "base": {"data.order": "label_first", "optimizer.learning_rate": 0.002, "seed": 0},
    }


def tuned() -> dict[str, Any]:
    """The same of a study in which both variants chose among two settings, and chose differently.

    The shared settings are those that `first` chose, so its runs stand in both places.
    """
    found = results()
    for variant, chosen in zip(found["variants"], SETTINGS, strict=True):
        variant["tuned"] = {
            "settings": chosen,
            "tried": [
                {"settings": settings, "validation": [0.5, 0.6], "mean": 0.55}
                if settings == chosen
                else {"settings": settings, "validation": [0.4, None], "mean": None}
                for settings in SETTINGS
            ],
        }
    chosen = dict(zip(TITLES, SETTINGS, strict=True))
    found["runs"] = [run | {"tuned": chosen[run["variant"]]} for run in found["runs"]]
    found["shared_settings"] = {
        "settings": SETTINGS[1],
        "runs": [run | {"tuned": SETTINGS[1]} for run in found["runs"]],
        "comparisons": [_comparison() | {"difference": 0.3}],
    }
    return found


def against() -> dict[str, Any]:
    """The same with a damaged form of `first`, compared with it too, and votes of both of these."""
    found = results()
    _, first = found["variants"]
    found["variants"].append(first | {"name": "shuffled", "title": "label first, shuffled"})
    found["runs"] += [
        _run("first", seed) | {"variant": "shuffled", "test": _summary(70 + seed, 100)}
        for seed in (0, 1)
    ]
    for run in found["runs"]:
        run["test_vote"] = None if run["variant"] == "plain" else _vote(run["test"], run["seed"])
    found["comparisons"].append(_comparison() | {"variant": "shuffled", "difference": 0.21})
    found["comparisons_against"] = [
        _comparison()
        | {"variant": "shuffled", "baseline": "first", "unpaired": []}
        | {"difference": -0.235, "low": -0.345, "high": -0.125, "p": 0.0123, "p_holm": 0.0246}
    ]
    found["comparisons_vote"] = [
        _comparison()
        | {"variant": f"{name} by vote", "baseline": name, "unpaired": unpaired}
        | {"difference": 0.02, "low": -0.28, "high": 0.32, "p": 0.56, "p_holm": 0.8}
        for name, unpaired in (("first", []), ("shuffled", [2]))
    ]
    more = _difference("test-8", won=True) | {"variant": "shuffled", "baseline": "first"}
    found["differences"].append(more | {"without_targets": [None, None]})
    return found


def _vote(greedy: dict[str, float], seed: int) -> dict[str, Any]:
    """Of three samples; the vote is right on five questions more, or on one fewer."""
    right = greedy["right"] + (5 if seed else -1)
    more = {"samples": 3, "accuracy_by_samples": [0.5, 0.6, right / 100], "mean_tokens": 7.5}
    return _summary(right, 100) | more


def _comparison() -> dict[str, Any]:
    """What `compare_all` says of `first` against `plain`."""
    return {
        "variant": "first",
        "baseline": "plain",
        "seeds": [0, 1],
        "unpaired": [2],
        "questions": 100,
        "difference": 0.42,
        "low": 0.31,
        "high": 0.53,
        "label": "over these seeds",
        "standard_error": 0.055,
        "degrees_of_freedom": 60.0,
        "p": 0.0004,
        "p_holm": 0.0008,
        "mcnemar": [
            {"seed": 0, "only_variant": 43, "only_baseline": 3, "p": 0.0001},
            {"seed": 1, "only_variant": 45, "only_baseline": 1, "p": 0.0001},
        ],
        "detectable": 0.16,
        "seed_sd": 0.02,
    }


def _difference(identifier: str, won: bool) -> dict[str, Any]:
    """A test question that `first` alone got right, or `plain` alone."""
    outputs, outcomes = ["first", "second"], ["right", "wrong"]
    return {
        "variant": "first",
        "baseline": "plain",
        "seed": 0,
        "id": identifier,
        "input": "c or <d> ?",
        "label": "first" if won else "second",
        "outcomes": outcomes if won else outcomes[::-1],
        "outputs": outputs,
        "targets": [
            [
                ["label", "first"],
                ["connective", "because"],
                ["rationale", "c > d"],
                ["eos", "</s>"],
            ],
            None if won else [["label", "second"], ["eos", "</s>"]],
        ],
    }


def _run(variant: str, seed: int) -> dict[str, Any]:
    right = RIGHT[variant][seed]
    return {
        "variant": variant,
        "seed": seed,
        "seconds": 10.0 if seed else None,
        "steps": 20,
        "targets": 640,
        "supervised_tokens": 1920,
        "flops": 1_500_000_000,
        "test": _summary(right, 100),
        "train": _summary(40 + seed, 50),
        "validation_curve": [[0, 0.0], [20, 0.5]],
        "label_loss_curve": [[10, 0.7], [20, 0.3]],
        "validation": 0.5,
        "counts": {"questions": 320, "targets": 320, "rationales/cut": 3},
        "versions": {"cotjax": "0.1.0"},
        "device": f"{seed + 1} x cpu",
        "tuned": None,
    }


def _summary(right: int, total: int) -> dict[str, float]:
    return {
        "right": right,
        "wrong": total - right - 1,
        "unparsed": 1,
        "num_questions": total,
        "accuracy": right / total,
        "accuracy_low": right / total - 0.1,
        "accuracy_high": min(right / total + 0.1, 1.0),
        "label_nll": 0.125 + right / total,
        "mean_tokens": 2.5,
        "seconds": right / 100,
        "inputs_cut": 2,
    }
