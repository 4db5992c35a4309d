"""`akrasia`: the commands put together, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from akrasia import __version__
from akrasia.cli.outlet import outlast_readers
from akrasia.core import AkrasiaError

# Some versions of typer carry a click of their own: its base errors are found from the one that typer exports.
_ClickError: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="akrasia",
    help="Measure how far a language model falls short of its own values when it acts, and why.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"akrasia {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Measure how far a language model falls short of its own values when it acts, and why."""


COMMANDS = {
    "run": "akrasia.cli.run:run",
    "risk": "akrasia.cli.risk:risk",
    "gap": "akrasia.cli.gap:gap",
    "compare": "akrasia.cli.compare:compare",
    "plan": "akrasia.cli.plan:plan",
    "prior": "akrasia.cli.prior:prior",
    "gold": "akrasia.cli.gold:app",
    "judge": "akrasia.cli.judge:app",
    "audit": "akrasia.cli.audit:audit",
    "serve": "akrasia.cli.serve:serve",
    "verify-log": "akrasia.cli.verify_log:verify_log",
    "import": "akrasia.cli.import_:app",
    "study": "akrasia.cli.study:study",
    "report": "akrasia.cli.report:report",
    "demo": "akrasia.cli.demo:demo",
    "suite": "akrasia.cli.suite:app",
    "models": "akrasia.cli.models:app",
    "doctor": "akrasia.cli.doctor:doctor",
}
"""Every command, and where it is: a function, or a group with commands of its own."""


def register(only: str | None = None) -> None:
    """Add the commands: the one that is called, so that nothing else is loaded; all of them where it is not known."""
    for name, place in COMMANDS.items():
        if only in COMMANDS and name != only:
            continue
        module, _, attribute = place.partition(":")
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)


def _fail(message: str, code: int) -> NoReturn:
    print(f"akrasia: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the codes of the design: 0, 1, 2 or 3."""
    given = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    outlast_readers()
    register(given[0])
    try:
        code = app(given, standalone_mode=False)
    except AkrasiaError as error:
        _fail(str(error), error.exit_code)
    except _ClickError as error:
        context = getattr(error, "ctx", None)
        where = f" (see `{context.command_path} --help`)" if context else ""
        _fail(f"{getattr(error, 'format_message', error.__str__)()}{where}", 2)
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped by Ctrl-C; if this was a run, the same command goes on where it stopped", 3)
    sys.exit(code if isinstance(code, int) else 0)
