"""Reasoning by any server that speaks OpenAI's chat completions.

The SDK is imported at the first call, not before: the import takes a second and 48 MiB. It makes one HTTP
request per call here, since retries belong to the work row; replies are read by this module, so that whatever
a server sends ends in a :class:`Completion` or in a :class:`ProviderError` of the right class.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
import ssl
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Literal
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from memory import tokens
from reasoning.prompts.messages import build_messages
from reasoning.prompts.schema import describe_schema, fits_schema, parse_answer, schema_of
from reasoning.providers.base import OUTPUT_LIMITS, Completion, Failure, ProviderError, Request, Usage

NO_KEY = "none"
"""Stands for an empty key, as local servers take any."""

DEFAULT_BASE_URL = "https://api.openai.com/v1"
MAX_CONNECTIONS = 1_024
MAX_KEPT_ALIVE = 256
CONNECT_TIMEOUT = 10.0
MAX_RAW = 20_000
"""How many characters of an error's body are kept for the quarantine."""

TOO_LONG = "Context too long"
"""How the message of a ``REFUSED`` begins where a smaller batch would help."""

OVERHEAD_TOKENS = 50
"""What the form of a request takes beside its texts."""

RESERVED_PARAMETERS = frozenset(
    {
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "response_format",
        "tools",
        "functions",
        "tool_choice",
    }
)
"""What a prompt version's parameters must not set."""

Structured = Literal["auto", "json_schema", "json_object"]
Mode = Literal["json_schema", "object_schema", "json_object", "text"]
"""How the form of an answer is asked for: OpenAI's ``json_schema``; ``json_object`` with a ``schema``, as servers made
around llama.cpp take it; ``json_object`` and the schema in words; words alone."""

_MODES: dict[str, tuple[Mode, ...]] = {
    "auto": ("json_schema", "object_schema", "json_object", "text"),
    "json_schema": ("json_schema",),
    "json_object": ("json_object",),
}
_WITH_SCHEMA: tuple[Mode, ...] = ("json_schema", "object_schema")

_NEWER_LIMIT, _OLDER_LIMIT = "max_completion_tokens", "max_tokens"
_KNOW_NEWER_LIMIT = ("api.openai.com", ".openai.azure.com")
"""Whose models may refuse the older name. Others may never have heard of the newer one, and a limit that a server does
not know is not refused: nothing limits its answers."""


@dataclass(frozen=True)
class Manner:
    """How a server wants to be asked.

    ``proven`` says that it has kept to the JSON schema before, so that nonsense from it is the model's own.
    """

    mode: Mode
    limit_parameter: str = _OLDER_LIMIT
    limit_refused: bool = False
    """Whether the server has refused the other name of the limit."""

    proven: bool = False


_manners: dict[tuple[str, str], Manner] = {}
"""What was learnt of each (base URL, model), for as long as the process lives."""


@dataclass(frozen=True)
class Reply:
    """The parts of a successful HTTP reply that matter."""

    text: str
    model: str
    usage: Usage | None
    """What it took with all before it; None where the server does not say."""

    finish_reason: str


def forget_manners() -> None:
    """Forget what was learnt of servers, as a new process would."""
    _manners.clear()


def check_parameters(parameters: Mapping[str, Any]) -> list[str]:
    """Problems of a prompt version's parameters, worded for people.

    ``max_output_tokens`` is sent under the name that the server knows; all others are sent as they are.
    """
    return [
        f"The parameter {name!r} cannot be set by a prompt version."
        for name in sorted(RESERVED_PARAMETERS & parameters.keys())
    ]


