"""A real HTTP server that answers like OpenAI's chat completions, or misbehaves as it is told.

In a test::

    with LoopbackModel() as model:
        model.then("status", status=429, headers={"Retry-After": "2"})
        provider = OpenAIProvider("key", model.url)

For other processes: ``python -m tests.loopback.server --port 8900``, steered by ``POST /control`` with a JSON
object that may hold ``reset`` (true), ``latency`` (seconds), ``always`` (a behaviour) and ``then`` (a list of
behaviours). ``GET /control`` gives the counts, ``GET /control/calls`` the bodies of the last calls.

It makes embeddings (:mod:`tests.loopback.vectors`), misbehaving like all calls.

It takes batches too (:mod:`tests.loopback.batches`); what is programmed holds for each of their requests.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.loopback.batches import Batches
from tests.loopback.derive import derive_answer, derive_reply
from tests.loopback.vectors import embedded

KINDS: dict[str, str] = {
    "answer": "derive an answer from the prompt, or send `body` as the answer (an object, or text as it is)",
    "stall": "wait `seconds`, then answer",
    "slow_drip": "send the answer bit by bit over `seconds`",
    "status": "an error with `status`, `headers` and `body` (OpenAI's own error where it is left out)",
    "http": "status 200 unless `status` says otherwise, with `body` and `headers` exactly as given",
    "too_long": "400 context_length_exceeded",
    "quota": "429 insufficient_quota",
    "cut_off": "half an answer with finish_reason length",
    "not_json": "prose",
    "wrong_schema": "JSON of another form",
    "foreign_sources": "an answer resting on events that were not shown",
    "empty": "an answer of the right form with nothing in it at all",
    "no_text": "a message whose content is null",
    "refusal": "a message with a refusal",
    "content_filter": "finish_reason content_filter",
    "thoughts": "an answer behind a block of thoughts, in a code fence",
    "drop": "close the connection without a reply",
    "pause": "send half of a stream, and the rest once `go` is set",
    "break_off": "send half of a stream and close the connection",
    "refuse_json_schema": "400 where a JSON schema is asked for, otherwise answer",
    "refuse_schemas": "400 where a schema is given in any form, otherwise answer",
    "refuse_structured": "400 where any response_format is asked for, otherwise answer",
    "ignore_json_schema": "prose where a JSON schema is asked for, otherwise answer",
    "refuse_max_tokens": "400 where max_tokens is given, otherwise answer",
    "llama_cpp": "as llama-cpp-python's server: 500 where a JSON schema is asked for, 400 (or an empty stream) where "
    "the prompt has more than `context` tokens, otherwise answer",
    "no_usage": "answer, and do not say what it took",
}

PROSE = "I would be glad to help! Here is what I noticed: they seem to have had a lovely time."
MAX_CALLS_KEPT = 2_000
SLICE = 0.25
"""How often, in seconds, a waiting call looks whether its client has gone."""


@dataclass(frozen=True)
class Behaviour:
    """What to do with one call (or, in a queue, with ``times`` calls); ``kind`` is one of ``KINDS``."""

    kind: str = "answer"
    seconds: float = 0.0
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    times: int = 1
    context: int = 8_192

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown behaviour {self.kind!r}: choose from {', '.join(KINDS)}")


@dataclass
class Call:
    """One call to chat completions. Moments are ``time.monotonic()`` seconds."""

    number: int
    body: dict[str, Any]
    headers: dict[str, str]
    started: float
    behaviour: str = ""
    status: int = 0
    finished: float | None = None

    @property
    def response_format(self) -> str | None:
        """The type of the response format that was asked for."""
        return (self.body.get("response_format") or {}).get("type")


@dataclass(frozen=True)
class Reply:
    """What goes back over HTTP; ``drip`` seconds to send it in."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0


