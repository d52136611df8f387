"""Every command, flag and help text. Knows no command's work: each is named by the module and function that does it."""

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

from reconcile import __version__

SHELLS: Final = ("bash", "zsh", "fish")

_REVIEWED: Final = ("markdown", "html", "github")
"""The formats in which people review what they see elsewhere than on a terminal."""

_BEFORE_THE_COMMAND: Final = ("-C", "-v", "--verbose", "-q", "--quiet", "--sandbox", "--limits", "--faults", "--seed")

_EXIT_CODES: Final = """\
exit codes:
  0 done   1 failed   2 changes (--detailed-exitcode)   3 refused   4 in doubt   5 quota reached: run again
  6 locked   7 stale plan   64 wrong usage   65 invalid input   70 bug in the tool   130 interrupted, saved
"""


# Argparse makes a formatter for each argument, and one that has no width loads `shutil` to ask the terminal for it.
_of_fixed_width: Final = partial(argparse.RawDescriptionHelpFormatter, width=80)


class Parser(argparse.ArgumentParser):
    """Argparse with the exit code of wrong usage (64), and without abbreviations, which later flags would break.

    Attributes:
        make_epilog: Makes what stands below the options, where loading it would slow down every command.
    """

    make_epilog: Callable[[], str] | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=_of_fixed_width, **options)

    def error(self, message: str) -> NoReturn:
        """Prints the usage and one sentence, and ends with 64."""
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: error: {message}\n")

    def format_help(self) -> str:
        """The help, with the epilog that is made only now, where there is one."""
        if self.make_epilog is not None:
            self.epilog = self.make_epilog()
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_help()

    def format_usage(self) -> str:
        """The usage, as wide as the terminal."""
        self.formatter_class = argparse.RawDescriptionHelpFormatter
        return super().format_usage()

    def parse_known_args(self, *given: Any, **named: Any) -> tuple[Any, list[str]]:
        """Refuses unknown arguments at the command they were given to, whose usage says what there is."""
        args, unknown = super().parse_known_args(*given, **named)
        if unknown:
            misplaced = [flag for flag in unknown if flag.partition("=")[0] in _BEFORE_THE_COMMAND]
            hint = f" ({', '.join(misplaced)}: write it before the command)" if misplaced else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return args, unknown


_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - argparse has no public name for it # pyright: ignore[reportPrivateUsage]


