"""Nothing that others wrote is run, leads out of its folder, or is told to whom it isn't meant."""

import ast
import html.parser
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import REPOSITORY
from tests.study import test_report
from tests.study.drawn import tuned

SOURCES = [path for name in ("cotjax", "scripts", "configs")
           for path in sorted((REPOSITORY / name).rglob("*.py"))]  # fmt: skip
# They run code that stands in data, or unpack archives wherever those say.
MODULES = {
    "cPickle", "cloudpickle", "code", "dill", "joblib", "marshal", "pickle", "pty", "shelve",
    "tarfile", "xmlrpc",
}  # fmt: skip
BUILTINS = {"__import__", "compile", "eval", "exec", "input"}
CALLS = {
    "os.popen", "os.startfile", "os.system", "pandas.read_pickle", "shutil.unpack_archive",
    "subprocess.getoutput", "subprocess.getstatusoutput", "tempfile.mktemp", "torch.load",
    "yaml.full_load", "yaml.load", "yaml.unsafe_load",
}  # fmt: skip
SAFE = {"allow_pickle": False, "shell": False, "trust_remote_code": False, "weights_only": True}


def faults(tree: ast.AST) -> list[str]:
    """What a syntax tree does that no source of ours may do."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    pairs = [pair for node in imports for pair in _imported(node)]
    found = [full for _, full in pairs if full.partition(".")[0] in MODULES or _is_forbidden(full)]
    known = dict(pairs)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += _faults_of_call(node, known)
    return found


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """What each name that a line imports stands for, by the name that the source uses."""
    for alias in node.names:
        full = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        yield alias.asname or alias.name, full


def _is_forbidden(name: str) -> bool:
    return name in CALLS or name.startswith(("os.exec", "os.spawn"))


def _faults_of_call(call: ast.Call, known: Mapping[str, str]) -> list[str]:
    """What is wrong with a call; `known` tells what imported names stand for."""
    first, dot, rest = ast.unparse(call.func).partition(".")
    name = known.get(first, first) + dot + rest
    keywords = {one.arg: one.value for one in call.keywords}
    found = [name] if name in BUILTINS or _is_forbidden(name) else []
    for keyword, safe in SAFE.items():
        value = keywords.get(keyword)
        if value is not None and not (isinstance(value, ast.Constant) and value.value is safe):
            found.append(f"{keyword}={ast.unparse(value)}")
    owner, _, method = name.rpartition(".")
    if method in ("extract", "extractall"):
        found.append(name)
    # Files may bring code along for such a class, and transformers asks whether to run it.
    asks = method == "from_pretrained" and owner.rpartition(".")[2].startswith("Auto")
    if asks and "trust_remote_code" not in keywords:
        found.append(f"{name} without trust_remote_code=False")
    return found


def test_sources_are_found():
    assert len(SOURCES) > 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_no_source_runs_what_it_reads(path):
    assert faults(ast.parse(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import tarfile as t",
        "archive.extractall(folder)",
        "from os import system",
        "eval(text)",
        "exec(text)",
        "compile(text, 'f', 'exec')",
        "os.system('ls')",
        "os.execv('ls', [])",
        "subprocess.run('ls', shell=True)",
        "subprocess.run('ls', shell=wanted)",
        "subprocess.getoutput('ls')",
        "np.load(file, allow_pickle=True)",
        "torch.load(file)",
        "yaml.load(text)",
        "AutoTokenizer.from_pretrained(folder, trust_remote_code=True)",
        "AutoTokenizer.from_pretrained(folder)",
        "load_dataset(name, trust_remote_code=flag)",
        "shutil.unpack_archive(file)",
        "import pandas as pd; pd.read_pickle(file)",
        "import subprocess as sp; sp.getoutput('ls')",
        "from os import execv",
        "transformers.AutoTokenizer.from_pretrained(folder)",
        "AutoModelForSeq2SeqLM.from_pretrained(folder)",
        "from transformers import AutoModel as Model; Model.from_pretrained(folder)",
    ],
)
def test_what_is_forbidden_is_found(source):
    assert faults(ast.parse(source))


TEXTS = [
    "<script>document.title = 'run'</script>",
    "</td></table><img src=x onerror=\"document.title = 'run'\">",
    "</title><svg onload=\"document.title = 'run'\">",
    '"><iframe src="javascript:parent.document.title = \'run\'">',
    "<a href=\"javascript:document.title = 'run'\">&lt;b&gt;</a><style>*{display:none}</style>",
    "<!-- <b> ]]> <![CDATA[",
]


@pytest.fixture(params=TEXTS)
def page(request, monkeypatch):
    """A report in which every text from models, data and studies ends in one of these."""
    monkeypatch.setattr(test_report, "SCRIPT", request.param)
    return test_report.page(test_report.hostile(tuned()))


class Parser(html.parser.HTMLParser):
    """Collects the elements of a page, and its attributes that could run anything."""

    def __init__(self):
        super().__init__()
        self.elements, self.handlers = set(), []

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.handlers += [
            (name, value)
            for name, value in attributes
            if name.startswith("on") or (value or "").strip().startswith("javascript:")
        ]


def parsed(page: str) -> Parser:
    parser = Parser()
    parser.feed(page)
    return parser


def test_text_in_a_report_stays_text(page):
    found = parsed(page)
    assert found.handlers == []
    assert not found.elements & {"script", "img", "iframe", "object", "embed", "link", "base"}
    assert found.elements == parsed(test_report.page(tuned())).elements


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_browser_runs_nothing_of_it(tmp_path, monkeypatch):
    """All of them on one page; the title is where a script would write that it ran."""
    monkeypatch.setattr(test_report, "SCRIPT", "".join(TEXTS))
    (tmp_path / "report.html").write_text(test_report.page(test_report.hostile(tuned())), "utf-8")
    (tmp_path / "control.html").write_text(f"<title>none</title>{TEXTS[0]}")
    assert "<title>run</title>" in dump(tmp_path / "control.html")
    dom = dump(tmp_path / "report.html")
    assert "<title>run</title>" not in dom
    assert "&lt;script&gt;" in dom
    assert not parsed(dom).elements & {"script", "img", "iframe"}


def dump(file: Path) -> str:
    """The page as the browser has it once its scripts have run."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    profile = f"--user-data-dir={file.parent / 'profile'}"
    done = subprocess.run(
        [*command, profile, file.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_no_source_reads_a_secret_or_the_whole_environment():
    """The Hub's library finds its token by itself."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("os.environ.items", "os.environ.copy", "get_token", "login")
                environment = [ast.unparse(one) for one in node.args] == ["os.environ"]
                assert not (environment and called in ("dict", "print", "str", "dump_json"))
            if isinstance(node, ast.Subscript | ast.Call):
                assert "environ" not in ast.unparse(node) or "TOKEN" not in ast.unparse(node)


def test_every_dependency_has_bounds():
    """A release that nobody has tried with cotjax can't come in by itself."""
    tree = ast.parse((REPOSITORY / "setup.py").read_text("utf-8"))
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    texts = [*values["CORE"], *(text for extra in values["EXTRAS"].values() for text in extra)]
    assert len(texts) > 30
    for text in texts:
        operators = {one.operator for one in Requirement(text).specifier}
        assert "==" in operators or {">=", "<"} <= operators, text
