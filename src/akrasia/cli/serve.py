"""`akrasia serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from akrasia.cli.output import notice


def serve(
    upstream: Annotated[
        str | None, typer.Option(help="Base URL of an OpenAI-compatible endpoint, with /v1.", show_default=False)
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="The policy: a TOML file.", show_default=False)] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8181,
    log: Annotated[Path | None, typer.Option(help="Append the audit log to this file.", show_default=False)] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File of API keys that clients need. [default: the policy's `keys`]")
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Print a new API key, add its hash to the keys file, and exit.")
    ] = False,
) -> None:
    """Serve the OpenAI chat-completions protocol in front of an endpoint, under a policy.

    The upstream's key is read from AKRASIA_API_KEY or OPENAI_API_KEY. Ctrl-C or SIGTERM lets requests under way end;
    SIGHUP, or a change of the file, reloads the policy.
    """
    import asyncio
    import gc

    from akrasia.core import InputError

    if new_key:
        print(_make_key(keys, policy))
        return
    if upstream is None:
        raise InputError("no --upstream: give the base URL of the endpoint, for instance http://localhost:8000/v1")
    if policy is None:
        raise InputError('no --policy: give a TOML file; one line is enough: mode = "pass"')

    from akrasia.gateway.serving import ServeOptions
    from akrasia.gateway.serving import serve as carry_out
    from akrasia.runs import wait_for

    # Requests leave few cycles behind, and looking for them often costs throughput.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    options = ServeOptions(upstream=upstream, policy=policy, host=host, port=port, keys=keys, log=log)
    try:
        wait_for(carry_out(options, notice))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _make_key(keys: Path | None, policy: Path | None) -> str:
    from akrasia.core import InputError
    from akrasia.gateway.keys import new_key

    place = keys
    if place is None and policy is not None:
        from akrasia.gateway.policy_file import read_policies

        named = read_policies(policy).keys
        place = Path(named) if named else None
    if place is None:
        raise InputError("no keys file: name it with --keys, or as `keys` in a policy that --policy gives")
    made = new_key(place)
    notice(f"its hash was added to {place}; the key is shown this once")
    return made
