"""Where an OpenAI-compatible endpoint is, and what the environment says about the way there: its key, a proxy."""

from __future__ import annotations

import os
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct
from yarl import URL

from akrasia.core import EndpointMisuse, InputError
from akrasia.models.build import KEY_VARIABLES


class Address(Struct, frozen=True):
    """A model's name and the endpoint's base URL."""

    model: str
    base: str


def parse_address(text: str, variables: tuple[str, ...] = KEY_VARIABLES) -> Address:
    """Split `NAME@BASE_URL` at the first `@` before `http`; a name may hold `@`, `:` and `/`.

    Args:
        text: what stands after `openai:`.
        variables: environment variables that the endpoint's key is read from, which messages then name.

    Raises:
        InputError: no name, no http(s) URL, or a URL that carries credentials.
    """
    model, url = split_address(text)
    if url.user is not None or url.password is not None or any(map(secretive, url.query)):
        raise InputError(f"the address of model {model!r} carries a credential: put the key in {one_of(variables)}")
    if not url.host:
        raise InputError(f"the address of model {model!r} has no host: write it like http://host:8000/v1")
    return Address(model, str(url.with_fragment(None)).rstrip("/"))


def split_address(text: str) -> tuple[str, URL]:
    """The name and the URL in `NAME@BASE_URL`, whatever that URL is.

    Raises:
        InputError: no name, or no http(s) URL.
    """
    cuts = [i for i in (text.find("@http://"), text.find("@https://")) if i >= 0]
    cut = min(cuts, default=-1)
    if cut < 1:
        raise InputError(
            f"cannot read 'openai:{text}': write openai:NAME@BASE_URL, for instance openai:qwen3@http://localhost:8000/v1"
        )
    try:
        return text[:cut], URL(text[cut + 1 :])
    except ValueError:
        raise InputError(
            f"the address of model {text[:cut]!r} is not a URL: write it like http://host:8000/v1"
        ) from None


def one_of(variables: tuple[str, ...]) -> str:
    """Environment variables as a message names them: the first, and what may stand in its place."""
    first, *others = variables
    return f"{first} (or {', '.join(others)})" if others else first


def secretive(parameter: str) -> bool:
    """Whether a parameter of a URL has the name of one that carries a credential."""
    return any(word in parameter.lower() for word in ("key", "token", "secret", "signature"))


def key_variable(variables: tuple[str, ...]) -> str | None:
    """The first of these environment variables that holds anything."""
    return next((name for name in variables if os.environ.get(name, "").strip()), None)


def read_key(variables: tuple[str, ...] = KEY_VARIABLES) -> str | None:
    """The endpoint's key from the first of these environment variables that is set; None where none is.

    Raises:
        EndpointMisuse: it cannot be sent.
    """
    variable = key_variable(variables)
    if variable is None:
        return None
    key = os.environ[variable].strip()
    if not (key.isascii() and key.isprintable()):
        raise EndpointMisuse(f"the key in {variable} holds characters that no HTTP header can carry: copy it again")
    return key


def proxy_for(base: URL) -> str | None:
    """The proxy that the environment wants for an address; None: none."""
    proxy = getproxies().get(base.scheme)
    return None if proxy is None or proxy_bypass(base.host or "") else proxy
