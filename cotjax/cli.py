"""What every script shares: flags in, one call, an exit code out."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from absl import app, flags, logging

from cotjax.errors import InputError, NotFiniteError
from cotjax.lost import INTERRUPTED, leaving_when_alone
from cotjax.memory_watch import manage_memory

USER_ERROR = 2
NOT_FINITE = 3  # a run whose numbers went wrong
HELP = {f"{dashes}{word}" for dashes in ("-", "--") for word in ("help", "helpshort", "helpfull")}


def fail(message: str, code: int = USER_ERROR) -> None:
    """Prints one line and exits, by default with code 2."""
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(code)


def run(
    main: Callable[..., None],
    required: Sequence[str] = (),
    takes_config: str | None = None,
    many_hosts: bool = False,
) -> None:
    """Parses the flags and calls `main`; a user's mistake becomes one line and exit code 2.

    Args:
      main: The script's one call. It reads its flags from `absl.flags.FLAGS`, and takes the
        loaded, validated configuration when `takes_config` is set.
      required: Names of the flags that must be given.
      takes_config: Kind of config (`student`, `teacher`) of a script that has `--config=FILE` and
        `--config.a.b=VALUE`.
      many_hosts: Whether the script may be one process of a group, as `--num_processes` says.
    """
    if many_hosts:
        _define_group()
    if takes_config:
        flags.DEFINE_string(
            "config", None, "config file; --config.section.field=VALUE overrides a field"
        )
        required = ["config", *required]
    if (HELP | {"-h"}) & set(sys.argv[1:]):
        with _readers_may_leave():
            _print_help()
        sys.exit(0)
    overrides = [word for word in sys.argv[1:] if takes_config and word.startswith("--config.")]
    argv = [word for word in sys.argv if word not in overrides]
    app.run(
        lambda _: _guarded(main, takes_config, overrides),
        argv=argv,
        flags_parser=lambda words: _parse(words, required),
    )


def _define_group() -> None:
    """Flags of a process of a group that no TPU pod and no scheduler describes."""
    flags.DEFINE_string("coordinator_address", None, "host:port of process 0 of a group")
    flags.DEFINE_integer("num_processes", None, "how many processes the group has", lower_bound=1)
    flags.DEFINE_integer("process_id", None, "which of them this one is, from 0", lower_bound=0)


def _export_group() -> None:
    """Puts these flags where `cotjax.group.initialize_distributed` looks for a group."""
    for name in ("coordinator_address", "num_processes", "process_id"):
        if name in flags.FLAGS and flags.FLAGS[name].value is not None:
            os.environ[f"JAX_{name.upper()}"] = str(flags.FLAGS[name].value)


def _guarded(main: Callable[..., None], takes_config: str | None, overrides: list[str]) -> None:
    manage_memory()
    _quieten_libraries()
    _export_group()
    try:
        with _readers_may_leave(), leaving_when_alone(_exit_code):
            if takes_config is None:
                main()
            else:
                from cotjax import config  # imported here: a script without one starts faster

                main(config.load(flags.FLAGS.config, overrides, config.SCHEMAS[takes_config]))
    except (InputError, NotFiniteError) as error:
        fail(str(error), _exit_code(error))
    except OSError as error:  # a folder that can't be written, a full disk
        told = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        fail(told, _exit_code(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _exit_code(error: Exception) -> int:
    if isinstance(error, NotFiniteError):
        return NOT_FINITE
    return USER_ERROR if isinstance(error, InputError | OSError) else 1


@contextlib.contextmanager
def _readers_may_leave() -> Iterator[None]:
    """Ends what is being said, without a word, where its reader (`| head`) went away."""
    try:
        yield
        sys.stdout.flush()  # or a pipe would break at exit, when nobody catches it
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _quieten_libraries() -> None:
    """Leaves the terminal to the script: libraries tell of every file and feature."""
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow says so when this is on, and computes nothing.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")  # two lines for each of five tries
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")  # that torch isn't there


def _parse(argv: Sequence[str], required: Sequence[str]) -> list[str]:
    """Parses `argv`, reporting a bad flag as every other mistake of the user's."""
    for word in argv:
        if not _is_text(word):
            fail(f"{word!r}: not UTF-8; names of files must be, too")
    try:
        left = flags.FLAGS(argv)
    except (flags.Error, UnicodeError) as error:  # UnicodeError: in --flagfile
        fail(str(error))
    except RecursionError:  # absl looks for the nearest flag, a letter at a time
        fail(f"a flag is too long to be one; see {argv[0]} --help")
    missing = [name for name in required if flags.FLAGS[name].value is None]
    if missing:
        fail(f"--{missing[0]} is required; see {argv[0]} --help")
    if len(left) > 1:
        fail(f"unexpected argument {left[1]!r}: flags are written --name=value")
    return left


def _is_text(word: str) -> bool:
    """Whether a word of the command line was UTF-8: what was not, Python keeps as surrogates."""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _print_help() -> None:
    """Prints the script's docstring and its own flags, and none of the libraries'."""
    script = sys.modules["__main__"]
    print((script.__doc__ or "").strip(), end="\n\nFlags:\n")
    modules = (sys.argv[0], __name__)
    for flag in [f for name in modules for f in flags.FLAGS.flags_by_module_dict().get(name, [])]:
        default = "" if flag.default in (None, False) else f" (default: {flag.default})"
        print(f"  --{flag.name}: {flag.help}{default}")
