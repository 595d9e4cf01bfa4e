"""The official Python SDK against a running proxy: every question is asked twice,
and the second answer, from the cache, must be what the first was.

Needs what the frame needs.
"""

import openai
from pydantic import BaseModel

from frame import BASE_URL, answer, asks, calls, check, main, script, twice

client = openai.OpenAI(base_url=BASE_URL, api_key="sk-python", max_retries=0, timeout=30)

TOOL = {"type": "function", "function": {
    "name": "weather", "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                   "required": ["city"], "additionalProperties": False}}}
CALLS = {"content": None, "tool_calls": [
    {"id": "call_1", "type": "function",
     "function": {"name": "weather", "arguments": '{"city":"Paris"}'}},
    {"id": "call_2", "type": "function",
     "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}]}


class Capital(BaseModel):
    country: str
    city: str


@check
def a_completion_is_the_same_from_the_cache():
    result = twice(lambda: client.chat.completions.create(**asks("py create")))
    assert result.choices[0].message.content
    assert result.usage.total_tokens == 10


@check
def raw_events_are_the_same_from_the_cache():
    def run():
        text, finish = "", None
        for chunk in client.chat.completions.create(**asks("py raw"), stream=True):
            assert chunk.usage is None
            assert chunk.choices
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        return text, finish

    text, finish = twice(run)
    assert text and finish == "stop"


@check
def usage_comes_to_who_asks_for_it():
    def run():
        usage = None
        options = {"include_usage": True}
        for chunk in client.chat.completions.create(
            **asks("py usage"), stream=True, stream_options=options
        ):
            usage = chunk.usage or usage
        return usage

    assert twice(run).total_tokens == 10


@check
def the_stream_helper_reads_a_miss_and_a_hit():
    def run():
        with client.chat.completions.stream(**asks("py helper")) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_completion()
        assert {"chunk", "content.delta", "content.done"} <= kinds, kinds
        return final.choices[0].message.content, final.choices[0].finish_reason

    text, finish = twice(run)
    assert text and finish == "stop"


@check
def a_stream_fills_what_a_document_reads():
    before = calls()
    with client.chat.completions.stream(**asks("py cross")) as stream:
        streamed = stream.get_final_completion()
    plain = client.chat.completions.create(**asks("py cross"))
    assert calls() == before + 1
    assert plain.choices[0].message.content == streamed.choices[0].message.content
    assert plain.usage.total_tokens == 10


@check
def tool_calls_are_the_same_in_every_form():
    script(json=answer(CALLS, "tool_calls"))
    asked = {**asks("py tools"), "tools": [TOOL]}
    plain = twice(lambda: client.chat.completions.create(**asked))
    calls_made = plain.choices[0].message.tool_calls
    assert [call.id for call in calls_made] == ["call_1", "call_2"]
    with client.chat.completions.stream(**asked) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    for whole, streamed in zip(calls_made, final.choices[0].message.tool_calls):
        assert whole.id == streamed.id
        assert whole.function.name == streamed.function.name
        assert whole.function.arguments == streamed.function.arguments
    assert final.choices[0].message.tool_calls[1].function.parsed_arguments == {"city": "Rome"}


@check
def structured_outputs_parse_from_the_cache():
    script(json=answer({"content": '{"country":"France","city":"Paris"}'}))
    asked = asks("py structured")
    plain = twice(lambda: client.chat.completions.parse(**asked, response_format=Capital)
                  .choices[0].message.parsed)
    assert plain == Capital(country="France", city="Paris")
    with client.chat.completions.stream(**asked, response_format=Capital) as stream:
        assert stream.get_final_completion().choices[0].message.parsed == plain


@check
def a_refusal_is_a_refusal_in_both_forms():
    script(json=answer({"content": None, "refusal": "I would rather not."}))
    plain = twice(lambda: client.chat.completions.create(**asks("py refusal")))
    assert plain.choices[0].message.refusal == "I would rather not."
    with client.chat.completions.stream(**asks("py refusal")) as stream:
        assert stream.get_final_completion().choices[0].message.refusal == "I would rather not."


@check
def what_the_sdk_does_not_know_is_kept():
    script(json=answer({"content": "42", "reasoning_content": "6 by 7"}, provider="p"))
    plain = twice(lambda: client.chat.completions.create(**asks("py unknown")))
    assert plain.choices[0].message.reasoning_content == "6 by 7"
    assert plain.provider == "p"


@check
def errors_have_their_class_and_code():
    classes = {
        400: openai.BadRequestError, 401: openai.AuthenticationError,
        403: openai.PermissionDeniedError, 404: openai.NotFoundError,
        409: openai.ConflictError, 422: openai.UnprocessableEntityError,
        429: openai.RateLimitError, 500: openai.InternalServerError,
        503: openai.InternalServerError,
    }
    for status, kind in classes.items():
        for stream in (False, True):
            error = {"message": "no", "type": "t", "param": "p", "code": f"code_{status}"}
            script(status=status, json={"error": error})
            try:
                client.chat.completions.create(**asks(f"py error {status}"), stream=stream)
                raise AssertionError(f"{status} was no error")
            except openai.APIStatusError as failure:
                assert type(failure) is kind, (status, type(failure))
                assert failure.status_code == status
                assert failure.code == f"code_{status}"
                assert failure.param == "p"
                assert failure.request_id


@check
def errors_of_the_proxy_itself_have_a_code():
    try:
        client.chat.completions.create(
            **asks("py never asked"), extra_headers={"cache-control": "only-if-cached"}
        )
        raise AssertionError("a miss was no error")
    except openai.InternalServerError as failure:
        assert (failure.status_code, failure.code) == (504, "cache_only_miss")


@check
def a_stream_that_breaks_off_raises():
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**chunk, "choices": [{"index": 0, "delta": {"content": f"word {n} "},
                                     "finish_reason": None}]} for n in range(20)]
    script(stream=chunks, cut=True)
    try:
        for _ in client.chat.completions.create(**asks("py cut"), stream=True):
            pass
        raise AssertionError("a cut stream looked whole")
    except (openai.APIError, openai.APIConnectionError):
        pass
    except Exception as failure:  # the transport's own error for a reset
        assert "httpx" in type(failure).__module__ or "httpcore" in type(failure).__module__


@check
def the_sdk_retries_and_is_then_served():
    patient = client.with_options(max_retries=2)
    script(status=500, json={"error": {"message": "x", "type": "t", "param": None, "code": None}},
           headers={"retry-after-ms": "10"})
    before = calls()
    first = patient.chat.completions.create(**asks("py retry"))
    assert calls() == before + 2
    assert patient.chat.completions.create(**asks("py retry")) == first
    assert calls() == before + 2


@check
def only_if_cached_is_not_retried():
    patient = client.with_options(max_retries=2)
    with_raw = patient.chat.completions.with_raw_response
    try:
        with_raw.create(**asks("py no retry"), extra_headers={"cache-control": "only-if-cached"})
        raise AssertionError("a miss was no error")
    except openai.InternalServerError as failure:
        assert failure.response.headers["x-should-retry"] == "false"
        sent = failure.response.request.headers["x-stainless-retry-count"]
        assert sent == "0", f"sent {sent} retries"


@check
def raw_responses_tell_what_the_cache_did():
    raw = client.chat.completions.with_raw_response
    first, second = raw.create(**asks("py headers")), raw.create(**asks("py headers"))
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert second.headers["cache-status"].startswith("reprise; hit; ttl=")
    assert int(second.headers["age"]) >= 0
    assert first.request_id and first.request_id != second.request_id
    assert first.content == second.content


@check
def directives_go_through_the_sdk():
    first = client.chat.completions.create(**asks("py directive"))
    again = client.chat.completions.create(
        **asks("py directive"), extra_headers={"Cache-Control": "no-cache"}
    )
    assert first.id != again.id


@check
def other_operations_pass():
    assert [model.id for model in client.models.list()] == ["test-model"]


main()
