"""Models behind an OpenAI-compatible HTTP endpoint: `openai:NAME@BASE_URL`.

The hot path is one POST: encode, a place at the limiter, the exchange, decode. Everything that can go wrong leaves it
as a `Fault` and is dealt with in `complete`. The key is read from the environment when the model is opened, lives in
the session's headers only, and is blotted out of whatever the server says.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from difflib import get_close_matches
from typing import NoReturn

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from akrasia.core import (
    AkrasiaError,
    CallRefused,
    EndpointLost,
    EndpointMisuse,
    Fingerprint,
    QuotaExhausted,
    Reply,
    Request,
)
from akrasia.core.decoding import Undecodable, decode_json
from akrasia.models.build import ModelSettings
from akrasia.models.chat_faults import (
    SHORTEST_SECRET,
    Fault,
    Kind,
    classify,
    looks_like_html,
    one_line,
    out_of_range,
    read_error,
    reform,
    scrub,
    unreadable,
)
from akrasia.models.chat_reply import NoChoices, parse_replies
from akrasia.models.chat_request import BodyWriter, Dialect, Wire
from akrasia.models.connections import Answer, Connections, NotHttp, Unreachable
from akrasia.models.endpoint import Address, key_variable, one_of, parse_address, proxy_for, read_key
from akrasia.models.limiter import Limiter, limiter_for
from akrasia.models.retries import Retries

_MOST_CHOICES = 128
_FIRST_CONNECT_S = 4.0
_CONNECT_S = 30.0
_WARNED_BODY = 2**20  # aiohttp wants larger bodies as files


def build(text: str, settings: ModelSettings) -> OpenAIModel:
    """The model that `openai:TEXT` names."""
    return OpenAIModel(parse_address(text, settings.key_variables), settings)


class OpenAIModel:
    """One model at an OpenAI-compatible endpoint. See `akrasia.core.Model`."""

    def __init__(self, address: Address, settings: ModelSettings) -> None:
        self.name = f"openai:{address.model}@{address.base}"
        self._model = address.model
        self._base = URL(address.base)
        self._settings = settings
        self._url = self._at("chat/completions")
        self._writer = BodyWriter(address.model)
        self._dialect = Dialect(choices=_MOST_CHOICES)
        self._session: aiohttp.ClientSession | None = None
        self._limiter = Limiter(settings.concurrency)  # the endpoint's own takes its place in `open`
        self._connections: Connections | None = None
        self._timeout = self._timeouts(_FIRST_CONNECT_S)
        self._key: str | None = None
        self._key_bytes = b""
        self._interrupted = asyncio.Event()
        self._answered = False  # anything at all came back
        self._served = False  # a completion came back
        self._rate_limited = False  # the user was told once
        self._odd_usage = False  # likewise

    @property
    def fingerprint(self) -> Fingerprint:
        """The name alone: an endpoint pins no weights, and its address is not part of an answer."""
        return Fingerprint(self._model, "", "openai")

    @property
    def choices(self) -> int:
        """128 until the endpoint shows that it gives fewer."""
        return self._dialect.choices

    @property
    def concurrency(self) -> int:
        """What the endpoint's limiter allows now. It changes while running; calls beyond it queue at the limiter."""
        return self._limiter.limit

    async def open(self) -> None:
        """Read the key and prepare the connections; nothing is sent yet.

        Raises:
            EndpointMisuse: the key cannot be sent.
        """
        self._key = read_key(self._settings.key_variables)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "akrasia"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
            # A shorter key is a local server's placeholder ("1", "EMPTY"): no secret, and blotting it out of an answer
            # would change the answer.
            self._key_bytes = self._key.encode() if len(self._key) >= SHORTEST_SECRET else b""
        self._limiter = limiter_for(str(self._base), self._settings.concurrency)
        # Looked up once: aiohttp's trust_env reads the environment and .netrc for every request.
        proxy = proxy_for(self._base)
        if proxy is None:
            accepted = {"Accept-Encoding": "gzip, deflate"}
            self._connections = Connections(self._url, headers | accepted, self._timeout.sock_connect or _CONNECT_S)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            proxy=proxy,
        )

    async def close(self) -> None:
        """Close the connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def complete(self, request: Request, n: int = 1) -> list[Reply]:
        """See `akrasia.core.Model.complete`."""
        if request.grammar is not None:
            raise CallRefused(
                f"{self.name}: an HTTP endpoint takes no GBNF grammar: use a JSON schema, or a local model"
            )
        retries: Retries | None = None
        asked = n
        while True:
            wire = self._writer.write(request, asked, self._dialect)
            outcome = await self._exchange(wire, request)
            if not isinstance(outcome, Fault):
                got = len(outcome)
                if got < wire.n or (asked < n and request.temperature > 0):
                    self._dialect.choices = min(self._dialect.choices, got)
                return outcome if got <= wire.n else outcome[: wire.n]
            kind = outcome.kind
            if kind is Kind.REFORM:
                continue
            if kind is Kind.REFUSED and wire.n > 1:
                asked = 1  # perhaps only `n` was refused, in words that we do not know
                continue
            if kind not in (Kind.RETRY, Kind.RATE_LIMITED):
                await self._give_up(outcome, request)
            if kind is Kind.RATE_LIMITED and not self._rate_limited:
                self._rate_limited = True
                self._notice(f"{self.name} limits the rate: going on at the pace that it allows")
            retries = retries or Retries(self.name, self._settings)
            await self._rest(retries.delay_s(outcome, answered=self._answered))

    def interrupt(self) -> None:
        """End every wait: calls that rest between tries, or queue at the limiter, have no answer to be kept."""
        self._interrupted.set()
        self._limiter.interrupt()

    async def _rest(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._interrupted.wait()
        except TimeoutError:
            return
        raise EndpointLost(f"{self.name}: stopped while waiting to try again")

    async def _exchange(self, wire: Wire, request: Request) -> list[Reply] | Fault:
        limiter = self._limiter
        if not limiter.enter():
            await limiter.wait()
        epoch = limiter.epoch
        fault = None
        try:
            response, body = await self._post(wire.body)
            if response.status != 200:
                fault = self._http_fault(response, body, wire)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = self._transport_fault(error)
        finally:
            # Before the place is free: a pause must hold for whoever waits for it.
            if fault is not None and (fault.overload or fault.pause_s):
                limiter.overloaded(epoch, fault.pause_s or 0.0)
            limiter.leave()
        if fault is not None:
            return fault
        return self._read(response, body, request)

    async def _post(self, body: bytes) -> tuple[Answer, bytes]:
        """One POST, by the short way where no proxy is between."""
        if self._connections is None:
            data = body if len(body) <= _WARNED_BODY else io.BytesIO(body)
            session = self._opened()
            response = await session.post(self._url, data=data, allow_redirects=False, timeout=self._timeout)
            return response, await response.read()
        async with asyncio.timeout(self._timeout.total):
            answer = await self._connections.post(body)
            try:
                return answer, await answer.read()
            finally:
                answer.release()

    def _read(self, response: Answer, body: bytes, request: Request) -> list[Reply] | Fault:
        if not self._answered:
            self._note_answer()
        if self._key_bytes and self._key_bytes in body:
            body = body.replace(self._key_bytes, b"***")
        continued = request.messages[-1].content if request.continue_turn else None
        try:
            replies = parse_replies(
                body, keep_raw=self._settings.keep_raw, continued=continued, on_odd_usage=self._tell_odd_usage
            )
        except NoChoices as empty:
            if empty.is_error:
                status = read_error(body).status or 502
                return classify(status, response.headers, body, self._key)
            return self._unreadable("JSON without choices")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            kind = response.headers.get("Content-Type", "")
            if looks_like_html(kind, body):
                return self._unreadable("a web page instead of JSON")
            if body and "json" not in kind:
                return self._unreadable(f"{one_line(kind, self._key) or 'an untyped body'} instead of JSON")
            if isinstance(error, msgspec.ValidationError) and not out_of_range(error):
                return self._unreadable(f"JSON that is no chat completion ({one_line(str(error), self._key)})")
            why = unreadable(body, error)
            if why is not None:
                return Fault(Kind.UNREADABLE, f"its answer cannot be read: {why}")
            return Fault(Kind.RETRY, f"HTTP 200 with broken JSON ({one_line(str(error), self._key)})")
        self._served = True
        self._limiter.succeeded()
        return replies

    def _tell_odd_usage(self, why: str) -> None:
        if not self._odd_usage:
            self._odd_usage = True
            self._notice(f"{self.name} counts tokens in a form that cannot be read ({why}): such counts are unknown")

    def _notice(self, line: str) -> None:
        if self._settings.on_notice is not None:
            self._settings.on_notice(line)

    def _unreadable(self, what: str) -> Fault:
        """An endpoint that served us before is having trouble; one that never did is not the one we look for."""
        if self._served:
            return Fault(Kind.RETRY, f"HTTP 200 with {what}")
        return Fault(Kind.MISUSE, f"the endpoint answers with {what}: does the URL include /v1?")

    def _http_fault(self, response: Answer, body: bytes, wire: Wire) -> Fault:
        self._note_answer()
        if response.status in (400, 422) and reform(body, wire, self._dialect):
            return Fault(Kind.REFORM, "")
        return classify(response.status, response.headers, body, self._key)

    def _transport_fault(self, error: Exception) -> Fault:
        said = one_line(str(error), self._key)
        certificate = isinstance(error.__cause__, ssl.SSLCertVerificationError)
        if certificate or isinstance(error, aiohttp.ClientConnectorCertificateError):
            return Fault(
                Kind.MISUSE, f"its certificate cannot be trusted ({said}): set SSL_CERT_FILE to your authority's"
            )
        if isinstance(error, Unreachable | aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return Fault(Kind.RETRY, f"unreachable ({said})", unreachable=True)
        if isinstance(error, TimeoutError):
            return Fault(Kind.RETRY, f"no answer within {self._settings.timeout_s:g} s", overload=True)
        if isinstance(error, NotHttp | aiohttp.ClientResponseError) and not self._answered:
            return Fault(Kind.MISUSE, f"what answers there does not speak HTTP ({said})")
        if isinstance(error, aiohttp.InvalidURL):
            return Fault(Kind.MISUSE, "the address is not a URL: write it like http://host:8000/v1")
        return Fault(Kind.RETRY, f"the connection broke ({said or type(error).__name__})")

    def _note_answer(self) -> None:
        self._answered = True
        self._timeout = self._timeouts(_CONNECT_S)
        if self._connections is not None:
            self._connections.connect_s = _CONNECT_S

    async def _give_up(self, fault: Fault, request: Request) -> NoReturn:
        said = f"{self.name}: {fault.message}"
        error: AkrasiaError
        match fault.kind:
            case Kind.QUOTA:
                again = " and run the same command again" if self._settings.resumable else ""
                error = QuotaExhausted(f"{said}: the account's quota is spent; top it up{again}")
            case Kind.UNAUTHORISED if self._key is None:
                error = EndpointMisuse(f"{said}: it wants a key: set {one_of(self._settings.key_variables)}")
            case Kind.UNAUTHORISED:
                where = key_variable(self._settings.key_variables)
                error = EndpointMisuse(f"{said}: it refuses the key: set a valid one in {where}")
            case Kind.UNKNOWN_MODEL:
                error = EndpointMisuse(f"{said}{await self._known_models()}")
            case Kind.MISUSE:
                error = EndpointMisuse(said)
            case _ if request.continue_turn:
                error = CallRefused(f"{said} (the request continues an unfinished turn: can this endpoint do that?)")
            case _:
                error = CallRefused(said)
        raise error

    async def _known_models(self) -> str:
        """The tail of a message about an unknown model: near names, or a few, where the endpoint lists them."""
        try:
            async with self._opened().get(self._at("models"), timeout=aiohttp.ClientTimeout(10)) as response:
                listing = decode_json(await response.read(), _Listing)
        except (aiohttp.ClientError, TimeoutError, OSError, Undecodable):
            return ": check the name before the @"
        names = sorted(scrub(entry.id, self._key) for entry in listing.data)
        near = get_close_matches(self._model, names, n=3, cutoff=0.5)
        if near:
            return f": did you mean {' or '.join(near)}?"
        shown = ", ".join(names[:5])
        return (
            f": it has {shown}{f' and {len(names) - 5} more' if len(names) > 5 else ''}" if names else ": it lists none"
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError(f"{self.name} is not open")
        return self._session

    def _at(self, path: str) -> URL:
        return self._base.with_path(f"{self._base.path.rstrip('/')}/{path}").with_query(self._base.query)

    def _timeouts(self, connect_s: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self._settings.timeout_s, sock_connect=connect_s)


class _Entry(Struct):
    id: str


class _Listing(Struct):
    data: list[_Entry]
