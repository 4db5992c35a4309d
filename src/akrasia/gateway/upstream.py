"""The connection to the upstream: requests out, and every way in which it fails as an error for the client.

The upstream's key lives in the session's headers only, and is blotted out of whatever the upstream says.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from akrasia.core import InputError
from akrasia.gateway.credentials import Credentials
from akrasia.gateway.own_names import HEADERS, body_without
from akrasia.gateway.policy import AUDIT_KEY_VARIABLE, Limits
from akrasia.gateway.query import NOTHING
from akrasia.gateway.seams import Seams
from akrasia.gateway.wire import WireError, read_tail, unreadable, upstream_error, upstream_failed
from akrasia.models.build import KEY_VARIABLES
from akrasia.models.chat_faults import looks_like_html
from akrasia.models.connections import Answer, Connections, Unreachable
from akrasia.models.endpoint import proxy_for, secretive, split_address

_RESOURCES = ("/chat/completions", "/completions", "/models")
_LARGE = 2**20  # aiohttp wants larger bodies as files
_NAMES = 1024

_FORWARDED_PREFIXES = ("openai-", "x-")
_FORWARDED = frozenset({"idempotency-key", "traceparent", "tracestate", "user-agent", "baggage"})
_NOT_FORWARDED = ("x-akrasia-", "x-api-key", "x-forwarded-", "x-real-ip", "x-stainless-")
_NOT_RETURNED = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"content-length", "content-encoding", "date", "server", "set-cookie", "alt-svc", "strict-transport-security"}
)


def parse_upstream(text: str) -> URL:
    """The upstream's base URL.

    Raises:
        InputError: no http(s) URL, or one that carries credentials.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError(f"the upstream {text!r} is no URL: write it like http://localhost:8000/v1")
    if url.user is not None or url.password is not None or any(map(secretive, url.query)):
        raise InputError(f"the upstream's address carries a credential: put the key in {KEY_VARIABLES[0]}")
    path = url.path.rstrip("/")
    if own := next((end for end in _RESOURCES if path.endswith(end)), None):
        base = url.with_path(path.removesuffix(own)).with_query(url.query)
        raise InputError(f"the upstream {text!r} is one resource's address: give the base URL, {str(base)!r}")
    return url.with_fragment(None)


