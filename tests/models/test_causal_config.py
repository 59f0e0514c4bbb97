"""What config.json says of a decoder, against transformers' own reading."""

import numpy as np
import pytest
import transformers
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from cotjax.errors import InputError
from cotjax.models.causal_config import LayerKind
from cotjax.models.causal_fields import read_causal_config
from cotjax.models.rope import LinearRope, Llama3Rope, Rope, YarnRope, read_rope

LLAMA_3_2_SCALING = {
    "factor": 32.0,
    "high_freq_factor": 4.0,
    "low_freq_factor": 1.0,
    "original_max_position_embeddings": 8192,
    "rope_type": "llama3",
}
# The fields that count of released config.json files, as transformers 4 wrote them.
RELEASED = {
    "Llama-2-7b": {
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "max_position_embeddings": 4096,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 32,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "vocab_size": 32000,
        "eos_token_id": 2,
    },
    "Llama-3.2-1B-Instruct": {
        "model_type": "llama",
        "attention_bias": False,
        "eos_token_id": [128001, 128008, 128009],
        "head_dim": 64,
        "hidden_act": "silu",
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "max_position_embeddings": 131072,
        "mlp_bias": False,
        "num_attention_heads": 32,
        "num_hidden_layers": 16,
        "num_key_value_heads": 8,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": LLAMA_3_2_SCALING,
        "rope_theta": 500000.0,
        "tie_word_embeddings": True,
        "vocab_size": 128256,
    },
    "Mistral-7B-v0.1": {
        "model_type": "mistral",
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
        "tie_word_embeddings": False,
        "vocab_size": 32000,
    },
    "Mistral-7B-v0.3": {
        "model_type": "mistral",
        "eos_token_id": 2,
        "head_dim": None,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "max_position_embeddings": 32768,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "vocab_size": 32768,
    },
    "Qwen2.5-7B with YaRN": {
        "model_type": "qwen2",
        "eos_token_id": 151643,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "max_position_embeddings": 131072,
        "max_window_layers": 28,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
            "type": "yarn",
        },
        "rope_theta": 1000000.0,
        "sliding_window": 131072,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "vocab_size": 152064,
    },
    "Qwen3-0.6B": {
        "model_type": "qwen3",
        "attention_bias": False,
        "eos_token_id": 151645,
        "head_dim": 128,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "max_position_embeddings": 40960,
        "max_window_layers": 28,
        "num_attention_heads": 16,
        "num_hidden_layers": 28,
        "num_key_value_heads": 8,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": None,
        "tie_word_embeddings": True,
        "use_sliding_window": False,
        "vocab_size": 151936,
    },
    "gemma-2-27b": {
        "model_type": "gemma2",
        "attention_bias": False,
        "attn_logit_softcapping": 50.0,
        "eos_token_id": 1,
        "final_logit_softcapping": 30.0,
        "head_dim": 128,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 4608,
        "intermediate_size": 36864,
        "max_position_embeddings": 8192,
        "num_attention_heads": 32,
        "num_hidden_layers": 46,
        "num_key_value_heads": 16,
        "query_pre_attn_scalar": 144,
        "rms_norm_eps": 1e-06,
        "rope_theta": 10000.0,
        "sliding_window": 4096,
        "vocab_size": 256000,
    },
    "gemma-3-1b-it": {
        "model_type": "gemma3_text",
        "attn_logit_softcapping": None,
        "eos_token_id": [1, 106],
        "final_logit_softcapping": None,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 1152,
        "intermediate_size": 6912,
        "max_position_embeddings": 32768,
        "num_attention_heads": 4,
        "num_hidden_layers": 26,
        "num_key_value_heads": 1,
        "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": 512,
        "sliding_window_pattern": 6,
        "vocab_size": 262144,
    },
}
GEMMA_3_4B_TEXT = {
    "hidden_size": 2560,
    "intermediate_size": 10240,
    "model_type": "gemma3_text",
    "num_hidden_layers": 34,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    "sliding_window": 1024,
}
GEMMA_3_4B = {
    "model_type": "gemma3",
    "eos_token_id": [1, 106],
    "text_config": GEMMA_3_4B_TEXT,
    "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
}


def read(values, **choices):
    return read_causal_config(values, "config.json", has_head=False, **choices)


