"""Tokenizers of GGUF files against published ids, sentencepiece, and the `regex` package."""

import json

import pytest
import regex
import sentencepiece
import transformers
from gguf import TokenType
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from cotjax.errors import InputError
from cotjax.models.gguf import GGUFFile
from cotjax.models.gguf_header import Header
from cotjax.models.gguf_tokenizer import PRE_TOKENIZERS, build_tokenizer
from tests.models.gguf_files import SPECIAL, smollm2, tokenizer_metadata, write_file

MESSAGES = [{"role": "user", "content": "What is 12 + 30?"}]
WORDS = (
    "don't",
    "I'LL",
    "naïve",
    "e\u0301",
    "日本",
    "한국",
    "a/b",
    "CamelCase",
    "ǅ",
    "12345",
    "3.14",
)
SIGNS = (" ", "  ", "\n", "\r\n", "\t", "\u3000", "٣", "½", "²", "(x)", "!?", "_", "🙂")
# Nothing unassigned: `regex` and tokenizers know different years of Unicode. No control characters:
# SmolLM2 has no token for some, and drops them.
TEXTS = st.text(st.characters(exclude_categories=("Cn", "Cs", "Cc")))
TEXTS |= st.lists(st.sampled_from(WORDS + SIGNS)).map("".join)


@pytest.fixture(scope="module")
def smollm():
    """SmolLM2's tokenizer, from the file."""
    return GGUFFile(smollm2()).tokenizer()


@pytest.fixture(scope="module")
def rationales(shared) -> list[str]:
    """Real completions and rationales, with newlines and characters outside ASCII."""
    texts = json.loads((shared / "data/dss/cqa/llm/test_CoT_0.json").read_text("utf-8"))[:300]
    for path in sorted((shared / "data/granularity/svamp").glob("*.json")):
        texts += [row["output"] for row in json.loads(path.read_text("utf-8"))[:60]]
    assert any("\n" in text for text in texts)
    assert any(not text.isascii() for text in texts)
    return [str(text) for text in texts]


# As Hugging Face's tokenizer of SmolLM2-135M-Instruct encodes them.
@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Hello world", [19556, 905]),
        ("Hello world! 123", [19556, 905, 17, 216, 33, 34, 35]),
        ("The capital of France is", [504, 3575, 282, 4649, 314]),
        ("Café déjà vu.", [51, 1939, 2756, 32564, 90, 16739, 386, 101, 30]),
        ("  multiple   spaces", [216, 2701, 256, 5600]),
        ("In 2026, the weather", [788, 216, 34, 32, 34, 38, 28, 260, 3947]),
        ("def add(a, b): return", [1604, 803, 24, 81, 28, 278, 727, 1003]),
        ("\n", [198]),
    ],
)
def test_published_ids(smollm, text, ids):
    assert smollm(text)["input_ids"] == ids
    assert smollm.decode(ids) == text


def test_real_texts_as_by_the_published_pre_tokenizer(smollm, rationales):
    """SmolLM2's tokenizer.json says Digits and ByteLevel, where llama.cpp has expressions."""
    metadata = Header(smollm2()).metadata
    tokens, merges = (metadata[f"tokenizer.ggml.{name}"] for name in ("tokens", "merges"))
    vocabulary = {token: id_ for id_, token in enumerate(tokens)}
    reference = Tokenizer(models.BPE(vocabulary, [tuple(merge.split()) for merge in merges]))
    reference.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    reference.decoder = decoders.ByteLevel()
    texts = [*rationales, "1  2   34", "  99"]  # where an expression without digits differs
    found = smollm(texts)["input_ids"]
    assert found == [code.ids for code in reference.encode_batch(texts)]
    assert smollm.batch_decode(found) == texts


def test_texts_without_digits_as_by_transformers(smollm, rationales):
    """It doesn't know SmolLM's pre-tokenizer, and takes GPT-2's, which keeps numbers."""
    path = smollm2()
    reference = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    texts = [regex.sub(r"\p{N}", "", text) for text in rationales]
    assert smollm(texts)["input_ids"] == reference(texts)["input_ids"]
    assert smollm.chat_template == reference.chat_template
    names = ("bos_token_id", "eos_token_id", "unk_token_id", "pad_token_id", "all_special_ids")
    assert {name: getattr(smollm, name) for name in names} == {
        name: getattr(reference, name) for name in names
    }


