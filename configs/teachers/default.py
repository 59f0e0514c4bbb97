r"""The whole schema of a sampling job, a comment a field; other files change what differs.

    python scripts/sample_teacher.py --config=configs/teachers/default.py --output=records/cqa \
        --config.teacher.model=HuggingFaceTB/SmolLM2-1.7B-Instruct

asks a teacher of the Hub for one rationale to each training question of CommonsenseQA.
"""

from ml_collections import config_dict

optional = config_dict.placeholder  # a field of this type that may stay unset


def get_config():
    """Returns the default configuration."""
    config = config_dict.ConfigDict()

    # With a question's id and a sample's number it settles what that sample says.
    config.seed = 0
    config.samples = 1  # rationales of each question

    config.teacher = teacher = config_dict.ConfigDict()
    teacher.model = optional(str)  # folder, id of the Hub, or GGUF file; a Llama-like model or a T5
    teacher.dtype = optional(str)  # of parameters and computation; unset: bfloat16, float32 on CPU

    # What is asked; see configs/default.py. `--questions=FILE` asks questions of no task instead.
    config.task = task = config_dict.ConfigDict()
    task.name = "commonsense_qa"
    task.source = "hub"
    task.options = ""
    task.split = "train"
    task.max_questions = optional(int)  # the first so many; unset: all

    # How it is asked.
    config.prompt = prompt = config_dict.ConfigDict()
    # few_shot, zero_shot, rationalise, counterfactual, granularity, plain, least_to_most,
    # rephrase_and_respond, symbolic, raw; or a JSON file.
    prompt.template = "few_shot"
    prompt.exemplars = optional(str)  # JSON file of solved questions; unset: the task's own
    prompt.shots = optional(int)  # how many of them are shown; unset: as the template says
    prompt.level = optional(int)  # of granularity: 1 (least detail) to 6
    prompt.chat = False  # by the chat template of the teacher's tokenizer, or as plain text

    # How tokens are chosen.
    config.sampling = sampling = config_dict.ConfigDict()
    sampling.method = "temperature"  # greedy, temperature, contrastive
    sampling.temperature = 0.7  # of the method temperature, as are the next three
    sampling.top_k = 0  # keep the k likeliest tokens; 0 keeps all
    sampling.top_p = 1.0  # keep the likeliest tokens that add up to p; 1 keeps all
    sampling.min_p = 0.0  # keep tokens with this share of the likeliest one's probability
    sampling.beta = 0.5  # of contrastive: how much the wrong label's context counts
    sampling.repetition_penalty = 1.0  # of tokens already written; 1 is none
    sampling.no_repeat_ngram = 0  # no n-gram of this size is written twice; 0: no such limit
    sampling.min_tokens = 0  # no end token before so many; a stop string may end it
    sampling.max_tokens = 128  # a sample that is longer is cut, and counted as truncated
    sampling.stop = ()  # strings that end a sample, beside the template's
    sampling.slots = optional(int)  # samples written at once; unset: what the memory holds
    sampling.steps = 32  # tokens a slot writes at most before ended samples are replaced

    # Devices of one process by axis; see configs/default.py.
    config.mesh = mesh = config_dict.ConfigDict()
    mesh.data = -1
    mesh.fsdp = 1
    mesh.tensor = 1

    config.questions_per_shard = 64  # of the output
    return config