def as_transformers_5(values):
    """The same config.json, read and written by the newest transformers."""
    rest = {name: values[name] for name in values if name != "model_type"}
    return transformers.AutoConfig.for_model(values["model_type"], **rest).to_dict()


class TestReleased:
    """Published files say what we take them to say."""

    @pytest.mark.parametrize("name", RELEASED)
    def test_old_and_new_files_are_read_alike(self, name):
        values = RELEASED[name]
        new = as_transformers_5(values)
        assert "rope_parameters" in new
        assert read(new) == read(values)

    def test_what_a_file_leaves_out_is_as_in_transformers(self):
        assert read(as_transformers_5(GEMMA_3_4B_TEXT)) == read(GEMMA_3_4B_TEXT)

    def test_llama_3(self):
        config = read(RELEASED["Llama-3.2-1B-Instruct"])
        rope = Llama3Rope(500000.0, 32.0, 1.0, 4.0, 8192)
        assert config.layers == (LayerKind(None, rope),) * 16
        assert (config.head_dim, config.query_scale, config.tied) == (64, 0.125, True)
        assert config.eos_token_ids == (128001, 128008, 128009)

    def test_mistral(self):
        windows = [
            read(RELEASED[name]).layers[0].window
            for name in ("Mistral-7B-v0.1", "Mistral-7B-v0.3", "Llama-2-7b")
        ]
        assert windows == [4096, None, None]

    def test_qwen(self):
        values = RELEASED["Qwen2.5-7B with YaRN"]
        config = read(values)
        assert (config.qkv_bias, config.out_bias, config.qk_norm) == (True, False, False)
        assert config.layers == (LayerKind(None, YarnRope(1e6, 4.0, 32768)),) * 28
        sliding = read(values | {"use_sliding_window": True, "max_window_layers": 26})
        assert [kind.window for kind in sliding.layers] == [None] * 26 + [131072] * 2
        assert read(RELEASED["Qwen3-0.6B"]).qk_norm

    def test_gemma_2(self):
        config = read(RELEASED["gemma-2-27b"])
        assert [kind.window for kind in config.layers] == [4096, None] * 23
        assert (config.attention_soft_cap, config.logit_soft_cap) == (50.0, 30.0)
        assert config.query_scale == 1 / 12
        assert config.tied
        without = read(RELEASED["gemma-2-27b"] | {"attn_logit_softcapping": None})
        assert without.attention_soft_cap is None

    def test_gemma_3_with_images(self):
        config = read(GEMMA_3_4B)
        near = LayerKind(1024, Rope(1e4))
        assert config.layers[:6] == (near,) * 5 + (LayerKind(None, LinearRope(1e6, 8.0)),)
        assert config.layers[30:] == (near,) * 4
        assert (config.num_attention_heads, config.num_key_value_heads) == (8, 4)
        assert (config.vocab_size, config.max_position_embeddings) == (262208, 131072)
        assert config.eos_token_ids == (1, 106)

    def test_a_head_of_its_own_outranks_the_file(self):
        values = RELEASED["Llama-3.2-1B-Instruct"]
        assert not read_causal_config(values, "config.json", has_head=True).tied

    def test_precision(self):
        values = RELEASED["Llama-2-7b"]
        assert read(values, dtype="bfloat16").wide_dtype == "float32"
        assert read(values, dtype="float64").wide_dtype == "float64"
        refuses(lambda: read(values, dtype="float16"), "float16 overflows")
        refuses(lambda: read(values, dtype="int8"), "'int8' is not one of")


