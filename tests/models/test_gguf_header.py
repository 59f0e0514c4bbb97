"""Files that are no GGUF, or lie: one line, at once, and without the memory that they ask for."""

import contextlib
import struct
import time
import tracemalloc

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cotjax.errors import InputError
from cotjax.models.gguf import GGUFFile
from cotjax.models.gguf_header import Header
from tests.models.gguf_files import make_model, write_model

KEY, TENSOR = struct.pack("<Q", 1) + b"k", struct.pack("<Q", 1) + b"t"
UINT8, UINT32, STRING, ARRAY = 0, 4, 8, 9
F32, Q8_0, IQ2_XS = 0, 8, 17


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """A small file with all that belongs in one."""
    path = tmp_path_factory.mktemp("whole") / "model.gguf"
    model = make_model("llama", num_hidden_layers=1, intermediate_size=32)
    return write_model(path, model, gguf.GGMLQuantizationType.Q8_0).read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.gguf"


def header(num_tensors=0, num_keys=0, magic=b"GGUF", version=3):
    return magic + struct.pack("<IQQ", version, num_tensors, num_keys)


def array(type_, length):
    return header(0, 1) + KEY + struct.pack("<IIQ", ARRAY, type_, length)


def tensor(*dims, type_=F32, offset=0, data=b"", num_axes=None):
    axes = struct.pack(f"<I{len(dims)}Q", len(dims) if num_axes is None else num_axes, *dims)
    start = header(1, 0) + TENSOR + axes + struct.pack("<IQ", type_, offset)
    return start + b"\0" * (-len(start) % 32) + data


def one_key(type_, value):
    return header(0, 1) + KEY + struct.pack("<I", type_) + value


