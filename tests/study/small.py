"""The smallest study that goes through everything: students that are barely touched."""

from pathlib import Path

from configs.default import get_config as default_config
from cotjax.study.definition import Study, Variant

PLAIN = Variant("plain", "label only", {"data.order": "label_only"})
WHOLE = Variant("whole", "label first", {})
FIRST = Variant("first", "rationale first", {"data.order": "rationale_first"})
SWAPPED = Variant("swapped", "another question’s", {"data.perturbation.name": "swap"})
LOST = Variant("lost", "no such records", {"data.records": "nowhere"})


def small_study(cache: Path, *variants: Variant, steps: int = 3, **fields) -> Study:
    """With one seed by default, and 60 test questions."""
    base = default_config()
    base.task.options = "entities=60,train_questions=400,validation_questions=20,test_questions=60"
    base.data.cache = str(cache)
    base.data.batch_size = 8
    base.model.d_model = base.model.d_kv = base.model.d_ff = 8
    base.model.num_heads = base.model.num_layers = base.model.num_decoder_layers = 1
    base.schedule.total_steps, base.schedule.warmup_steps = steps, 1
    base.evaluation.max_questions, base.evaluation.max_tokens = 8, 4
    base.evaluation.batch_size = 64
    base.profile.log_every = 1
    fields = {"seeds": (0,), "about": ("What.",), "caveats": ("Careful.",)} | fields
    return Study("Small", base, variants, **fields)