def build_parser(argv: Sequence[str] = ()) -> Parser:
    """The whole command line; of its commands only those that matter when the arguments begin with one of them.

    Making them all takes longer than a small command.
    """
    parser = Parser(
        prog="reconcile",
        description="Declare Nexudus payment-token records in YAML, review them, and create each exactly once.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"reconcile {__version__}")
    _add_common(parser)
    # Without a prog, argparse formats a usage to find one, and loads what asks the terminal for its width.
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", prog="reconcile")
    first = argv[0] if argv else ""
    chosen = [add for names, add in _GROUPS if first in names]
    for add in chosen or [add for _, add in _GROUPS if first != "--version"]:
        add(commands)
    return parser


def _add_common(parser: Parser) -> None:
    parser.add_argument("-C", dest="directory", metavar="DIR", default=".", help="run as if started in DIR")
    verbosity = parser.add_mutually_exclusive_group()
    verbosity.add_argument("-v", "--verbose", action="store_true", help="say more on standard error")
    verbosity.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")
    sandbox = parser.add_argument_group("sandbox", "run any command against a local Nexudus, with a state of its own")
    sandbox.add_argument("--sandbox", action="store_true", help="no credentials, no network, nothing real is touched")
    sandbox.add_argument("--limits", metavar="SPEC", default=None, help="throttle it: published, or name=number,…")
    sandbox.add_argument("--faults", metavar="SPEC", default="", help="let it fail: see `reconcile sandbox --help`")
    sandbox.add_argument("--seed", type=int, metavar="N", default=0, help="the seed for --faults (default 0)")


def _command(commands: _Commands, name: str, does: str, text: str, **options: Any) -> Parser:
    """A command done by `does`: `module:function` below reconcile.cli."""
    command = commands.add_parser(name, help=text, description=text[:1].upper() + text[1:] + ".", **options)
    command.set_defaults(does=does)
    return command


def _add_format(command: Parser, *choices: str) -> None:
    listed = ("text", "json", *choices)
    command.add_argument("--format", choices=listed, default="text", help="how to print it (default: text)")


def _add_selection(command: Parser) -> None:
    command.add_argument("--target", action="append", metavar="GLOB", default=[], help="only these addresses")
    command.add_argument("--exclude", action="append", metavar="GLOB", default=[], help="all but these addresses")
    command.add_argument("--allow-deletes", type=_count, metavar="N", help="let up to N records be deleted")


def _add_refresh(command: Parser) -> None:
    command.add_argument("--refresh", action="store_true", help="look in Nexudus first, and plan from what is there")


def _add_lock_timeout(command: Parser) -> None:
    text = "wait for another run's lock (default 0)"
    command.add_argument("--lock-timeout", type=_seconds, metavar="S", default=0.0, help=text)


def _add_validate(commands: _Commands) -> None:
    validate = _command(commands, "validate", "review:validate", "check the manifests; needs no network and no secrets")
    _add_format(validate, "github", "sarif")
    validate.add_argument("--strict", action="store_true", help="tokens written into manifests are errors")


def _add_schema(commands: _Commands) -> None:
    _command(commands, "schema", "review:schema", "print the JSON Schema of a manifest, for editors")


def _add_plan(commands: _Commands) -> None:
    plan = _command(commands, "plan", "review:plan", "show what apply would do; needs no credentials, changes nothing")
    _add_selection(plan)
    _add_refresh(plan)
    plan.add_argument("--out", metavar="FILE", help="save it, for `show FILE` and `apply FILE`")
    plan.add_argument("--full", action="store_true", help="show every create")
    plan.add_argument("--detailed-exitcode", action="store_true", help="end with 2 when there are changes")
    _add_format(plan, *_REVIEWED)


def _add_drift(commands: _Commands) -> None:
    drift = _command(commands, "drift", "drift:drift", "compare the state with Nexudus; reads only, changes nothing")
    drift.add_argument("--detailed-exitcode", action="store_true", help="end with 2 when anything differs")
    _add_format(drift)
    export = _command(commands, "export", "drift:export", "write manifests of records that none declares yet")
    export.add_argument("--invoice", type=_count, metavar="ID", help="only the records of this invoice")
    export.add_argument("--since", metavar="DATE", default="", help="only records created or changed since (UTC)")
    export.add_argument("--unmanaged", action="store_true", help="only records that no address owns")
    export.add_argument("--out", metavar="DIR", help="the folder to write to (default: manifests/imported)")


def _add_show(commands: _Commands) -> None:
    show = _command(commands, "show", "review:show", "show a saved plan, the state, or one record of it")
    text = "a saved plan, or a record (default: all records)"
    show.add_argument("address", nargs="?", metavar="PLANFILE|ADDRESS", help=text)
    show.add_argument("--full", action="store_true", help="show every create of a saved plan")
    _add_format(show, *_REVIEWED)


def _add_apply(commands: _Commands) -> None:
    apply = _command(commands, "apply", "change:apply", "do the plan, after a typed `yes`")
    apply.add_argument(
        "plan_file", nargs="?", metavar="PLANFILE", help="a plan saved by `plan --out`; does it without asking"
    )
    apply.add_argument("--auto-approve", action="store_true", help="do not ask")
    _add_selection(apply)
    _add_refresh(apply)
    text = "take over records that exist already and match in full"
    apply.add_argument("--adopt-existing", action="store_true", help=text)
    apply.add_argument("--max-writes", type=_count, metavar="N", help="send at most N writes in this run")
    apply.add_argument("--wait", action="store_true", help="wait for the quota, however long it takes")
    apply.add_argument("--full", action="store_true", help="show every create")
    _add_lock_timeout(apply)
    _add_format(apply)
    resolve = _command(commands, "resolve", "change:resolve", "settle writes in doubt, by reading or by your word")
    resolve.add_argument("address", nargs="?", metavar="ADDRESS", help="one of them (default: all, by reading)")
    word = resolve.add_mutually_exclusive_group()
    word.add_argument("--adopt", type=_count, metavar="ID", help="it was done: this record is the one that was sent")
    word.add_argument("--not-created", action="store_true", help="it had no effect; it may be sent again")
    _add_lock_timeout(resolve)
    _add_format(resolve)


def _add_import(commands: _Commands) -> None:
    taking = _command(commands, "import", "importing:take_over", "take over an existing record; sends nothing")
    taking.add_argument("address", metavar="ADDRESS", help="where it is declared")
    taking.add_argument("id", type=_count, metavar="ID", help="its Id in Nexudus")
    _add_lock_timeout(taking)


def _add_state(commands: _Commands) -> None:
    state = _command(commands, "state", "state:usage", "look at the state, or correct it by hand")
    verbs = state.add_subparsers(title="commands", metavar="COMMAND", dest="verb", prog="reconcile state")
    listing = _command(verbs, "list", "state:list_records", "list the records")
    listing.add_argument("pattern", nargs="*", metavar="GLOB", help="only these addresses")
    _add_format(listing)
    showing = _command(verbs, "show", "state:show_record", "show one record")
    showing.add_argument("address", metavar="ADDRESS")
    _add_format(showing)
    moving = _command(verbs, "mv", "state:move", "give a record another address; sends nothing")
    moving.add_argument("source", metavar="ADDRESS")
    moving.add_argument("to", metavar="NEW_ADDRESS")
    removing = _command(verbs, "rm", "state:forget", "forget records without deleting them; sends nothing")
    removing.add_argument("pattern", nargs="+", metavar="GLOB")
    _command(verbs, "pull", "state:pull", "print the state")
    pushing = _command(verbs, "push", "state:push", "replace the state with a file")
    pushing.add_argument("file", metavar="FILE", help="a state file, or - for standard input")
    pushing.add_argument("--force", action="store_true", help="even with another lineage or an older serial")
    for verb in (moving, removing, pushing):
        _add_lock_timeout(verb)
    unlock = _command(
        commands, "unlock", "state:unlock", "remove the lock of a holder on another host, after showing it"
    )
    unlock.add_argument("lock_id", metavar="LOCK_ID")


def _add_ledger(commands: _Commands) -> None:
    _add_format(_command(commands, "quota", "ledger:quota", "show what is used and left of every limit"))
    _add_format(_command(commands, "history", "ledger:history", "show every run: when, who, what, and how it ended"))


def _add_start(commands: _Commands) -> None:
    init = _command(
        commands, "init", "start:init", "write a starter folder: settings, an example manifest, ignore rules"
    )
    init.add_argument("init_directory", nargs="?", metavar="DIR", default=".")
    init.add_argument("--ci", choices=("github", "gitlab"), help="and what a CI service needs to review and apply")
    sandbox = _command(commands, "sandbox", "start:sandbox", "run a local Nexudus for trials and tests")
    sandbox.add_argument("--port", type=_port, metavar="N", default=0, help="the port (default: a free one)")
    sandbox.add_argument("--db", metavar="FILE", help="keep its records in FILE (default: in memory)")
    for flag in ("--limits", "--faults"):
        sandbox.add_argument(flag, metavar="SPEC", default=argparse.SUPPRESS, help="as before the command; see below")
    sandbox.add_argument("--seed", type=int, metavar="N", default=argparse.SUPPRESS, help="the seed for --faults")
    sandbox.make_epilog = _sandbox_epilog
    completion = _command(commands, "completion", "start:completion", "print a completion script for a shell")
    completion.add_argument("shell", choices=SHELLS)


def _sandbox_epilog() -> str:
    from textwrap import fill

    from reconcile.sandbox.faults import FAULTS_HELP
    from reconcile.sandbox.throttle import LIMITS_HELP

    limits = fill(LIMITS_HELP, 100, initial_indent="  ", subsequent_indent="  ", break_long_words=False)
    return f"limits:\n{limits}\n\nfaults:\n  {FAULTS_HELP}\n"


_GROUPS: Final = (
    (("validate",), _add_validate),
    (("schema",), _add_schema),
    (("plan",), _add_plan),
    (("drift", "export"), _add_drift),
    (("show",), _add_show),
    (("apply", "resolve"), _add_apply),
    (("import",), _add_import),
    (("state", "unlock"), _add_state),
    (("quota", "history"), _add_ledger),
    (("init", "sandbox", "completion"), _add_start),
)
"""Which commands each function adds; a command that is missing here is added with all others."""


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _port(text: str) -> int:
    port = _count(text)
    if port > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return port


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