class OpenAIProvider:
    """A provider that asks ``POST {base_url}/chat/completions``.

    ``timeout`` is the longest that one answer may take, in seconds, all fallbacks included; a request's own
    ``timeout`` counts where it is shorter. ``structured`` fixes how the form of the answer is enforced; with
    ``auto`` it is what the server accepts. ``name`` is what its state, passes and prices are kept under;
    ``output_tokens`` is what an answer is expected to take at most where the request sets no limit. An instance may
    serve several event loops, one client each.

    Raises ``ValueError`` for a key or an address that cannot be used; its text does not hold the key.
    """

    free = False

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        timeout: float = 60,
        structured: Structured = "auto",
        name: str = "openai",
        output_tokens: int = 4_000,
    ) -> None:
        self.name = name
        self.output_tokens = output_tokens
        self._api_key = checked_key(api_key)
        self.base_url = checked_base_url(base_url or DEFAULT_BASE_URL)
        self.timeout = float(timeout)
        if structured not in _MODES:
            raise ValueError(f"structured must be one of {', '.join(_MODES)}")
        self._modes = _MODES[structured]
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"OpenAIProvider(base_url={self.base_url!r})"

    def projected(self, request: Request) -> Usage:
        """Return the most that a call is expected to take: what is sent, in o200k tokens, and the answer's limit."""
        sent = [message["content"] for message in build_messages(request)]
        limits = [request.parameters.get(name) for name in OUTPUT_LIMITS]
        limit = next((value for value in limits if isinstance(value, int) and value > 0), self.output_tokens)
        return Usage(sum(tokens.count_each([*sent, json.dumps(schema_of(request))])) + OVERHEAD_TOKENS, limit)

    async def answer(self, request: Request) -> Completion:
        """Ask the model. Raises ``ProviderError``, or ``ValueError`` for a request that cannot be put."""
        if not request.model:
            raise ValueError("the request names no model")
        problems = check_parameters(request.parameters)
        if problems:
            raise ProviderError(Failure.REFUSED, " ".join(problems))
        messages = build_messages(request)
        if "openai" not in sys.modules:  # it takes seconds, in which no heartbeat would be sent
            await asyncio.to_thread(importlib.import_module, "openai")
        seconds = min(self.timeout, request.timeout)
        try:
            async with asyncio.timeout(seconds) as clock:
                return await self._converse(request, messages, seconds)
        except TimeoutError:
            if not clock.expired():
                raise
        # It may have worked on the answer all the while, and bill it.
        told = f"The model did not answer within {seconds:g} seconds."
        raise ProviderError(Failure.TRANSIENT, told, usage=None, slow=True)

    async def close(self) -> None:
        """Close the running event loop's connections; the provider can be used again afterwards."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    async def _converse(self, request: Request, messages: list[dict[str, str]], seconds: float) -> Completion:
        """Ask in the manner that is known to work, and in lesser ones until the server can be understood."""
        manner = self._manner(request.model)
        spent = Usage()
        while True:
            status, headers, body = await self._post(payload(request, messages, manner), seconds)
            status = hidden_status(status, body)
            if status != 200:
                lesser = accommodate(manner, self._modes, status, body, request.parameters)
                if lesser is None:
                    raise failure(status, headers, body, model=request.model, secret=self._api_key, usage=spent)
                manner = lesser
                continue
            _manners.setdefault((self.base_url, request.model), manner)  # what was refused is, whatever the model says
            reply = read_reply(body, request.model, spent)
            try:
                completion = self._completion(request, reply, spent)
            except ProviderError as error:
                spent = error.usage or spent
                lesser = unheeded(manner, self._modes, reply.text, request)
                if lesser is None:
                    raise
                manner = lesser
                continue
            self._remember(request, manner, reply.text)
            return completion

    def _completion(self, request: Request, reply: Reply, spent: Usage) -> Completion:
        """The answer that a reply holds, with what it took, or an estimate, beside what was ``spent`` before.

        Raises ``ProviderError`` with the same usage.
        """
        usage = reply.usage
        if usage is None:
            usage = added(spent, Usage(self.projected(request).input_tokens, tokens.count(reply.text)))
        try:
            answer = parse_answer(reply.text, request)
        except ProviderError as error:
            error.usage = usage
            raise
        return Completion(
            answer=answer,
            raw=reply.text,
            provider=self.name,
            model=reply.model,
            usage=usage,
            finish_reason=reply.finish_reason,
        )

    def _manner(self, model: str) -> Manner:
        """The manner that worked last with ``model``, as far as ``structured`` allows it."""
        known = _manners.get((self.base_url, model), Manner(self._modes[0], limit_parameter(self.base_url)))
        return known if known.mode in self._modes else replace(known, mode=self._modes[0], proven=False)

    def _remember(self, request: Request, manner: Manner, text: str) -> None:
        """Keep a manner that worked, unless a better one has been proven meanwhile."""
        known = _manners.get((self.base_url, request.model))
        proven = manner.mode in _WITH_SCHEMA and (manner.proven or fits_schema(text, schema_of(request)))
        if known is None or proven or not known.proven:
            _manners[self.base_url, request.model] = replace(manner, proven=proven)

    async def _post(self, body: dict[str, Any], seconds: float) -> tuple[int, Mapping[str, str], str]:
        """One HTTP request: status, headers and body. Raises ``ProviderError`` where there is no reply."""
        import httpx2

        return await received(
            self._client().chat.completions.with_raw_response.create(
                model=body.pop("model"),
                messages=body.pop("messages"),
                extra_body=body,
                timeout=httpx2.Timeout(seconds, connect=min(CONNECT_TIMEOUT, seconds)),
            )
        )

    def _client(self) -> Any:
        """The running event loop's SDK client, made when it is first asked for."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = new_client(self._api_key, self.base_url, self.timeout)
        return client