BROKEN = {
    "empty": (b"", "empty, not a GGUF file"),
    "short": (b"GG", "truncated: it ends after 2 bytes, within its first bytes"),
    "older format": (header(magic=b"ggjt"), "not a GGUF file, it doesn't begin with 'GGUF'"),
    "version 1": (header(version=1), "GGUF version 1, only 2 and 3 are read"),
    "big-endian": (header(version=3 << 24), r"GGUF version 50331648 \(big-endian\), only"),
    "keys without end": (header(0, 2**63), r"truncated: .* within key 1 of 9223372036854775808"),
    "tensors without end": (header(2**63, 0), "within the description of tensor 1 of 92233720368"),
    "key without end": (header(0, 1) + struct.pack("<Q", 2**60), "within key 1 of 1"),
    "unknown type of a value": (one_key(13, b"x" * 8), "the metadata 'k' has the unknown type 13"),
    "bytes without end": (array(UINT8, 2**60), "truncated: .* within the metadata 'k'"),
    "strings without end": (array(STRING, 2**60), "the metadata 'k' claims 1152921504606846976 st"),
    "arrays in an array": (array(ARRAY, 1), "the metadata 'k' is an array of the type 9"),
    "a text larger than any": (
        one_key(STRING, struct.pack("<Q", 2**25)) + b"\0" * 2**25,
        "the metadata 'k' claims a text of 33554432 bytes",
    ),
    "not UTF-8": (one_key(STRING, struct.pack("<Q", 1) + b"\xff"), "'k' holds text not in UTF-8"),
    "a key twice": (
        header(0, 2) + 2 * (KEY + struct.pack("<II", UINT32, 1)),
        "the metadata 'k' stands twice",
    ),
    "alignment": (
        header(0, 1)
        + struct.pack("<Q", 17)
        + b"general.alignment"
        + struct.pack("<II", UINT32, 24),
        "general.alignment is 24, not a power of two",
    ),
    "no axes": (tensor(), "the tensor 't' has 0 axes"),
    "axes without end": (tensor(8, num_axes=2**31), "the tensor 't' has 2147483648 axes"),
    "an empty axis": (tensor(0, 8), r"the tensor 't' has the shape \(8, 0\)"),
    "half a block": (tensor(48, 2, type_=Q8_0), "rows of Q8_0 have a multiple of 32 values"),
    "huge": (tensor(2**62, 2**62), r"truncated: it ends after .* the tensor 't' .* of F32 at 8507"),
    "unsupported": (tensor(256, 1, type_=IQ2_XS), "'t' has the type IQ2_XS, supported are F32, F1"),
    "unknown": (tensor(8, type_=99), "the tensor 't' has the type number 99, supported are F32"),
    "elsewhere": (tensor(8, offset=64, data=b"\0" * 96), "'t' is said to begin at byte 64 of the"),
    "one value short": (tensor(8, data=b"\0" * 31), r"truncated: .* tensor 't' \(8,\) of F32 at"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_told_in_one_line(path, name):
    data, message = BROKEN[name]
    path.write_bytes(data)
    check_refused(path, message)


def check_refused(path, message=""):
    tracemalloc.start()
    started = time.perf_counter()
    try:
        with pytest.raises(InputError, match=message) as caught:
            Header(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert time.perf_counter() - started < 1
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


def test_a_name_of_many_lines_stays_in_one(path):
    name = "a\nb" * 1000
    data = header(1, 0) + struct.pack("<Q", len(name)) + name.encode()
    path.write_bytes(data + struct.pack("<IQIQ", 1, 8, 99, 0))
    check_refused(path, r"the tensor 'a\\nba\\nb")


def test_two_tensors_may_not_share_their_bytes(path):
    described = [
        struct.pack("<Q", 1) + name + struct.pack("<IQIQ", 1, 16, F32, 0) for name in (b"a", b"b")
    ]
    path.write_bytes(header(2, 0) + b"".join(described) + b"\0" * 200)
    check_refused(path, "'b' is said to begin at byte 0 of the data, but the tensor before it ends")
    path.write_bytes(header(2, 0) + 2 * described[0] + b"\0" * 200)
    check_refused(path, "the tensor 'a' stands twice")


def test_a_folder_and_a_missing_file_are_told(tmp_path):
    for path, message in ((tmp_path, "Is a directory"), (tmp_path / "no", "No such file or dir")):
        with pytest.raises(InputError, match=f"can't be read: {message}"):
            Header(path)


def test_every_beginning_of_a_file_is_truncated(whole, path):
    path.write_bytes(whole)
    first = min(tensor.start for tensor in Header(path).tensors.values())
    ends = [*range(1, 60), *range(60, first, 97), *range(first, len(whole), 4099), len(whole) - 1]
    for end in ends:
        path.write_bytes(whole[:end])
        with pytest.raises(InputError, match="truncated"):
            Header(path)


@settings(max_examples=150, deadline=2000)
@given(data=st.data())
def test_damage_never_ends_in_another_error(whole, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "model.gguf"
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 1200) | st.integers(0, 12000))
        damaged[place] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    with contextlib.suppress(InputError):
        file = GGUFFile(path)
        _ = file.config
        _ = file.read(file.names[-1])
        file.tokenizer()


def test_all_kinds_of_values_are_read(path):
    writer = gguf.GGUFWriter(path, "llama")
    values = {
        "uint8": 200,
        "int8": -100,
        "uint16": 60000,
        "int16": -30000,
        "uint32": 2**32 - 1,
        "int32": -(2**31),
        "float32": 0.5,
        "uint64": 2**64 - 1,
        "int64": -(2**63),
        "float64": 1e-300,
        "bool": True,
        "string": "▁é",
    }
    for kind, value in values.items():
        getattr(writer, f"add_{kind}")(f"a.{kind}", value)
    writer.add_array("a.texts", ["", "▁é"])
    writer.add_array("a.numbers", [-1, 2, 3])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    metadata = Header(path).metadata
    assert {kind: metadata[f"a.{kind}"] for kind in values} == values
    assert metadata["a.texts"] == ["", "▁é"]
    np.testing.assert_array_equal(metadata["a.numbers"], [-1, 2, 3])


def test_an_alignment_of_its_own(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_custom_alignment(256)
    tensors = {name: np.arange(size, dtype=np.float32) for name, size in (("a", 3), ("b", 70))}
    for name, values in tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    read = Header(path)
    for name, values in tensors.items():
        start, size = read.tensors[name].start, read.tensors[name].num_bytes
        assert start % 256 == 0
        np.testing.assert_array_equal(read.data[start : start + size].view(np.float32), values)


def test_a_value_of_the_wanted_kind(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_float32("a.rate", 1e-5)
    writer.add_uint32("a.count", 3)
    writer.add_bool("a.flag", True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    read = Header(path)
    assert read.get("a.rate", float) == 1e-5  # not 9.999999747378752e-06
    assert read.get("a.count", float) == 3.0
    assert read.get("a.none", int, 4) == 4
    for key, kind in (("a.flag", int), ("a.flag", float), ("a.rate", int), ("a.count", str)):
        with pytest.raises(InputError, match=f"{key} is .*, not of type {kind.__name__}"):
            read.get(key, kind)
    with pytest.raises(InputError, match=r"the metadata has no a\.none"):
        read.get("a.none", int)
