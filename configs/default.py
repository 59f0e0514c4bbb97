r"""The whole schema, a comment a field; run as it is, the quick start's student.

    python scripts/train.py --config=configs/default.py --workdir=runs/comparison

trains a student of 0.2 M parameters from scratch on the procedural comparison task, label first,
in about a minute on two CPU cores. Other files start from this one and change what differs.
"""

from ml_collections import config_dict

optional = config_dict.placeholder  # a field of this type that may stay unset


def get_config():
    """Returns the default configuration."""
    config = config_dict.ConfigDict()

    # Seed of every random draw: initial weights, order of the data, perturbations, dropout.
    config.seed = 0
    # Where compiled programs are kept for the next start; unset: as JAX_COMPILATION_CACHE_DIR says.
    config.compilation_cache_dir = optional(str)

    # What is asked.
    config.task = task = config_dict.ConfigDict()
    task.name = "comparison"  # what `python scripts/show_task.py --help` lists
    # Where questions come from: procedural, records:DIR, hub or hub:ID, tfds or tfds:NAME,
    # file:PATH (JSON lines, Parquet or CSV).
    task.source = "procedural"
    task.options = ""  # of a procedural task, such as "words=4,seed=1"
    task.train_split = "train"
    # Empty: a part of the training questions is held out, by hash of the normalised question.
    task.validation_split = "validation"
    task.test_split = "test"
    task.validation_fraction = 0.1  # how much is held out where a task has no validation split
    # How a label is written: letter "(B)", text "bank", letter_text "(B) bank"; in arithmetic
    # number "42" or equation "( 84.0 / 2.0 )".
    task.label_format = "text"

    # What the student is to say, and how targets are laid out.
    config.data = data = config_dict.ConfigDict()
    data.records = optional(str)  # folder of teacher records; unset: the task's own rationales
    data.rationales = "teacher"  # whose: teacher, human (explanations that people wrote)
    data.allow_incomplete = False  # train on a records folder that its writer has not finished
    data.fraction = 1.0  # of the training questions: by hash, so that a smaller part is in a larger
    data.label_source = "gold"  # whose label the student learns: gold, teacher
    # label_only, rationale_first, label_first, multitask, rationale_input (the student reads it).
    data.order = "label_first"
    data.connective = optional(str)  # words between label and rationale; unset: the order's own
    # Signs that T5's vocabulary lacks: keep, or ascii (÷ as /, × as *, ∴ as "so", and the like).
    data.characters = "keep"
    data.selection = config_dict.ConfigDict()  # which of a question's rationales
    # all, first, one_per_epoch (another one each epoch), mixture (of sources, drawn each epoch);
    # k of them: random, diverse, likely, open_ended (k on average, by how a question's differ).
    data.selection.name = "all"
    data.selection.k = optional(int)  # rationales of a question that the last four keep
    data.selection.mixture = ""  # tags and weights of mixture, such as "level=1:0.25,level=5:0.75"
    data.selection.tags = ""  # only rationales with these tags, such as "level=3,format=plain"
    data.selection.answers = "any"  # of rationales: any, right, wrong, majority (the commonest)
    data.scores = optional(str)  # folder of scripts/score_tokens.py; unset: the records' key words
    data.words = config_dict.ConfigDict()  # which words of a rationale stay
    # all; k or a fraction: first_k, random_k, key_words; all but: without_label (the words of the
    # gold choice), without_keywords (of reasoning: wait, however, ...).
    data.words.name = "all"
    data.words.k = optional(int)  # how many words first_k, random_k and key_words keep
    data.words.fraction = optional(float)  # the same as a share of a rationale's words
    data.words.by_rank = False  # key words in the order of their importance, not of the text
    data.perturbation = config_dict.ConfigDict()  # what is done to the words that stay
    # none, shuffle, shuffle_some, reverse, mask, drop, duplicate, insert (another rationale's
    # steps), digits (other ones); swap (another question's rationale), swap_same_label;
    # fill_random, fill_repeat (words that make it longer), shorten (whole steps are dropped).
    data.perturbation.name = "none"
    data.perturbation.unit = "words"  # what is moved, masked, dropped: words, tokens, steps
    # Of the units: shuffle_some, mask, drop, duplicate, insert, digits.
    data.perturbation.fraction = 0.5
    data.perturbation.mask_token = "<unk>"  # what mask writes: a token of the vocabulary
    data.perturbation.length = optional(int)  # tokens that fill and shorten lead to
    data.perturbation.reference = ""  # or those of the question's rationale with these tags
    data.perturbation.redraw = "epoch"  # epoch: fresh draws every epoch; run: the same draws
    data.input_length = 64  # tokens of a question at most; what is cut is counted
    # Tokens of a target (of multitask, each reply) at most; the rationale is cut, never the label.
    data.target_length = 64
    data.batch_size = 32  # targets an optimiser step
    data.question_weight = "sum"  # of N rationales: sum (N times one's), mean (the same as one's)
    data.targets_per_question = 1  # rationales of a question that share a step and its encoder pass
    data.packing = True  # several targets a row; False: one target a row
    data.encoder_length = optional(int)  # tokens of an encoder row; unset: chosen from the data
    data.decoder_length = optional(int)  # tokens of a decoder row; unset: chosen from the data
    data.cache = "~/.cache/cotjax"  # where tokenised data is kept, under a hash of its content

    # The student: pretrained, or a preset's shape, or the sizes below, from random weights.
    config.model = model = config_dict.ConfigDict()
    model.pretrained = optional(str)  # Hugging Face folder or Hub id with config.json, safetensors
    model.preset = optional(str)  # t5-small .. t5-11b, t5-v1_1-*, flan-t5-* (small .. xxl)
    model.tokenizer = optional(str)  # folder or Hub id; unset: the pretrained one, or a new one
    model.vocab_size = 512  # of the new tokenizer, trained on the task's own text, at most
    model.d_model = 64
    model.d_kv = 16
    model.d_ff = 128
    model.num_heads = 4
    model.num_layers = 2
    model.num_decoder_layers = 2
    model.gated = False  # gated GELU (v1.1, Flan-T5) or ReLU (v1.0)
    model.tied = True  # one matrix for embedding and output
    model.dropout_rate = 0.1
    model.dtype = optional(str)  # of the computation; unset: bfloat16, float32 on CPU
    model.remat = "none"  # what is recomputed in the backward pass: none, dots (all but), full
    # Fused, which keeps no weights in memory: cudnn on an NVIDIA GPU (bfloat16, even row lengths),
    # pallas on a TPU (rows of a multiple of 128, at most 1024).
    model.attention = "xla"
    # Compile one layer and loop; unset: not on a CPU, where `remat` has no effect without it.
    model.scan_layers = optional(bool)

    config.optimizer = optimizer = config_dict.ConfigDict()
    optimizer.name = "adamw"  # adamw, adafactor (T5's fine-tuning preset: constant 1e-3)
    optimizer.learning_rate = 2e-3
    optimizer.weight_decay = 0.1
    optimizer.beta1 = 0.9
    optimizer.beta2 = 0.999
    optimizer.epsilon = 1e-8
    optimizer.clip_norm = 1.0  # global gradient norm; 0 switches clipping off
    optimizer.accumulation = 1  # microbatches a step

    config.schedule = schedule = config_dict.ConfigDict()
    schedule.name = "linear"  # constant, linear, cosine, rsqrt
    schedule.total_steps = 2400
    schedule.warmup_steps = 50
    schedule.final_fraction = 0.05  # of the learning rate, at the last step of linear and cosine

    # Loss = sum over tokens of weight * negative log-likelihood / normaliser.
    config.loss = loss = config_dict.ConfigDict()
    loss.label_weight = 1.0
    loss.rationale_weight = 1.0  # the connective counts as rationale
    # tokens: by all of a step's; kinds: label and rationale apart, and each label token weighs the
    # same in every order.
    loss.normalise = "tokens"
    loss.alpha = 0.5  # of multitask: the weight of the label task; the rationale task has the rest
    loss.label_smoothing = 0.0
    loss.z_loss = 0.0

    # Devices by axis; one of them may be -1: all that are left.
    config.mesh = mesh = config_dict.ConfigDict()
    mesh.data = -1
    mesh.fsdp = 1
    mesh.tensor = 1

    config.checkpoint = checkpoint = config_dict.ConfigDict()
    checkpoint.every = 1200  # steps; the last step is always saved
    checkpoint.keep_latest = 1  # beside the best one

    # Numbers that go wrong. A step whose loss or gradients are not finite is skipped: it leaves the
    # student as it was, and stands with its targets in faults.jsonl.
    config.guard = guard = config_dict.ConfigDict()
    guard.skipped_in_a_row = 10  # steps that end it:
    # stop (exit code 3), go_back (to the last checkpoint, from there without the targets at fault).
    guard.then = "stop"
    # A loss so many robust z-scores above those of 100 steps before is told too; 0: never.
    guard.spike_score = 10.0

    config.evaluation = evaluation = config_dict.ConfigDict()
    evaluation.every = 1200  # steps; step 0 and the last step are always evaluated
    evaluation.splits = ("validation",)  # train, validation, test
    evaluation.best_metric = "validation/accuracy"  # or validation/choice_accuracy; never test
    evaluation.batch_size = 64  # questions decoded at once
    evaluation.max_questions = optional(int)  # in the loop: a fixed subset; unset: all
    evaluation.max_tokens = optional(int)  # generated at most; unset: data.target_length
    evaluation.num_beams = 1  # of beam search; 1 takes the likeliest token after token (greedy)
    # Of beam search: a text's score is its log-probability / its length ** length_penalty.
    evaluation.length_penalty = 1.0

    config.profile = profile = config_dict.ConfigDict()
    profile.steps = ()  # first and last of a trace for TensorBoard or XProf, such as (10, 15)
    profile.log_every = 50  # steps between two lines of metrics

    return config