async def received(call: Awaitable[Any]) -> tuple[int, Mapping[str, str], str]:
    """What comes of a raw call of the SDK: status, headers and body. Raises ``ProviderError`` where nothing does."""
    response = await reached(call)
    return response.status_code, response.headers, response.text


async def reached(call: Awaitable[Any]) -> Any:
    """The HTTP response, of any status, that a raw call of the SDK comes to. Raises ``ProviderError`` without one."""
    import httpx2
    import openai

    problem: Exception
    try:
        return (await call).http_response
    except openai.APIStatusError as error:
        return error.response
    except openai.APITimeoutError as error:
        slow = isinstance(error.__cause__, httpx2.ReadTimeout)
        problem = ProviderError(Failure.TRANSIENT, "The connection to the model timed out.", usage=None, slow=slow)
    except openai.APIConnectionError as error:
        problem = connection_failure(error.__cause__)
    raise problem  # Outside the handlers, so that no traceback carries what the SDK's error says.


def new_client(api_key: str, base_url: str, timeout: float) -> Any:
    """An ``AsyncOpenAI`` without retries and with room for many calls in flight."""
    import httpx2
    import openai

    sdk_logger = logging.getLogger("openai")
    if sdk_logger.level == logging.NOTSET:
        sdk_logger.setLevel(logging.WARNING)  # At DEBUG the SDK logs what it sends.
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_KEPT_ALIVE)
    return openai.AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        timeout=timeout,
        http_client=openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, verify=trust()),
    )


@cache
def trust() -> ssl.SSLContext:
    """Whom connections trust, read once in a process: it takes longer than a short answer of a quick model."""
    import httpx2

    return httpx2.create_ssl_context()


def checked_key(api_key: str) -> str:
    """The key without white space around it, or ``NO_KEY``."""
    key = api_key.strip()
    if not all("!" <= character <= "~" for character in key):
        raise ValueError("the API key holds characters that cannot stand in an HTTP header")
    return key or NO_KEY


def checked_base_url(base_url: str) -> str:
    """The address without a slash at its end. Raises ``ValueError`` where it is not an HTTP address."""
    parts = urlsplit(base_url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("the base URL must be a full HTTP address, such as http://localhost:11434/v1")
    if parts.username or parts.password:
        raise ValueError("the base URL must not hold a user name or a password")
    return base_url.strip().rstrip("/")


def limit_parameter(base_url: str) -> str:
    """The name by which a server is first told the limit of an answer's tokens."""
    host = urlsplit(base_url).hostname or ""
    return _NEWER_LIMIT if host.endswith(_KNOW_NEWER_LIMIT) else _OLDER_LIMIT


# --- asking


def payload(request: Request, messages: list[dict[str, str]], manner: Manner) -> dict[str, Any]:
    """The body of a chat completion request."""
    parameters = {name: value for name, value in request.parameters.items() if value is not None}
    if "max_output_tokens" in parameters:
        parameters[manner.limit_parameter] = parameters.pop("max_output_tokens")
    schema = schema_of(request)
    if manner.mode not in _WITH_SCHEMA:
        system = f"{messages[0]['content']}\n\n{describe_schema(schema)}"
        messages = [{"role": "system", "content": system}, *messages[1:]]
    body = {**parameters, "model": request.model, "messages": messages}
    if manner.mode == "json_schema":
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "memory", "strict": True, "schema": schema},
        }
    elif manner.mode == "object_schema":
        body["response_format"] = {"type": "json_object", "schema": schema}
    elif manner.mode == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


_FORMAT_WORDS = ("response_format", "json_schema", "json_object", "structured output", "grammar", "guided")
_UNSUPPORTED_WORDS = ("unsupported", "not supported", "not support")
_REFUSALS = frozenset({400, 404, 415, 422, 500})
"""By which servers refuse a manner. Some answer 500 to whatever they did not expect: there it takes the right words."""