class Upstream:
    """Where requests go.

    Args:
        base: with /v1.
        key: for the upstream; None: none, and a client's own Authorization is passed on where clients need no key.
        limits: `connect_s` and `stall_s`.

    Attributes:
        key: as given.
        credentials: it, to be blotted out.
    """

    def __init__(self, base: URL, key: str | None, limits: Limits) -> None:
        self.key = key
        self.credentials = Credentials(key)
        self._base = base
        self._chat = self._at("chat/completions")
        self._limits = limits
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.stall_s)
        self._connections: Connections | None = None
        self._session: aiohttp.ClientSession | None = None
        self._names: dict[str, bool] = {}
        self._returned: dict[str, bool] = {}

    @property
    def address(self) -> str:
        """The base URL, for people: what stands in its query is for the upstream alone."""
        return str(self._base.with_query(None))

    def key_variables(self, model: str) -> tuple[str, ...]:
        """Where a role's model has its key from: the upstream's own key goes to no other scheme, host or port.

        Args:
            model: as for `--model`.

        Raises:
            InputError: an `openai:` model without a usable address.
        """
        kind, _, rest = model.partition(":")
        if kind == "openai" and _origin(split_address(rest)[1]) == _origin(self._base):
            return KEY_VARIABLES
        return (AUDIT_KEY_VARIABLE,)

    async def open(self) -> None:
        """Prepare the connections; nothing is sent yet."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "*/*",
            "Accept-Encoding": "identity",  # what is passed on as it comes must be readable here
        }
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        proxy = proxy_for(self._base)
        if proxy is None:
            self._connections = Connections(self._chat, headers, self._limits.connect_s, self._limits.stall_s)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            proxy=proxy,
            timeout=self._timeout,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._connections is not None:
            await self._connections.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str] = NOTHING) -> Answer:
        """Send a chat request; the answer's body is still to be read.

        Args:
            body: JSON.
            headers: as from `forwarded`.
            query: as from `akrasia.gateway.query`; the base URL's own parameters count before it.

        Raises:
            WireError: the upstream cannot be reached, or refuses; its error object is passed on.
        """
        try:
            response = await self._posted(body, headers, query)
            if response.status == 200:
                return response
            try:
                refusal = body_without(await response.read())
            finally:
                response.release()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise transport_error(error) from None
        raise self._refused(response, refusal)

    async def _posted(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> Answer:
        if self._connections is not None and not query:
            return await self._connections.post(body, headers)
        data = body if len(body) <= _LARGE else io.BytesIO(body)
        url = self._with(self._chat, query)
        return await self._opened().post(url, data=data, headers=headers, allow_redirects=False)

    async def whole(self, response: Answer) -> bytes:
        """The rest of an answer.

        Raises:
            WireError: it broke off or stalled.
        """
        try:
            body = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise transport_error(error) from None
        return body_without(self.clean(body))

    async def complete(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str] = NOTHING) -> bytes:
        """Send a chat request that is not to be streamed; the completion's body, which is a JSON object in UTF-8.

        Raises:
            WireError: it failed in any way.
        """
        response = await self.post(body, headers, query)
        try:
            completion = await self.whole(response)
        finally:
            response.release()
        self.check(response, completion)
        return completion

    def check(self, response: Answer, body: bytes) -> tuple[int | None, int | None]:
        """Make sure that a body is a completion that clients can read; the tokens that it says it took.

        Raises:
            WireError: 502, or the error that the body carries under status 200.
        """
        tail = read_tail(body)
        if tail is None:
            kind = response.headers.get("Content-Type", "")
            what = "a web page" if looks_like_html(kind, body) else unreadable(kind, body)
            raise upstream_failed(502, f"the upstream answered with {what}", "upstream_invalid")
        if tail.error and bytes(tail.error) != b"null":
            raise upstream_error(response.status, response.headers, body, self.key)
        usage = tail.usage
        return (None, None) if usage is None else (usage.prompt_tokens, usage.completion_tokens)

    async def get(self, path: str, headers: Mapping[str, str], query: Mapping[str, str] = NOTHING) -> bytes:
        """The body of another resource beside `chat/completions`, which is JSON.

        Raises:
            WireError: it failed in any way.
        """
        try:
            url = self._with(self._at(path), query)
            async with self._opened().get(url, headers=headers, allow_redirects=False) as response:
                body = body_without(await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise transport_error(error) from None
        if response.status != 200:
            raise self._refused(response, body)
        if read_tail(body) is None:
            raise upstream_failed(502, "the upstream answered with a body that is not JSON", "upstream_invalid")
        return self.clean(body)

    def clean(self, data: bytes) -> bytes:
        """What the upstream sent, with its key blotted out should it stand there."""
        return self.credentials.out_of_json(data)

    def seams(self) -> Seams:
        """What cleans one of the upstream's streams."""
        return Seams(self.credentials)

    def forwarded(self, request: web.BaseRequest, *, own_key: bool) -> CIMultiDict[str]:
        """The client's headers that the upstream gets.

        Args:
            request: the client's.
            own_key: whether clients show a key of the gateway's: it stays here.
        """
        sent: CIMultiDict[str] = CIMultiDict()
        if "User-Agent" not in request.headers:
            sent["User-Agent"] = "akrasia"
        for name, value in request.headers.items():
            wanted = self._names.get(name)
            if wanted is None:
                wanted = _kept(self._names, name, _is_forwarded(name.lower()))
            if wanted:
                sent.add(name, value)
        if not own_key and self.key is None and "Authorization" in request.headers:
            sent["Authorization"] = request.headers["Authorization"]
        return sent

    def returned(self, response: Answer) -> CIMultiDict[str]:
        """The upstream's headers that the client gets; none of those that tell of audits."""
        sent: CIMultiDict[str] = CIMultiDict()
        for name, value in response.headers.items():
            wanted = self._returned.get(name)
            if wanted is None:
                wanted = _kept(self._returned, name, _is_returned(name.lower()) and not self._names_key(name))
            if wanted and (self.key is None or self.key not in value):
                sent.add(name, value)
        return sent

    def _names_key(self, header: str) -> bool:
        return self.key is not None and self.key.lower() in header.lower()

    def _refused(self, response: Answer, body: bytes) -> WireError:
        if response.status < 400:
            what = f"the upstream answered HTTP {response.status} in place of a completion: does its URL include /v1?"
            return upstream_failed(502, what, "upstream_invalid")
        return upstream_error(response.status, response.headers, body, self.key)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the upstream is not open")
        return self._session

    def _with(self, url: URL, query: Mapping[str, str]) -> URL:
        """An address with a client's parameters. The operator's own stand: no client puts another in their place."""
        return url.extend_query({name: text for name, text in query.items() if name not in url.query})

    def _at(self, path: str) -> URL:
        return self._base.with_path(f"{self._base.path.rstrip('/')}/{path}").with_query(self._base.query)


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port


def _is_forwarded(name: str) -> bool:
    return name in _FORWARDED or (name.startswith(_FORWARDED_PREFIXES) and not name.startswith(_NOT_FORWARDED))


def _is_returned(name: str) -> bool:
    return name not in _NOT_RETURNED and not name.startswith(HEADERS)


def _kept(known: dict[str, bool], name: str, wanted: bool) -> bool:
    if len(known) >= _NAMES:
        known.clear()  # names are the other side's choice: they must not fill the memory
    known[name] = wanted
    return wanted


def transport_error(error: Exception) -> WireError:
    """What a client is told of a connection that failed. The upstream's address stays here."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | Unreachable):
        return upstream_failed(502, "the upstream cannot be reached", "upstream_unreachable")
    if isinstance(error, TimeoutError):
        return upstream_failed(504, "the upstream stayed silent for too long", "upstream_timeout")
    return upstream_failed(502, "the upstream's connection broke", "upstream_reset")