class LoopbackModel:
    """The server, in a thread of its own between ``start`` and ``stop``.

    ``calls`` holds the last calls, ``count`` all that came, ``in_flight`` and ``peak`` how many were being
    served at once. ``decide(call)`` may return a behaviour for a call, before the queue and ``always`` count.
    No call is answered before ``gather`` calls were in flight together.
    """

    def __init__(self, port: int = 0, latency: float = 0.0, host: str = "127.0.0.1") -> None:
        self.host, self.port, self.latency = host, port, latency
        self.decide: Callable[[Call], Behaviour | None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self.in_flight = 0
        self.gather = 0
        self.go = threading.Event()
        self.batches = Batches(self._answer_of_batch)
        self.reset()

    # --- steering

    def reset(self) -> None:
        """Forget calls, counts and what was programmed; answer again."""
        with self._lock:
            self._always = Behaviour()
            self._queue: deque[Behaviour] = deque()
            self.calls: deque[Call] = deque(maxlen=MAX_CALLS_KEPT)
            self.count = 0
            self.billed = 0
            self.peak = self.in_flight
            self._prefixes: set[int] = set()
            self.batches.reset()

    def always(self, kind: str, **options: Any) -> None:
        """Behave like this whenever nothing else is queued."""
        self._always = Behaviour(kind, **options)

    def then(self, kind: str, **options: Any) -> None:
        """Behave like this for the next call that nothing queued before is waiting for."""
        behaviour = Behaviour(kind, **options)
        with self._lock:
            self._queue.extend([behaviour] * behaviour.times)

    @property
    def url(self) -> str:
        """The base URL for a provider."""
        return f"http://{self.host}:{self.port}/v1"

    def state(self) -> dict[str, Any]:
        """Counts, as ``GET /control`` gives them."""
        return {
            "count": self.count,
            "in_flight": self.in_flight,
            "peak": self.peak,
            "queued": len(self._queue),
            "always": asdict(self._always),
            "latency": self.latency,
        }

    def steer(self, orders: dict[str, Any]) -> None:
        """Obey the body of ``POST /control``. Raises ``ValueError`` or ``TypeError`` for nonsense."""
        unknown = orders.keys() - {"reset", "latency", "always", "then"}
        if unknown:
            raise ValueError(f"unknown orders: {', '.join(sorted(unknown))}")
        programmed = [Behaviour(**each) for each in orders.get("then", [])]
        always = Behaviour(**orders["always"]) if "always" in orders else None
        if orders.get("reset"):
            self.reset()
        if "latency" in orders:
            self.latency = float(orders["latency"])
        if always:
            self._always = always
        for behaviour in programmed:
            with self._lock:
                self._queue.extend([behaviour] * behaviour.times)

    # --- running

    def start(self) -> LoopbackModel:
        """Listen. Raises ``OSError`` where the port is taken."""
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, name="loopback-model", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        """Stop listening and cut off what is in flight."""
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()

    def __enter__(self) -> LoopbackModel:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self.serve())
        except BaseException as error:
            self._failure = error
            self._ready.set()

    async def serve(self) -> None:
        """Listen until ``stop``."""
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, self.host, self.port, backlog=1_024)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if (method, path) in (("POST", "/v1/chat/completions"), ("POST", "/v1/embeddings")):
            return await self._chat(reader, writer, headers, body)
        if path.startswith(("/v1/files", "/v1/batches")):
            return await self._batch(writer, method, path, headers, body)
        await send(writer, self._other(method, path, body))
        return True

    async def _batch(
        self, writer: asyncio.StreamWriter, method: str, target: str, headers: dict[str, str], raw: bytes
    ) -> bool:
        """Serve a request about files and batches."""
        handled = self.batches.handle(method, target, headers, raw)
        if handled is None:
            return False
        status, body, more = handled
        await send(writer, Reply(status, body, more) if isinstance(body, bytes) else json_reply(status, body, more))
        return True

    def _answer_of_batch(self, body: dict[str, Any]) -> tuple[int, Any] | None:
        """What the model says to one request of a batch, as it was programmed."""
        call, behaviour = self._arrived({}, json.dumps(body).encode())
        with self._lock:
            self.in_flight -= 1
        reply = self._reply(call, behaviour)
        return None if reply is None else (reply.status, json.loads(reply.body))

    def _other(self, method: str, path: str, body: bytes) -> Reply:
        """Replies to everything but chat completions."""
        if (method, path) == ("GET", "/v1/models"):
            model = {"id": "loopback", "object": "model", "created": 0, "owned_by": "tests"}
            return json_reply(200, {"object": "list", "data": [model]})
        if (method, path) == ("GET", "/control/calls"):
            return json_reply(200, [{"body": call.body, "status": call.status} for call in self.calls])
        if (method, path) == ("POST", "/control"):
            try:
                self.steer(json.loads(body))
            except (ValueError, TypeError, AttributeError) as error:
                return json_reply(400, {"error": {"message": str(error)}})
        elif (method, path) != ("GET", "/control"):
            return json_reply(404, {"error": {"message": "no such path", "type": "invalid_request_error"}})
        return json_reply(200, self.state())

    async def _chat(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        headers: dict[str, str],
        raw: bytes,
    ) -> bool:
        """Serve one call to chat completions as it was programmed."""
        call, behaviour = self._arrived(headers, raw)
        try:
            while self.peak < self.gather:
                await wait(reader, SLICE)
            await wait(reader, self.latency + (0 if behaviour.kind == "slow_drip" else behaviour.seconds))
            reply = self._reply(call, behaviour)
            if reply is None:
                return False
            call.status = reply.status
            if call.body.get("stream") and reply.status == 200 and reply.body and behaviour.kind != "http":
                return await self._stream(reader, writer, reply, behaviour)
            await send(writer, reply)
            return True
        finally:
            call.finished = time.monotonic()
            with self._lock:
                self.in_flight -= 1

    async def _stream(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply, behaviour: Behaviour
    ) -> bool:
        """Send a reply as a stream of events, a word at a time; whether the connection stays open."""
        writer.write(b"HTTP/1.1 200 Loopback\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        events = stream_events(json.loads(reply.body))
        for place, event in enumerate(events):
            if place == len(events) // 2 and behaviour.kind == "break_off":
                return False
            while place == len(events) // 2 and behaviour.kind == "pause" and not self.go.is_set():
                await wait(reader, 0.02)
            data = f"data: {event}\n\n".encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    def _arrived(self, headers: dict[str, str], raw: bytes) -> tuple[Call, Behaviour]:
        with self._lock:
            self.count += 1
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            call = Call(self.count, json.loads(raw), headers, time.monotonic())
            self.calls.append(call)
            behaviour = self.decide(call) if self.decide else None
            if behaviour is None:
                behaviour = self._queue.popleft() if self._queue else self._always
            call.behaviour = behaviour.kind
            return call, behaviour

    def _reply(self, call: Call, behaviour: Behaviour) -> Reply | None:
        """The reply that ``behaviour`` asks for; ``None`` to drop the connection."""
        kind, wanted = behaviour.kind, call.response_format
        if kind == "drop":
            return None
        if kind == "http":
            body = behaviour.body if isinstance(behaviour.body, str) else json.dumps(behaviour.body)
            status = 200 if behaviour.status == 500 else behaviour.status
            return Reply(status, body.encode(), {"Content-Type": "application/json", **behaviour.headers})
        if kind == "status":
            error = behaviour.body or default_error(behaviour.status, call)
            return json_reply(behaviour.status, error, behaviour.headers)
        if kind in {"too_long", "quota"}:
            status = 400 if kind == "too_long" else 429
            return json_reply(status, NAMED_ERRORS[kind], behaviour.headers)
        refused = None
        if kind == "refuse_json_schema" and wanted == "json_schema":
            refused = ("'response_format.type' must be 'json_object' or 'text'", "response_format.type")
        if kind == "refuse_schemas" and {"schema", "json_schema"} & (call.body.get("response_format") or {}).keys():
            refused = ("Extra inputs are not permitted", "response_format")
        if kind == "refuse_structured" and wanted is not None:
            refused = (f"Unsupported: {wanted} is not supported by this model", "response_format")
        if kind == "refuse_max_tokens" and "max_tokens" in call.body:
            refused = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "max_tokens",
            )
        if refused:
            return json_reply(400, error_body(refused[0], "invalid_request_error", None, refused[1]))
        if kind == "llama_cpp" and (error := llama_cpp_error(call, behaviour.context)):
            if call.body.get("stream"):
                return Reply(200, b"", {"Content-Type": "text/event-stream"})
            return json_reply(*error)
        if "input" in call.body:
            return json_reply(200, embedded(call.body), behaviour.headers)
        message, finish_reason = self._message(call, behaviour)
        drip = behaviour.seconds if kind == "slow_drip" else 0.0
        completion = self._completion(call, message, finish_reason)
        if kind == "no_usage":
            del completion["usage"]
        return json_reply(200, completion, behaviour.headers, drip)

    def _message(self, call: Call, behaviour: Behaviour) -> tuple[dict[str, Any], str]:
        """The assistant's message and the finish reason."""
        content = answer_text(call, behaviour)
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        finish_reason = "stop"
        if behaviour.kind == "cut_off":
            message["content"], finish_reason = content[: len(content) // 2], "length"
        elif behaviour.kind == "no_text":
            message["content"] = None
        elif behaviour.kind == "refusal":
            message.update(content=None, refusal="I cannot help with that.")
        elif behaviour.kind == "content_filter":
            message["content"], finish_reason = "", "content_filter"
        return message, finish_reason

    def _completion(self, call: Call, message: dict[str, Any], finish_reason: str) -> dict[str, Any]:
        texts = [str(each.get("content")) for each in call.body.get("messages", [])]
        prompt_tokens = sum(len(text) // 4 + 4 for text in texts)
        completion_tokens = len(message["content"] or "") // 4 + 1
        with self._lock:
            self.billed += prompt_tokens + completion_tokens  # whether anybody is left to hear the answer or not
        return {
            "id": f"chatcmpl-{call.number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": f"{call.body.get('model', 'loopback')}-2026-01-01",
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
                "prompt_tokens_details": {"cached_tokens": self._cached("\0".join(texts)), "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        }

    def _cached(self, text: str) -> int:
        """Tokens of ``text``, of 4 characters, that an earlier prompt began with: 1,024 or more, by 128."""
        cached, rolling = 0, 0
        for end in range(512, len(text) + 1, 512):
            rolling = hash((rolling, text[end - 512 : end]))
            if rolling in self._prefixes and cached == (end - 512) // 4:
                cached = end // 4
            self._prefixes.add(rolling)
        return cached if cached >= 1_024 else 0


def answer_text(call: Call, behaviour: Behaviour) -> str:
    """The text of the model's answer."""
    kind = behaviour.kind
    if kind in {"answer", "pause", "break_off"} and behaviour.body is not None:
        return behaviour.body if isinstance(behaviour.body, str) else json.dumps(behaviour.body)
    if kind == "not_json" or (kind == "ignore_json_schema" and call.response_format == "json_schema"):
        return PROSE
    if kind == "wrong_schema":
        return json.dumps({"facts": ["They had a lovely time."], "done": True})
    if kind == "empty":
        return json.dumps({"add": [], "retire": [], "card": [], "now": "", "short_summary": "", "long_summary": ""})
    if (said := derive_reply(call.body["messages"])) is not None:
        return said
    try:
        answer = derive_answer(call.body["messages"])
    except (ValueError, KeyError, IndexError, TypeError):
        return PROSE
    if kind == "foreign_sources":
        for statement in answer["add"]:
            statement["events"] = [number + 1_000 for number in statement["events"]]
    text = json.dumps(answer, ensure_ascii=False)
    return f"<think>\nWhat is {{new}} here?\n</think>\n\n```json\n{text}\n```" if kind == "thoughts" else text


def stream_events(completion: dict[str, Any]) -> list[str]:
    """A completion as the events of a stream: its text word by word, its usage, the end."""
    [choice] = completion["choices"]
    content, finish = choice["message"]["content"], choice["finish_reason"]
    head = {key: completion[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    deltas = [
        {"role": "assistant", "content": ""},
        *({"content": word} for word in re.findall(r"\S+\s*|\s+", content or "")),
    ]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    chunks = [head | {"choices": [choice], "usage": None} for choice in choices]
    return [*map(json.dumps, [*chunks, head | {"choices": [], "usage": completion["usage"]}]), "[DONE]"]


def error_body(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """An error as OpenAI words it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


NAMED_ERRORS = {
    "too_long": error_body(
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
        "invalid_request_error",
        "context_length_exceeded",
        "messages",
    ),
    "quota": error_body(
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        "insufficient_quota",
    ),
}


def default_error(status: int, call: Call) -> dict[str, Any]:
    """The error that OpenAI sends with ``status``; like theirs, the one for 401 repeats the key."""
    key = call.headers.get("authorization", "").removeprefix("Bearer ")
    if status == 401:
        return error_body(f"Incorrect API key provided: {key}.", "invalid_request_error", "invalid_api_key")
    if status == 429:
        message = "Rate limit reached for requests. Add a payment method to your account at /account/billing."
        return error_body(message, "requests", "rate_limit_exceeded")
    if status >= 500:
        return error_body("The server had an error while processing your request.", "server_error", None)
    return error_body("The request was refused.", "invalid_request_error", None)


def llama_cpp_error(call: Call, context: int) -> tuple[int, dict[str, Any]] | None:
    """What llama-cpp-python's server (0.3.36) refuses a call with, word for word; None where it takes it."""
    if call.response_format not in {None, "text", "json_object"}:
        message = (
            "1 validation error:\n  {'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
            "'msg': \"Input should be 'text' or 'json_object'\", 'input': 'json_schema', "
            "'ctx': {'expected': \"'text' or 'json_object'\"}}\n\n"
            '  File "site-packages/llama_cpp/server/app.py", line 376, in create_chat_completion\n'
            "    POST /v1/chat/completions"
        )
        return 500, error_body(message, "internal_server_error", None)
    asked = sum(len(str(message["content"])) // 4 + 4 for message in call.body["messages"])
    if asked < context:
        return None
    limit = call.body.get("max_tokens")
    message = (
        f"This model's maximum context length is {context} tokens. However, you requested {asked + (limit or 0)} "
        f"tokens ({asked} in the messages, {limit} in the completion). Please reduce the length of the messages or "
        "completion."
    )
    return 400, error_body(message, "invalid_request_error", "context_length_exceeded", "messages")


def json_reply(status: int, body: Any, headers: dict[str, str] | None = None, drip: float = 0.0) -> Reply:
    """A reply whose body is ``body`` as JSON."""
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}, drip)


async def wait(reader: asyncio.StreamReader, seconds: float) -> None:
    """Wait; raises ``ConnectionResetError`` as soon as it is seen that the client has gone."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        await asyncio.sleep(min(left, SLICE))
        if reader.at_eof():
            raise ConnectionResetError


async def send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    """Send a reply, in up to 100 pieces where it is to drip."""
    headers = {**reply.headers, "Content-Length": str(len(reply.body))}
    head = f"HTTP/1.1 {reply.status} Loopback\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(head.encode("latin-1") + b"\r\n")
    size = len(reply.body) if not reply.drip else max(1, len(reply.body) // 100)
    for start in range(0, len(reply.body), max(1, size)):
        writer.write(reply.body[start : start + size])
        await writer.drain()
        if reply.drip:
            await asyncio.sleep(reply.drip * size / len(reply.body))


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible model on the loopback interface.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--always", default="answer", choices=[*KINDS])
    options = parser.parse_args()
    model = LoopbackModel(port=options.port, latency=options.latency)
    model.always(options.always)
    model.start()
    sys.stdout.write(f"{model.url}\n")
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    model.stop()


if __name__ == "__main__":
    main()