def accommodate(
    manner: Manner, modes: tuple[Mode, ...], status: int, body: str, parameters: Mapping[str, Any]
) -> Manner | None:
    """The next manner to try after an error, if the server seems to refuse the manner and not the request."""
    text = complaint(body)
    if status not in _REFUSALS or is_too_long(text):
        return None
    if "max_output_tokens" in parameters and manner.limit_parameter in text and not manner.limit_refused:
        other = _OLDER_LIMIT if manner.limit_parameter == _NEWER_LIMIT else _NEWER_LIMIT
        return replace(manner, limit_parameter=other, limit_refused=True)
    names = {_OLDER_LIMIT, _NEWER_LIMIT, *parameters}
    unsupported = status != 500 and any(word in text for word in _UNSUPPORTED_WORDS)
    unsupported = unsupported and not any(name in text for name in names)
    if unsupported or any(word in text for word in _FORMAT_WORDS):
        return lesser_mode(manner, modes)
    return None


def unheeded(manner: Manner, modes: tuple[Mode, ...], text: str, request: Request) -> Manner | None:
    """The next manner to try where a server, not known to heed the schema, sent what does not fit it.

    It is one with words: who passes over a schema in one place passes over it in another, and each try is paid for.
    """
    if manner.mode not in _WITH_SCHEMA or manner.proven or fits_schema(text, schema_of(request)):
        return None
    return lesser_mode(manner, tuple(mode for mode in modes if mode not in _WITH_SCHEMA or mode == manner.mode))


def lesser_mode(manner: Manner, modes: tuple[Mode, ...]) -> Manner | None:
    """``manner`` with the mode after its own in ``modes``; ``None`` after the last."""
    following = modes[modes.index(manner.mode) + 1 :]
    return replace(manner, mode=following[0]) if following else None


# --- reading a reply


def hidden_status(status: int, body: str) -> int:
    """200 for any success, except where the reply holds an error: then its code, or 502 if it has none."""
    if not 200 <= status <= 299:
        return status
    loaded = loaded_object(body)
    error = loaded.get("error")
    if not error or loaded.get("choices"):
        return 200
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code <= 599 else 502


def read_reply(body: str, model: str, spent: Usage) -> Reply:
    """Take a reply of status 200 apart, its usage added to what was ``spent`` before (None where it tells none).

    Raises ``ProviderError``: ``NONSENSE`` where there is no text or it was cut off, ``REFUSED`` where the
    model or a content filter declined.
    """
    loaded = loaded_object(body)
    if not loaded:
        raise ProviderError(Failure.NONSENSE, "The reply is not a JSON object.", raw=body[:MAX_RAW], usage=spent)
    told = loaded.get("usage")
    usage = added(spent, read_usage(told)) if isinstance(told, dict) else None
    choices = loaded.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise ProviderError(Failure.NONSENSE, "The reply holds no choice.", raw=body[:MAX_RAW], usage=usage)
    finish_reason = choice.get("finish_reason")
    raw = message_text(message.get("content"))
    if message.get("refusal") or finish_reason == "content_filter":
        by = "A content filter" if finish_reason == "content_filter" else "The model"
        refusal = message.get("refusal")
        raise ProviderError(
            Failure.REFUSED,
            f"{by} declined to answer.",
            raw=(raw or (refusal if isinstance(refusal, str) else "")),
            usage=usage,
        )
    if finish_reason in {"length", "max_tokens"}:
        raise ProviderError(
            Failure.NONSENSE,
            f"The answer was cut off{f' after {usage.output_tokens:,} tokens' if usage else ''}: "
            "show fewer events at a time, raise max_output_tokens, or give the model a larger context.",
            raw=raw or "",
            usage=usage,
        )
    if raw is None:
        raise ProviderError(Failure.NONSENSE, "The reply holds no text.", raw=body[:MAX_RAW], usage=usage)
    named = loaded.get("model")
    return Reply(
        text=without_thoughts(raw),
        model=named[:200] if isinstance(named, str) and named else model,
        usage=usage,
        finish_reason=finish_reason if isinstance(finish_reason, str) else "",
    )


def loaded_object(body: str) -> dict[str, Any]:
    """``body`` as a JSON object; an empty one where it is anything else."""
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}