@settings(max_examples=200, deadline=None)
@given(text=TEXTS)
def test_texts_come_back(smollm, text):
    assert smollm.decode(smollm(text)["input_ids"]) == text


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_every_text_comes_back_from_all_bytes(tiny, text):
    assert tiny.decode(tiny(text)["input_ids"]) == text


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tokenizer with a token for each byte."""
    return build(tmp_path_factory.mktemp("tiny") / "model.gguf", tokenizer_metadata())


def test_the_chat_template_renders(smollm):
    rendered = smollm.apply_chat_template(MESSAGES, tokenize=False, add_generation_prompt=True)
    assert rendered == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nWhat is 12 + 30?<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = smollm.apply_chat_template(MESSAGES, add_generation_prompt=True)["input_ids"]
    assert ids == smollm(rendered, add_special_tokens=False)["input_ids"]
    assert [ids.count(1), ids.count(2)] == [3, 2]  # <|im_start|> and <|im_end|>, whole
    assert smollm.decode(ids) == rendered


def test_a_saved_tokenizer_is_the_same(smollm, tmp_path):
    smollm.save_pretrained(tmp_path)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "<|im_start|>user\nIt's 1234 naïve  men."
    assert loaded(text)["input_ids"] == smollm(text)["input_ids"]
    assert loaded.chat_template == smollm.chat_template
    assert loaded.special_tokens_map == smollm.special_tokens_map


def build(path, metadata, **changes):
    """The tokenizer of a file of this metadata; None drops a value."""
    changes = {f"tokenizer.{name.replace('__', '.')}": value for name, value in changes.items()}
    metadata = {"general.architecture": "llama"} | metadata | changes
    return build_tokenizer(Header(write_file(path, metadata, {})))


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_pre_tokenizers_split_as_their_expressions(pre, text, splitters):
    expected = [text] if text else []
    for expression in PRE_TOKENIZERS[pre].splits:
        expected = [part for piece in expected for part in isolate(expression, piece)]
    assert split(splitters(pre), text) == expected


@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS.keys() & GGUF_PRE_TOKENIZER_SPLITS.keys()))
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_pre_tokenizers_split_as_transformers_does(pre, text, splitters):
    if text:
        assert split(splitters(pre), text) == isolate(GGUF_PRE_TOKENIZER_SPLITS[pre], text)


def split(splitter, text):
    """The parts of a text, which are spelt in GPT-2's alphabet of bytes."""
    decoder = decoders.ByteLevel()
    return [decoder.decode([part]) for part, _ in splitter.pre_tokenize_str(text)]


def isolate(expression, text):
    """What matches, and what lies between, in the order of the text."""
    parts, end = [], 0
    for match in regex.finditer(expression, text, regex.V0):
        parts += [text[end : match.start()], match.group()]
        end = match.end()
    return [part for part in (*parts, text[end:]) if part]


@pytest.fixture(scope="module")
def splitters(tmp_path_factory):
    """The pre-tokenizer of each name."""
    made = {}

    def get(pre: str):
        if pre not in made:
            path = tmp_path_factory.mktemp("pre") / "model.gguf"
            made[pre] = build(path, tokenizer_metadata(pre)).backend_tokenizer.pre_tokenizer
        return made[pre]

    return get


@pytest.mark.parametrize(
    ("pre", "add_bos", "expected"),
    [
        ("smollm", None, False),
        ("smollm", True, True),
        ("llama-bpe", None, True),
        ("llama-bpe", False, False),
        ("tekken", None, True),
        ("qwen2", None, False),
    ],
)
def test_bos_is_added_where_the_model_had_one(tmp_path, pre, add_bos, expected):
    metadata = tokenizer_metadata(pre)
    tokenizer = build(tmp_path / "m.gguf", metadata, ggml__add_bos_token=add_bos)
    ids = tokenizer("the man")["input_ids"]
    assert ids == [0] * expected + tokenizer("the man", add_special_tokens=False)["input_ids"]
    assert tokenizer.bos_token_id not in ids[1:]


def test_llama_3_takes_a_whole_word_where_merges_would_not(tmp_path):
    metadata = tokenizer_metadata("llama-bpe")
    tokens = [*metadata["tokenizer.ggml.tokens"][:-1], "apples"]
    types = [*metadata["tokenizer.ggml.token_type"][:-1], int(TokenType.NORMAL)]
    metadata |= {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types}
    whole = build(tmp_path / "whole.gguf", metadata, ggml__add_bos_token=False)
    merged = build(tmp_path / "merged.gguf", metadata, ggml__pre="smollm")
    assert whole("apples")["input_ids"] == [len(tokens) - 1]
    assert len(merged("apples")["input_ids"]) > 1


def test_qwen_normalises_and_its_own_tokens_stay(tmp_path):
    tokenizer = build(tmp_path / "m.gguf", tokenizer_metadata("qwen2"))
    composed, apart = "\u00e9", "e\u0301"
    assert tokenizer(apart)["input_ids"] == tokenizer(composed)["input_ids"]


def test_tokens_that_were_added_are_found_in_the_text(tmp_path):
    metadata = tokenizer_metadata()
    types = metadata["tokenizer.ggml.token_type"]
    tokens = [*metadata["tokenizer.ggml.tokens"][:-1], "<think> 1"]
    metadata |= {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [*types[:-1], int(TokenType.USER_DEFINED)],
    }
    tokenizer = build(tmp_path / "m.gguf", metadata)
    ids = tokenizer("the<think> 1man<|end|>")["input_ids"]
    assert ids.count(len(tokens) - 1) == 1
    assert ids[-1] == SPECIAL.index("<|end|>")
    assert tokenizer.decode(ids) == "the<think> 1man<|end|>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the<think> 1man"