class TestRope:
    """Frequencies and magnitudes, against transformers."""

    @pytest.mark.parametrize(
        ("head_dim", "parameters"),
        [
            (64, {"rope_theta": 500000.0} | LLAMA_3_2_SCALING),
            (128, {"rope_theta": 10000.0, "rope_type": "linear", "factor": 4.0}),
            (
                128,
                {
                    "rope_theta": 1e6,
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "original_max_position_embeddings": 32768,
                },
            ),
            (
                64,
                {
                    "rope_theta": 1e4,
                    "rope_type": "yarn",
                    "factor": 8.0,
                    "original_max_position_embeddings": 4096,
                    "beta_fast": 16.0,
                    "beta_slow": 2.0,
                    "truncate": False,
                    "attention_factor": 1.25,
                },
            ),
        ],
    )
    def test_scalings(self, head_dim, parameters):
        config = transformers.LlamaConfig(
            head_dim=head_dim, max_position_embeddings=131072, rope_parameters=dict(parameters)
        )
        init = ROPE_INIT_FUNCTIONS[parameters["rope_type"]]
        expected, magnitude = init(config, "cpu")
        rope = read_rope(parameters, 1.0, 131072, "config.json")
        np.testing.assert_allclose(rope.frequencies(head_dim), expected.numpy(), rtol=2e-6)
        assert rope.magnitude == pytest.approx(magnitude, rel=1e-12)
        unscaled = Rope(parameters["rope_theta"]).frequencies(head_dim)
        assert np.abs(rope.frequencies(head_dim) / unscaled - 1).max() > 0.5

    def test_the_published_rotation(self):
        frequencies = Rope(10000.0).frequencies(8)
        np.testing.assert_allclose(frequencies, [1, 0.1, 0.01, 0.001], rtol=1e-12)

    def test_the_context_is_the_original_one_where_none_is_named(self):
        rope = read_rope({"type": "yarn", "factor": 2.0}, 1e4, 4096, "config.json")
        assert rope == YarnRope(1e4, 2.0, 4096)

    @pytest.mark.parametrize(
        ("parameters", "line"),
        [
            ({"rope_type": "longrope"}, "'longrope' is not one of default, linear, llama3, yarn"),
            ({"type": "dynamic", "factor": 2.0}, "'dynamic' is not one of"),
            ({"rope_type": "linear"}, "factor of the rope scaling 'linear' is missing"),
            ({"rope_type": "llama3", "factor": 8.0}, "low_freq_factor .* is missing"),
            ({"rope_type": "linear", "factor": "8"}, "factor of the rope scaling is '8'"),
            ({"partial_rotary_factor": 0.5}, "partial_rotary_factor .* is not supported"),
            ({"type": "yarn", "factor": 4.0, "mscale": 1.0}, "mscale .* is not supported"),
        ],
    )
    def test_scalings_that_are_not_supported(self, parameters, line):
        refuses(lambda: read_rope(parameters, 1e4, 4096, "config.json"), f"config.json: .*{line}")


class TestRefusals:
    """What can't be computed as it was meant is refused by name."""

    @pytest.mark.parametrize(
        ("change", "line"),
        [
            ({"model_type": "mixtral"}, "model_type 'mixtral' is not supported, only llama, mist"),
            ({"model_type": None}, "model_type None is not supported"),
            ({"model_type": "gemma3"}, "text_config is missing"),
            ({"hidden_size": None}, "hidden_size is missing"),
            ({"hidden_size": "2048"}, "hidden_size is '2048', not a positive whole number"),
            ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
            ({"rms_norm_eps": False}, "rms_norm_eps is False"),
            ({"num_key_value_heads": 5}, "32 attention heads of size 64 can't share 5"),
            ({"head_dim": 63}, "heads of size 63 can't"),
            ({"hidden_act": "gelu"}, "activation 'gelu' is not one of silu, gelu_pytorch_tanh"),
            ({"mlp_bias": True}, "mlp_bias of a llama model is not supported"),
            ({"quantization_config": {"quant_method": "gptq"}}, "quantization_config of a llama"),
            ({"attn_logit_softcapping": 50.0}, "attn_logit_softcapping of a llama model"),
            ({"partial_rotary_factor": 0.5}, "partial_rotary_factor of a llama model"),
            ({"layer_types": ["full_attention"]}, "layer_types is not a list of 16 names"),
            ({"layer_types": ["chunked_attention"] * 16}, "layer type 'chunked_attention' is not"),
            ({"eos_token_id": "</s>"}, "eos_token_id is '</s>', not a token or a list"),
            ({"rope_scaling": "linear"}, "rope_scaling is 'linear', not an object"),
            ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes', not true or false"),
        ],
    )
    def test_configs_that_cannot_be_read(self, change, line):
        refuses(lambda: read(RELEASED["Llama-3.2-1B-Instruct"] | change), f"^config.json: .*{line}")

    def test_bidirectional_attention(self):
        values = RELEASED["gemma-3-1b-it"] | {"use_bidirectional_attention": True}
        refuses(lambda: read(values), "use_bidirectional_attention of a gemma3_text model")


def refuses(function, line):
    """The function raises an InputError of one line that matches."""
    with pytest.raises(InputError, match=line) as error:
        function()
    assert "\n" not in str(error.value)