def message_text(content: Any) -> str | None:
    """A message's text; some servers send it as a list of parts. ``None`` where there is none."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) and content.strip() else None


_THOUGHTS = re.compile(r"\s*<(think|thinking|reasoning)>.*?</\1>", re.DOTALL)
_THOUGHTS_END = re.compile(r"</(?:think|thinking|reasoning)>")


def without_thoughts(text: str) -> str:
    """``text`` without the blocks of thoughts with which local reasoning models begin.

    Some servers leave out the opening tag; thoughts that never end are left for the parser to refuse.
    """
    while True:
        block = _THOUGHTS.match(text)
        if block is None:
            break
        text = text[block.end() :]
    end = _THOUGHTS_END.search(text)
    if end and not text.lstrip().startswith(("{", "```")):
        text = text[end.end() :]
    return text.strip()


def read_usage(usage: Any) -> Usage:
    """Tokens as the server counted them; 0 for what it does not say."""
    if not isinstance(usage, dict):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else usage.get("prompt_cache_hit_tokens")
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cached_tokens=count(cached),
    )


def count(value: Any) -> int:
    """``value`` if it is a count, otherwise 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def added(one: Usage, other: Usage) -> Usage:
    """The sum of two usages."""
    return Usage(
        one.input_tokens + other.input_tokens,
        one.output_tokens + other.output_tokens,
        one.cached_tokens + other.cached_tokens,
    )


# --- telling failures apart

_QUOTA_CODES = (
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
)
_KEY_WORDS = ("invalid_api_key", "api key not valid", "incorrect api key", "api_key_invalid")
_TOO_LONG_WORDS = (
    "context_length_exceeded",
    "context length",
    "maximum context",
    "context window",
    "context size",
    "exceed_context_size",
    "too many tokens",
    "prompt is too long",
    "string_above_max_length",
)
_MODERATION_WORDS = ("flagged", "moderation", "content_filter", "content_policy")


_COMPLAINT_KEYS = ("error", "errors", "message", "code", "type", "param", "status", "detail", "msg", "loc")


def complaint(body: str) -> str:
    """What an error's body says is wrong, in lower case, without what it may repeat of the request."""
    loaded = loaded_object(body)
    return " ".join(said(loaded)).lower() if loaded else body[:2_000].lower()


def said(value: Any, depth: int = 5) -> list[str]:
    """The texts and numbers under the keys by which servers complain, down to a depth."""
    if isinstance(value, dict) and depth:
        return [text for key in _COMPLAINT_KEYS if key in value for text in said(value[key], depth - 1)]
    if isinstance(value, list) and depth:
        return [text for item in value for text in said(item, depth - 1)]
    return [str(value)] if isinstance(value, str | int) else []


def without_secret(text: str, secret: str) -> str:
    """``text`` with the key struck out; the stand-in for no key is no secret."""
    return text if secret == NO_KEY else text.replace(secret, "[key]")


def is_too_long(text: str) -> bool:
    """Whether a :func:`complaint` says that the prompt is longer than the model takes."""
    return any(word in text for word in _TOO_LONG_WORDS)


def failure(
    status: int,
    headers: Mapping[str, str],
    body: str,
    *,
    model: str,
    secret: str,
    usage: Usage | None = None,
    now: datetime | None = None,
) -> ProviderError:
    """The ``ProviderError`` for an HTTP reply other than 200.

    Its message is made of our words, the status, the model's name and the error's code, never of the server's
    text, which may repeat the key or the content. ``raw`` is the body, without the key.
    """
    kind, words = classify(status, body)
    told = error_code(body, secret)
    suffix = f" (HTTP {status}, {told})" if told else f" (HTTP {status})"
    return ProviderError(
        kind,
        words.format(model=model) + suffix,
        retry_after=retry_after(headers, now) if kind in {Failure.RATE_LIMITED, Failure.TRANSIENT} else None,
        raw=without_secret(body, secret)[:MAX_RAW],
        usage=usage or Usage(),
    )