OWN = "\n\n\n"  # a token that a model's makers have added


@pytest.fixture(scope="module", params=[True, False], ids=["prefix", "no_prefix"])
def pair(request, tmp_path_factory, rationales):
    """Our tokenizer and sentencepiece's, of one BPE vocabulary such as Llama 2's or Gemma's."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(rationales),
        model_prefix=str(folder / "spm"),
        vocab_size=2000,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.995,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=request.param,
        user_defined_symbols=[OWN],
        minloglevel=2,
    )
    reference = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spm.model"))
    metadata = sentencepiece_metadata(reference)
    prefix = {"ggml__add_space_prefix": request.param}
    return build(folder / "model.gguf", metadata, **prefix), reference


def sentencepiece_metadata(model):
    """As convert_hf_to_gguf.py writes a tokenizer.model."""

    def type_of(id_):
        kinds = {
            TokenType.UNKNOWN: model.is_unknown(id_),
            TokenType.CONTROL: model.is_control(id_),
            TokenType.BYTE: model.is_byte(id_),
            TokenType.USER_DEFINED: model.id_to_piece(id_) == OWN,
        }
        return int(next((kind for kind, true in kinds.items() if true), TokenType.NORMAL))

    ids = range(model.vocab_size())
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [model.id_to_piece(id_) for id_ in ids],
        "tokenizer.ggml.scores": [model.get_score(id_) for id_ in ids],
        "tokenizer.ggml.token_type": [type_of(id_) for id_ in ids],
        "tokenizer.ggml.bos_token_id": model.bos_id(),
        "tokenizer.ggml.eos_token_id": model.eos_id(),
        "tokenizer.ggml.unknown_token_id": model.unk_id(),
    }


def test_real_texts_as_by_sentencepiece(pair, rationales):
    tokenizer, reference = pair
    texts = [*rationales, "", "  two  spaces ", "日本 🙂\t~", "snake_case 12,345.67"]
    found = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert found == reference.encode(texts)
    assert tokenizer.batch_decode(found) == reference.decode(found) == texts


def test_sentencepiece_begins_with_bos(pair):
    tokenizer, reference = pair
    ids = tokenizer("the man")["input_ids"]
    assert ids == [reference.bos_id(), *reference.encode("the man")]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "the man"


def test_after_an_added_token_text_begins_anew(pair):
    """As in llama.cpp, and in Llama 2's tokenizer.json; in sentencepiece it goes on."""
    tokenizer, reference = pair
    prefix = ["▁"] if reference.encode("日", out_type=str)[0] == "▁" else []
    byte = ["<0xE6>", "<0x97>", "<0xA5>"]
    found = tokenizer.tokenize(f"日{OWN}日")
    assert found == [*prefix, *byte, OWN, *prefix, *byte]


def test_missing_scores_are_told(pair, tmp_path):
    metadata = sentencepiece_metadata(pair[1])
    with pytest.raises(InputError, match=r"the metadata has no tokenizer.ggml.scores"):
        build(tmp_path / "m.gguf", metadata, ggml__scores=None)
    with pytest.raises(InputError, match=r"scores has 2 values for 2000 tokens"):
        build(tmp_path / "m.gguf", metadata, ggml__scores=[0.0, -1.0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ggml__model": None}, "the metadata has no tokenizer.ggml.model"),
        ({"ggml__model": "t5"}, "tokenizer.ggml.model 't5' is not supported, only gpt2, llama"),
        ({"ggml__pre": "viking"}, "tokenizer.ggml.pre 'viking' is not supported, only default"),
        ({"ggml__tokens": None}, "the metadata has no tokenizer.ggml.tokens"),
        ({"ggml__tokens": ["a", "b", "a"]}, "tokenizer.ggml.tokens holds 'a' twice"),
        ({"ggml__tokens": [1, 2]}, "tokenizer.ggml.tokens is .*, not of type list"),
        ({"ggml__token_type": [1]}, "token_type has 1 values for 320 tokens"),
        ({"ggml__merges": None}, "the metadata has no tokenizer.ggml.merges"),
        ({"ggml__merges": ["a none"]}, "tokens and merges of tokenizer.ggml don't fit: "),
        ({"ggml__merges": ["abc"]}, "tokens and merges of tokenizer.ggml don't fit: "),
        ({"ggml__eos_token_id": 320}, "eos_token_id is 320, there are 320 tokens"),
        ({"ggml__bos_token_id": None, "ggml__add_bos_token": True}, "bos_token_id is missing"),
        ({"chat_template": 3}, "tokenizer.chat_template is 3, not of type str"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        build(tmp_path / "model.gguf", tokenizer_metadata(), **changes)
    assert str(caught.value).startswith(f"{tmp_path / 'model.gguf'}: ")
    assert "\n" not in str(caught.value)
