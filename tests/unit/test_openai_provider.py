"""The OpenAI provider against a real HTTP server that answers, refuses, stalls and talks nonsense."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from reasoning.prompts.schema import ANSWER_SCHEMA, describe_schema
from reasoning.providers.base import Completion, Failure, Kind, ProviderError, Request, ShownEvent, Usage
from reasoning.providers.openai import (
    OpenAIProvider,
    check_parameters,
    complaint,
    connection_failure,
    duration,
    forget_manners,
    limit_parameter,
    read_usage,
    retry_after,
    without_thoughts,
)
from tests.loopback.server import Behaviour, Call, LoopbackModel

KEY = "sk-test-abcdefghijklmnop0123456789"
CONTENT = "I moved to Porto with my terrier Biscuit."
MOMENT = datetime(2024, 3, 11, 13, 56, tzinfo=UTC)
STATEMENT = f'Ines said on 2024-03-11: "{CONTENT}"'


def request(**changes: Any) -> Request:
    base = Request(
        kind=Kind.USER,
        subject="Ines",
        participants=("Ines", "Tomas"),
        events=(
            ShownEvent(1, "message", "user", "Ines", MOMENT, "session-1", CONTENT),
            ShownEvent(2, "message", "user", "Tomas", MOMENT, "session-1", "That is lovely!"),
        ),
        model="gpt-4o-mini",
        timeout=10,
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    forget_manners()
    with LoopbackModel() as running:
        yield running
    forget_manners()


def ask(model: LoopbackModel, asked: Request | None = None, **options: Any) -> Completion:
    async def once() -> Completion:
        provider = OpenAIProvider(KEY, model.url, **options)
        try:
            return await provider.answer(asked or request())
        finally:
            await provider.close()

    return asyncio.run(once())


def failure_of(model: LoopbackModel, asked: Request | None = None, **options: Any) -> ProviderError:
    """The failure of one call, after a look that it gives nothing away."""
    with pytest.raises(ProviderError) as caught:
        ask(model, asked, **options)
    told = "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    for secret in (KEY, "Bearer", CONTENT, "Biscuit"):
        assert secret not in told
        assert secret not in str(caught.value)
    assert KEY not in caught.value.raw
    return caught.value


def formats(model: LoopbackModel) -> list[str | None]:
    return [call.response_format for call in model.calls]


class TestAnswer:
    def test_it_is_parsed_with_usage_model_and_finish_reason(self, model: LoopbackModel) -> None:
        completion = ask(model)
        assert [(each.content, each.events, each.about) for each in completion.answer.add] == [
            (STATEMENT, (1,), "Ines"),
            ('Tomas said on 2024-03-11: "That is lovely!"', (2,), "Tomas"),
        ]
        assert completion.answer.card == ("User: Ines",)
        assert completion.provider == "openai"
        assert completion.model == "gpt-4o-mini-2026-01-01"
        assert completion.finish_reason == "stop"
        assert json.loads(completion.raw)["add"][0]["events"] == [1]
        assert completion.usage.input_tokens > 1_000
        assert completion.usage.output_tokens > 50
        assert completion.usage.cached_tokens == 0

    def test_the_second_call_says_what_the_cache_served(self, model: LoopbackModel) -> None:
        ask(model)
        assert ask(model).usage.cached_tokens >= 1_024

    def test_a_session_gets_its_summaries(self, model: LoopbackModel) -> None:
        answer = ask(model, request(kind=Kind.SESSION, subject="session-1")).answer
        assert answer.short_summary == 'session-1: Tomas said on 2024-03-11: "That is lovely!"'
        assert STATEMENT in answer.long_summary

    def test_what_is_sent_is_the_model_the_messages_the_schema_and_the_parameters(self, model: LoopbackModel) -> None:
        ask(
            model,
            request(parameters={"temperature": 0.2, "max_output_tokens": 900, "seed": None, "top_k": 4}),
        )
        (call,) = model.calls
        messages = call.body.pop("messages")
        assert [message["role"] for message in messages] == ["system", "user"]
        assert call.body == {
            "model": "gpt-4o-mini",
            "temperature": 0.2,
            "top_k": 4,
            "max_tokens": 900,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "memory", "strict": True, "schema": ANSWER_SCHEMA},
            },
        }
        assert call.headers["authorization"] == f"Bearer {KEY}"

    def test_nothing_is_sent_that_the_parameters_do_not_hold(self, model: LoopbackModel) -> None:
        ask(model)
        assert model.calls[0].body.keys() == {"model", "messages", "response_format"}

    def test_parameters_that_would_break_the_call_are_refused_unsent(self, model: LoopbackModel) -> None:
        error = failure_of(model, request(parameters={"stream": True, "n": 2}))
        assert error.failure is Failure.REFUSED
        assert str(error) == " ".join(check_parameters({"stream": True, "n": 2}))
        assert model.count == 0

    def test_a_request_without_a_model_is_our_own_mistake(self, model: LoopbackModel) -> None:
        with pytest.raises(ValueError, match="names no model"):
            ask(model, request(model=""))

    def test_thoughts_and_code_fences_are_no_part_of_it(self, model: LoopbackModel) -> None:
        model.then("thoughts")
        assert ask(model).answer.add[0].content == STATEMENT

    def test_an_answer_with_nothing_in_it_is_handed_on_to_the_gate(self, model: LoopbackModel) -> None:
        model.then("empty")
        assert ask(model).answer.add == ()

    def test_what_it_took_is_estimated_where_the_server_does_not_say(self, model: LoopbackModel) -> None:
        told = ask(model)
        model.then("no_usage")
        estimated = ask(model)
        assert estimated.usage.input_tokens == pytest.approx(told.usage.input_tokens, rel=0.5)
        assert estimated.usage.output_tokens == pytest.approx(told.usage.output_tokens, rel=0.5)

    def test_what_an_answer_took_that_was_cut_off_is_not_known_where_the_server_does_not_say(
        self, model: LoopbackModel
    ) -> None:
        model.then("http", body={"choices": [{"message": {"content": "{"}, "finish_reason": "length"}]})
        assert failure_of(model).usage is None

    def test_text_in_parts_is_joined(self, model: LoopbackModel) -> None:
        whole = ask(model).raw
        parts = [{"type": "text", "text": whole[:50]}, {"type": "text", "text": whole[50:]}]
        message = {"role": "assistant", "content": parts}
        model.then("http", body={"choices": [{"message": message, "finish_reason": None}]})
        completion = ask(model)
        assert completion.raw == whole
        assert completion.model == "gpt-4o-mini"
        assert completion.finish_reason == ""


class TestManyAtOnce:
    def test_256_calls_are_in_flight_together(self, model: LoopbackModel) -> None:
        model.gather = 256

        async def all_at_once() -> list[Completion]:
            provider = OpenAIProvider(KEY, model.url)
            answers = await asyncio.gather(*(provider.answer(request(timeout=30)) for _ in range(256)))
            await provider.close()
            return answers

        assert len(asyncio.run(all_at_once())) == 256
        assert model.count == 256
        assert model.peak == 256

    def test_one_provider_serves_one_event_loop_after_another(self, model: LoopbackModel) -> None:
        provider = OpenAIProvider(KEY, model.url)

        async def once() -> None:
            await provider.answer(request())
            await provider.answer(request())
            await provider.close()
            await provider.close()

        asyncio.run(once())
        asyncio.run(once())
        assert model.count == 4


class TestFallbacks:
    @pytest.mark.parametrize("kind", ["refuse_json_schema", "llama_cpp"])
    def test_a_server_without_json_schema_is_given_the_schema_of_an_object_ever_after(
        self, model: LoopbackModel, kind: str
    ) -> None:
        model.always(kind)
        ask(model)
        ask(model)
        assert formats(model) == ["json_schema", "json_object", "json_object"]
        for call in list(model.calls)[1:]:
            assert call.body["response_format"] == {"type": "json_object", "schema": ANSWER_SCHEMA}
            assert "JSON schema" not in call.body["messages"][0]["content"]

    def test_a_server_without_any_schema_is_told_the_form_in_words(self, model: LoopbackModel) -> None:
        model.always("refuse_schemas")
        ask(model)
        ask(model)
        assert formats(model) == ["json_schema", *["json_object"] * 3]
        for call in list(model.calls)[2:]:
            assert call.body["response_format"] == {"type": "json_object"}
            assert call.body["messages"][0]["content"].endswith(describe_schema())

    def test_a_server_without_any_response_format_is_asked_in_words(self, model: LoopbackModel) -> None:
        model.always("refuse_structured")
        ask(model)
        ask(model)
        assert formats(model) == ["json_schema", "json_object", "json_object", None, None]
        assert model.calls[-1].body["messages"][0]["content"].endswith(describe_schema())

    def test_a_server_that_passes_over_the_schema_of_an_object_is_told_it_in_words(self, model: LoopbackModel) -> None:
        model.then("refuse_json_schema")
        model.then("wrong_schema")
        ask(model)
        ask(model)
        assert ["schema" in call.body["response_format"] for call in model.calls] == [False, True, False, False]
        assert formats(model) == ["json_schema", *["json_object"] * 3]

    def test_a_server_that_fails_for_other_reasons_is_not_asked_in_another_manner(self, model: LoopbackModel) -> None:
        body = {"error": {"message": "CUDA out of memory: unsupported allocation", "type": "internal_server_error"}}
        model.then("status", status=500, body=body)
        assert failure_of(model).failure is Failure.TRANSIENT
        assert model.count == 1

    def test_a_server_that_ignores_the_schema_is_asked_for_an_object(self, model: LoopbackModel) -> None:
        model.always("ignore_json_schema")
        first, second = ask(model), ask(model)
        assert formats(model) == ["json_schema", "json_object", "json_object"]
        assert first.usage.input_tokens > 1.5 * second.usage.input_tokens  # Both calls are paid for.

    def test_what_is_learnt_of_one_model_does_not_hold_for_another(self, model: LoopbackModel) -> None:
        model.then("refuse_json_schema")
        ask(model)
        ask(model, request(model="other"))
        assert formats(model) == ["json_schema", "json_object", "json_schema"]

    def test_one_who_kept_to_the_schema_before_is_not_suspected(self, model: LoopbackModel) -> None:
        ask(model)
        model.then("not_json")
        assert failure_of(model).failure is Failure.NONSENSE
        ask(model)
        assert formats(model) == ["json_schema"] * 3

    def test_nonsense_in_the_lesser_mode_too_is_not_remembered(self, model: LoopbackModel) -> None:
        model.then("not_json", times=2)
        error = failure_of(model)
        assert error.failure is Failure.NONSENSE
        assert error.usage.output_tokens == 2 * (len("x" * 85) // 4 + 1)
        ask(model)
        assert formats(model) == ["json_schema", "json_object", "json_schema"]

    def test_what_a_server_refuses_is_remembered_whatever_its_model_answers(self, model: LoopbackModel) -> None:
        model.then("refuse_json_schema")
        model.then("cut_off")
        assert failure_of(model).failure is Failure.NONSENSE
        ask(model)
        assert formats(model) == ["json_schema", "json_object", "json_object"]

    def test_a_fixed_mode_is_kept(self, model: LoopbackModel) -> None:
        model.always("refuse_json_schema")
        assert failure_of(model, structured="json_schema").failure is Failure.REFUSED
        ask(model, structured="json_object")
        assert formats(model) == ["json_schema", "json_object"]

    def test_the_newer_name_of_the_token_limit_is_used_where_the_older_is_refused(self, model: LoopbackModel) -> None:
        model.always("refuse_max_tokens")
        asked = request(parameters={"max_output_tokens": 700})
        ask(model, asked)
        ask(model, asked)
        limits = [(call.body.get("max_completion_tokens"), call.body.get("max_tokens")) for call in model.calls]
        assert limits == [(None, 700), (700, None), (700, None)]
        assert formats(model) == ["json_schema"] * 3

    def test_a_limit_refused_by_both_names_is_the_requests_own_mistake(self, model: LoopbackModel) -> None:
        error = {"message": "max_tokens (or max_completion_tokens) must be at most 512", "param": "max_tokens"}
        model.always("status", status=400, body={"error": error})
        assert failure_of(model, request(parameters={"max_output_tokens": 700})).failure is Failure.REFUSED
        assert model.count == 2

    @pytest.mark.parametrize(
        ("address", "name"),
        [
            ("https://api.openai.com/v1", "max_completion_tokens"),
            ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
            ("http://localhost:11434/v1", "max_tokens"),
            ("https://models.example.org/v1", "max_tokens"),
        ],
    )
    def test_the_limit_has_the_name_that_no_such_server_passes_over(self, address: str, name: str) -> None:
        assert limit_parameter(address) == name

    @pytest.mark.parametrize("status", [400, 404, 422])
    def test_any_status_that_complains_of_the_format_counts(self, model: LoopbackModel, status: int) -> None:
        model.then("status", status=status, body={"detail": [{"loc": ["body", "response_format"], "msg": "no"}]})
        ask(model)
        assert formats(model) == ["json_schema", "json_object"]

    def test_a_refused_temperature_is_not_taken_for_a_refused_format(self, model: LoopbackModel) -> None:
        error = {
            "message": "Unsupported value: 'temperature'",
            "code": "unsupported_value",
            "param": "temperature",
        }
        model.then("status", status=400, body={"error": error})
        failed = failure_of(model, request(parameters={"temperature": 0.5}))
        assert failed.failure is Failure.REFUSED
        assert str(failed) == (
            "The provider refused the request to the model gpt-4o-mini (HTTP 400, unsupported_value, temperature)"
        )
        assert model.count == 1


RATE_LIMIT_BODY = {"error": {"message": "Slow down. Visit /account/billing to pay.", "type": "requests"}}

STATUSES: list[tuple[dict[str, Any], Failure, str]] = [
    (
        {"status": 429},
        Failure.RATE_LIMITED,
        "The provider asks for fewer calls (HTTP 429, rate_limit_exceeded)",
    ),
    ({"status": 429, "body": RATE_LIMIT_BODY}, Failure.RATE_LIMITED, "(HTTP 429, requests)"),
    (
        {"status": 429, "body": {"error": {"message": "Request too large for m on TPM", "code": "x"}}},
        Failure.REFUSED,
        "Context too long for the account's limits: show it fewer events at a time (HTTP 429, x)",
    ),
    (
        {"status": 401},
        Failure.QUOTA,
        "The provider does not accept the API key: check OPENAI_API_KEY and OPENAI_BASE_URL "
        "(HTTP 401, invalid_api_key)",
    ),
    ({"status": 402}, Failure.QUOTA, "The provider wants to be paid: check the account's balance (HTTP 402"),
    ({"status": 403}, Failure.QUOTA, "The API key may not use the model gpt-4o-mini"),
    (
        {"status": 403, "body": {"error": {"message": "Your input was flagged", "code": 403}}},
        Failure.REFUSED,
        "The provider's moderation declined the content (HTTP 403)",
    ),
    (
        {"status": 400, "body": [{"error": {"message": "API key not valid", "status": "INVALID_ARGUMENT"}}]},
        Failure.QUOTA,
        "The provider does not accept the API key",
    ),
    (
        {"status": 400, "body": {"error": {"message": "API key not valid."}}},
        Failure.QUOTA,
        "The provider does not accept the API key",
    ),
    ({"status": 404}, Failure.QUOTA, "The model gpt-4o-mini or the address is unknown"),
    ({"status": 405}, Failure.QUOTA, "The model gpt-4o-mini or the address is unknown"),
    ({"status": 400}, Failure.REFUSED, "The provider refused the request to the model gpt-4o-mini (HTTP 400"),
    ({"status": 422}, Failure.REFUSED, "The provider refused the request to the model gpt-4o-mini (HTTP 422"),
    ({"status": 413}, Failure.REFUSED, "Context too long for the model gpt-4o-mini"),
    (
        {"status": 400, "body": {"error": {"message": "no", "code": "content_policy_violation"}}},
        Failure.REFUSED,
        "The provider's content filter declined the content (HTTP 400, content_policy_violation)",
    ),
    *[
        ({"status": status}, Failure.TRANSIENT, f"The provider failed and may be back soon (HTTP {status}")
        for status in (408, 409, 500, 502, 503, 504, 529)
    ],
]


class TestFailures:
    @pytest.mark.parametrize(("options", "expected", "message"), STATUSES)
    def test_a_status_has_its_class(
        self, model: LoopbackModel, options: dict[str, Any], expected: Failure, message: str
    ) -> None:
        model.then("status", **options)
        error = failure_of(model)
        assert error.failure is expected
        assert message in str(error)
        assert error.retry_after is None
        assert model.count == 1

    @pytest.mark.parametrize(
        ("kind", "expected", "message"),
        [
            (
                "quota",
                Failure.QUOTA,
                "The account's quota is used up: check its plan, limits and billing (HTTP 429, insufficient_quota)",
            ),
            (
                "too_long",
                Failure.REFUSED,
                "Context too long for the model gpt-4o-mini: show it fewer events at a time, or give it more room "
                "(HTTP 400, context_length_exceeded, messages)",
            ),
            ("refusal", Failure.REFUSED, "The model declined to answer."),
            ("content_filter", Failure.REFUSED, "A content filter declined to answer."),
            ("no_text", Failure.NONSENSE, "The reply holds no text."),
            (
                "foreign_sources",
                Failure.NONSENSE,
                "The answer cannot be used: add[0].events[0] is not one of the 2 events shown.",
            ),
            ("drop", Failure.TRANSIENT, "No connection to the model (RemoteProtocolError)."),
        ],
    )
    def test_a_misbehaviour_has_its_class(
        self, model: LoopbackModel, kind: str, expected: Failure, message: str
    ) -> None:
        model.then(kind, headers={"Retry-After": "9"})
        error = failure_of(model)
        assert (error.failure, str(error), error.retry_after) == (expected, message, None)
        assert model.count == 1

    @pytest.mark.parametrize(
        ("kind", "message"),
        [
            ("not_json", "The answer cannot be used: it is not JSON (line 1, column 1)."),
            ("wrong_schema", "The answer cannot be used: add is missing."),
        ],
    )
    def test_nonsense_is_kept_with_its_usage(self, model: LoopbackModel, kind: str, message: str) -> None:
        model.always(kind)
        error = failure_of(model, structured="json_object")
        assert (error.failure, str(error)) == (Failure.NONSENSE, message)
        assert error.usage.input_tokens > 1_000
        assert error.raw

    def test_an_answer_that_was_cut_off_is_nonsense_even_if_it_parses(self, model: LoopbackModel) -> None:
        whole = ask(model).raw
        choice = {"message": {"content": whole}, "finish_reason": "length"}
        model.then("http", body={"choices": [choice], "usage": {"completion_tokens": 1234}})
        error = failure_of(model)
        assert (error.failure, str(error)) == (
            Failure.NONSENSE,
            "The answer was cut off after 1,234 tokens: show fewer events at a time, raise max_output_tokens, or give "
            "the model a larger context.",
        )
        assert error.raw == whole
        assert error.usage == Usage(output_tokens=1234)

    @pytest.mark.parametrize("status", [400, 500])
    def test_a_context_that_ran_out_is_no_outage(self, model: LoopbackModel, status: int) -> None:
        body = {"error": {"code": status, "message": "Context size has been exceeded.", "type": "server_error"}}
        model.then("status", status=status, body=body)
        error = failure_of(model)
        assert error.failure is Failure.REFUSED
        assert str(error).startswith("Context too long for the model gpt-4o-mini")
        assert model.count == 1

    def test_a_prompt_above_a_small_context_is_refused_as_too_long(self, model: LoopbackModel) -> None:
        model.always("llama_cpp", context=1_000)
        error = failure_of(model, structured="json_object")
        assert error.failure is Failure.REFUSED
        assert str(error).startswith("Context too long for the model gpt-4o-mini")

    def test_half_an_answer_is_cut_off(self, model: LoopbackModel) -> None:
        model.then("cut_off")
        error = failure_of(model)
        assert error.failure is Failure.NONSENSE
        assert "was cut off after" in str(error)
        assert model.count == 1

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("<html>welcome</html>", "The reply is not a JSON object."),
            ("", "The reply is not a JSON object."),
            ("[]", "The reply is not a JSON object."),
            ("[" * 50_000, "The reply is not a JSON object."),
            ({"choices": []}, "The reply holds no choice."),
            ({"choices": None}, "The reply holds no choice."),
            ({"choices": ["text"]}, "The reply holds no choice."),
            ({"choices": [{"message": None}]}, "The reply holds no choice."),
            (
                {"choices": [{"message": {"content": " "}, "finish_reason": "stop"}]},
                "The reply holds no text.",
            ),
            ({"choices": [{"message": {"tool_calls": []}}]}, "The reply holds no text."),
        ],
    )
    @pytest.mark.parametrize("content_type", ["application/json", "text/html; charset=nonsense"])
    def test_a_reply_of_another_form_is_nonsense(
        self, model: LoopbackModel, body: Any, message: str, content_type: str
    ) -> None:
        model.then("http", body=body, headers={"Content-Type": content_type})
        error = failure_of(model)
        assert (error.failure, str(error)) == (Failure.NONSENSE, message)

    def test_a_reply_that_cannot_be_decompressed_is_nonsense(self, model: LoopbackModel) -> None:
        model.then("http", body="plain", headers={"Content-Encoding": "gzip"})
        error = failure_of(model)
        assert (error.failure, str(error)) == (Failure.NONSENSE, "The reply could not be decompressed.")

    @pytest.mark.parametrize(
        ("code", "expected"), [(429, Failure.RATE_LIMITED), ("odd", Failure.TRANSIENT), (402, Failure.QUOTA)]
    )
    def test_an_error_inside_a_success_is_an_error(
        self, model: LoopbackModel, code: int | str, expected: Failure
    ) -> None:
        model.then("http", body={"error": {"code": code, "message": "upstream"}})
        assert failure_of(model).failure is expected

    def test_a_server_that_is_not_there_is_transient(self) -> None:
        with LoopbackModel() as gone:
            pass
        error = failure_of(gone)
        assert (error.failure, str(error)) == (
            Failure.TRANSIENT,
            "No connection to the model (ConnectError).",
        )

    def test_an_address_that_leads_round_in_circles_waits_for_an_operator(self, model: LoopbackModel) -> None:
        model.always("http", status=307, body="", headers={"Location": f"{model.url}/chat/completions"})
        error = failure_of(model)
        assert (error.failure, str(error)) == (
            Failure.QUOTA,
            "The address leads nowhere: check OPENAI_BASE_URL.",
        )

    def test_an_exception_that_is_not_the_networks_stays_what_it_is(self) -> None:
        bug = KeyError("ours")
        assert connection_failure(bug) is bug

    def test_an_error_that_repeats_key_and_content_gives_nothing_away(self, model: LoopbackModel) -> None:
        def echo(call: Call) -> Behaviour:
            text = f"{call.headers['authorization']} {call.body['messages'][1]['content']}"
            return Behaviour("status", status=500, body={"error": {"message": text, "code": KEY, "param": KEY}})

        model.decide = echo
        error = failure_of(model)
        assert str(error) == "The provider failed and may be back soon (HTTP 500)"
        assert CONTENT in error.raw
        assert "Bearer [key]" in error.raw

    def test_what_an_error_repeats_of_the_request_is_no_complaint(self, model: LoopbackModel) -> None:
        body = {
            "detail": [{"msg": "Bad Value", "loc": ["body", 3], "input": "json_schema"}],
            "input": "flagged",
        }
        assert complaint(json.dumps(body)) == "bad value body 3"
        model.then("status", status=422, body=body)
        failure_of(model)
        assert model.count == 1


class TestTime:
    def test_a_stalled_call_ends_at_the_requests_timeout(self, model: LoopbackModel) -> None:
        model.then("stall", seconds=30)
        began = time.monotonic()
        error = failure_of(model, request(timeout=0.5))
        assert (error.failure, str(error)) in [
            (Failure.TRANSIENT, "The model did not answer within 0.5 seconds."),
            (Failure.TRANSIENT, "The connection to the model timed out."),
        ]
        assert time.monotonic() - began < 5

    def test_an_answer_that_drips_for_ever_ends_at_the_providers_timeout(self, model: LoopbackModel) -> None:
        ask(model)
        model.then("slow_drip", seconds=30)
        began = time.monotonic()
        error = failure_of(model, timeout=0.5)
        assert (error.failure, str(error)) == (
            Failure.TRANSIENT,
            "The model did not answer within 0.5 seconds.",
        )
        assert time.monotonic() - began < 5

    def test_an_answer_that_drips_fast_enough_is_read(self, model: LoopbackModel) -> None:
        model.then("slow_drip", seconds=0.3)
        assert ask(model).answer.add[0].content == STATEMENT

    def test_a_callers_own_timeout_is_the_callers(self, model: LoopbackModel) -> None:
        model.then("stall", seconds=30)

        async def impatient() -> None:
            provider = OpenAIProvider(KEY, model.url)
            try:
                async with asyncio.timeout(0.5):
                    await provider.answer(request())
            finally:
                await provider.close()

        with pytest.raises(TimeoutError):
            asyncio.run(impatient())


NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)

WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after-ms": "1500"}, 1.5),
    ({"Retry-After-Ms": "250.5", "Retry-After": "9"}, 0.2505),
    ({"Retry-After": "7"}, 7.0),
    ({"Retry-After": "0.25"}, 0.25),
    ({"Retry-After": "0"}, 0.0),
    ({"Retry-After": "Sun, 22 Nov 2026 12:01:30 GMT"}, 90.0),
    ({"Retry-After": "Sunday, 22-Nov-26 12:00:05 GMT"}, 5.0),
    ({"Retry-After": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0.0),
    ({"Retry-After": "Sun, 22 Nov 2026 12:01:30 GMT", "Date": "Sun, 22 Nov 2026 12:01:00 GMT"}, 30.0),
    ({"Retry-After": "soon"}, None),
    ({"Retry-After": "-5"}, None),
    ({"Retry-After": "nan"}, None),
    ({"Retry-After": "1e9"}, None),
    ({"x-ratelimit-reset-requests": "1m30s"}, 90.0),
    ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
    ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "1.5s"}, 1.5),
    (
        {
            "x-ratelimit-reset-requests": "6m0s",
            "x-ratelimit-reset-tokens": "1.5s",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-remaining-tokens": "900",
        },
        360.0,
    ),
    ({"Retry-After": "2", "x-ratelimit-reset-requests": "6m0s"}, 2.0),
    ({"Retry-After": "soon", "x-ratelimit-reset-requests": "3s"}, 3.0),
    ({"x-ratelimit-reset-requests": "later"}, None),
]


class TestRetryAfter:
    @pytest.mark.parametrize(("headers", "seconds"), WAITS)
    def test_every_form_is_understood(self, headers: dict[str, str], seconds: float | None) -> None:
        assert retry_after(headers, NOW) == seconds

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("1d2h3m4s", 93_784.0),
            ("1h", 3_600.0),
            ("1m2s3ms", 62.003),
            ("12", 12.0),
            ("", None),
            ("1.2.3s", None),
        ],
    )
    def test_durations(self, text: str, seconds: float | None) -> None:
        assert duration(text) == (None if seconds is None else pytest.approx(seconds))

    @pytest.mark.parametrize(("status", "expected"), [(429, Failure.RATE_LIMITED), (503, Failure.TRANSIENT)])
    def test_it_travels_with_the_failure(self, model: LoopbackModel, status: int, expected: Failure) -> None:
        model.then("status", status=status, headers={"Retry-After": "2.5"})
        error = failure_of(model)
        assert (error.failure, error.retry_after) == (expected, 2.5)

    def test_a_date_is_measured_from_the_servers_own_clock(self, model: LoopbackModel) -> None:
        headers = {"Date": "Mon, 01 Jan 2001 00:00:00 GMT", "Retry-After": "Mon, 01 Jan 2001 00:00:20 GMT"}
        model.then("status", status=429, headers=headers)
        assert failure_of(model).retry_after == 20.0


class TestParts:
    @pytest.mark.parametrize(
        ("text", "rest"),
        [
            ("<think>a {b}</think>{}", "{}"),
            ("\n<thinking>a</thinking>\n<think>b</think> {}", "{}"),
            ("so, a or b?</think>\n{}", "{}"),
            ('{"now": "</think>"}', '{"now": "</think>"}'),
            ("```json\n</think>```", "```json\n</think>```"),
            ("<think>for ever {}", "<think>for ever {}"),
        ],
    )
    def test_thoughts_are_stripped(self, text: str, rest: str) -> None:
        assert without_thoughts(text) == rest

    @pytest.mark.parametrize(
        ("usage", "read"),
        [
            (None, Usage()),
            ([], Usage()),
            ({"prompt_tokens": "7", "completion_tokens": -1}, Usage()),
            ({"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": None}, Usage(7, 3, 0)),
            ({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(7, 0, 4)),
            ({"prompt_tokens": 7, "prompt_cache_hit_tokens": 5}, Usage(7, 0, 5)),
        ],
    )
    def test_usage_is_what_the_server_says_or_nothing(self, usage: Any, read: Usage) -> None:
        assert read_usage(usage) == read


class TestSettings:
    @pytest.mark.parametrize("key", ["sk-\nabc", "sk-ключ", "a b"])
    def test_a_key_that_cannot_be_sent_is_refused_without_repeating_it(self, key: str) -> None:
        with pytest.raises(ValueError, match="the API key holds characters") as caught:
            OpenAIProvider(key)
        assert key not in str(caught.value)

    @pytest.mark.parametrize("address", ["localhost:8000/v1", "ftp://host/v1", "http://", "https://user:pass@host/v1"])
    def test_an_address_that_cannot_be_used_is_refused(self, address: str) -> None:
        with pytest.raises(ValueError, match="the base URL must"):
            OpenAIProvider(KEY, address)

    def test_an_unknown_mode_is_refused(self) -> None:
        with pytest.raises(ValueError, match="structured must be one of auto, json_schema, json_object"):
            OpenAIProvider(KEY, structured="yaml")  # type: ignore[arg-type]

    def test_its_representation_holds_no_key(self) -> None:
        assert repr(OpenAIProvider(KEY)) == "OpenAIProvider(base_url='https://api.openai.com/v1')"

    def test_local_servers_need_no_key(self, model: LoopbackModel) -> None:
        async def once() -> Completion:
            provider = OpenAIProvider("", model.url + "/")
            try:
                return await provider.answer(request())
            finally:
                await provider.close()

        assert asyncio.run(once()).answer.add
        assert model.calls[0].headers["authorization"] == "Bearer none"

    def test_the_sdk_is_not_imported_before_it_is_needed(self) -> None:
        program = (
            "import sys, reasoning.providers.openai as provider; provider.OpenAIProvider('key');"
            "print([name for name in ('openai', 'httpx2', 'pydantic') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("[]\n", "")


class TestSteering:
    def test_another_process_can_steer_the_loopback_model(self, model: LoopbackModel) -> None:
        import urllib.request

        orders = {"reset": True, "latency": 0, "then": [{"kind": "status", "status": 503}]}
        url = model.url.removesuffix("/v1") + "/control"
        posted = urllib.request.Request(url, data=json.dumps(orders).encode(), method="POST")
        with urllib.request.urlopen(posted) as reply:
            assert json.load(reply)["queued"] == 1
        assert failure_of(model).failure is Failure.TRANSIENT
        with urllib.request.urlopen(url) as reply:
            state = json.load(reply)
        assert (state["count"], state["queued"], state["in_flight"]) == (1, 0, 0)