def classify(status: int, body: str) -> tuple[Failure, str]:
    """The class of an HTTP error and what to tell people; ``{model}`` stands for the model's name."""
    text = complaint(body)
    if status == 429:
        if any(code in text for code in _QUOTA_CODES):
            return Failure.QUOTA, "The account's quota is used up: check its plan, limits and billing"
        if "request too large" in text:  # One request is above the limit per minute; waiting does not help.
            return Failure.REFUSED, f"{TOO_LONG} for the account's limits: show it fewer events at a time"
        return Failure.RATE_LIMITED, "The provider asks for fewer calls"
    if status == 413 or (status in {400, 422, 500} and is_too_long(text)):  # llama.cpp says so with any of them
        told = f"{TOO_LONG} for the model {{model}}: show it fewer events at a time, or give it more room"
        return Failure.REFUSED, told
    if status in {408, 409, 425} or status >= 500:
        return Failure.TRANSIENT, "The provider failed and may be back soon"
    if status == 403 and any(word in text for word in _MODERATION_WORDS):
        return Failure.REFUSED, "The provider's moderation declined the content"
    if status == 401 or any(word in text for word in _KEY_WORDS):
        return (
            Failure.QUOTA,
            "The provider does not accept the API key: check OPENAI_API_KEY and OPENAI_BASE_URL",
        )
    if status == 402:
        return Failure.QUOTA, "The provider wants to be paid: check the account's balance"
    if status == 403:
        return (
            Failure.QUOTA,
            "The API key may not use the model {model}: check its permissions and the region",
        )
    if status in {404, 405, 410} or status < 400:
        return Failure.QUOTA, "The model {model} or the address is unknown: check both and OPENAI_BASE_URL"
    if any(word in text for word in _MODERATION_WORDS):
        return Failure.REFUSED, "The provider's content filter declined the content"
    return Failure.REFUSED, "The provider refused the request to the model {model}"


def connection_failure(cause: BaseException | None) -> Exception:
    """What to raise where no HTTP reply came. A ``cause`` outside the network is ours: it is returned."""
    import httpx2

    if isinstance(cause, httpx2.DecodingError):
        return ProviderError(Failure.NONSENSE, "The reply could not be decompressed.")
    if isinstance(cause, httpx2.UnsupportedProtocol | httpx2.InvalidURL | httpx2.TooManyRedirects):
        return ProviderError(Failure.QUOTA, "The address leads nowhere: check OPENAI_BASE_URL.")
    if isinstance(cause, Exception) and not isinstance(cause, httpx2.TransportError | OSError):
        return cause
    never_sent = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    return ProviderError(
        Failure.TRANSIENT,
        f"No connection to the model ({type(cause).__name__ if cause else 'unknown cause'}).",
        usage=Usage() if never_sent else None,
    )


_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}\Z")


def error_code(body: str, secret: str) -> str:
    """The code and parameter that an error names, if they are plain words; otherwise an empty text."""
    loaded = loaded_object(body)
    error = loaded.get("error", loaded)
    if not isinstance(error, dict):
        return ""
    words = [error.get("code") or error.get("type"), error.get("param")]
    plain = [word for word in words if isinstance(word, str) and _CODE.match(word)]
    return ", ".join(word for word in plain if without_secret(word, secret) == word)


_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?\Z", re.ASCII)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long the provider asks to wait, in seconds; ``None`` where it does not say.

    Reads ``retry-after-ms``, ``Retry-After`` (seconds or an HTTP date, which is compared with the reply's own
    ``Date`` and else with ``now``), then ``x-ratelimit-reset-*``: of the limits that are used up the last to
    come back, and where none is marked as used up the first.
    """
    found = {name.lower(): value.strip() for name, value in headers.items()}
    milliseconds = seconds_of(found.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    wanted = found.get("retry-after", "")
    seconds = seconds_of(wanted)
    if seconds is not None:
        return seconds
    moment = http_date(wanted)
    if moment is not None:
        return max(0.0, (moment - (http_date(found.get("date", "")) or now or datetime.now(UTC))).total_seconds())
    resets = {}
    for limit in ("requests", "tokens"):
        wait = duration(found.get(f"x-ratelimit-reset-{limit}", ""))
        if wait is not None:
            resets[limit] = wait
    used_up = [wait for limit, wait in resets.items() if found.get(f"x-ratelimit-remaining-{limit}") == "0"]
    if used_up:
        return max(used_up)
    return min(resets.values(), default=None)


def seconds_of(text: str) -> float | None:
    """A decimal number that is not negative, as a float."""
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d{0,9})?", text, re.ASCII) else None


def http_date(text: str) -> datetime | None:
    """An HTTP date; ``None`` where ``text`` is not one."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def duration(text: str) -> float | None:
    """Seconds in a duration such as ``1m30s``, ``6m0s``, ``20ms``, ``1h2m`` or ``1.5``."""
    plain = seconds_of(text)
    if plain is not None:
        return plain
    match = _DURATION.match(text) if text else None
    if match is None:
        return None
    days, hours, minutes = (int(part or 0) for part in match.groups()[:3])
    try:
        seconds, milliseconds = (float(part or 0) for part in match.groups()[3:])
    except ValueError:
        return None
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds + milliseconds / 1000
