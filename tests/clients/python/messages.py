"""Anthropic's Python SDK against a running proxy: every question is asked twice, and
the second answer, from the cache, must be what the first was.

Needs BASE_URL, the proxy's API root, and UPSTREAM_CONTROL, where the scripted
upstream takes its answers and tells how often it was asked.
"""

import json
import os
import sys
import urllib.request

import anthropic

CONTROL = os.environ["UPSTREAM_CONTROL"]
client = anthropic.Anthropic(
    base_url=os.environ["BASE_URL"].removesuffix("/v1"), api_key="sk-python",
    max_retries=0, timeout=30,
)
checks = []


def check(function):
    """Registers a check; its name is its sentence."""
    checks.append(function)
    return function


def control(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{CONTROL}/{path}", data, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def script(**reply):
    """What the upstream answers next."""
    control("next", reply)


def calls():
    return control("calls")["calls"]


def asks(text, **more):
    return {"model": "claude-test", "max_tokens": 100,
            "messages": [{"role": "user", "content": text}], **more}


TOOL = {"name": "weather", "description": "Tells the weather.", "input_schema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}
RICH = {
    "id": "msg_python", "type": "message", "role": "assistant", "model": "claude-test-1",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "b3BhcXVl"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "toolu_2", "name": "weather", "input": {}},
    ],
    "stop_reason": "tool_use", "stop_sequence": None,
    "usage": {"input_tokens": 4, "cache_creation_input_tokens": 0,
              "cache_read_input_tokens": 3, "output_tokens": 12},
}


def twice(function):
    """Runs it twice; the upstream must be asked once, the results must be equal."""
    before = calls()
    first, second = function(), function()
    assert calls() == before + 1, f"{calls() - before} calls"
    assert first == second, f"{first!r} != {second!r}"
    return second


def bare(message):
    """A message without what the stream helper alone adds to its blocks."""
    told = message.model_dump()
    for block in told["content"]:
        block.pop("parsed_output", None)
    return told


def streamed(**asked):
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        return text, stream.get_final_message()


@check
def a_message_is_the_same_from_the_cache():
    result = twice(lambda: client.messages.create(**asks("py create")))
    assert result.content[0].text.startswith("answer ")
    assert result.stop_reason == "end_turn"
    assert (result.usage.input_tokens, result.usage.output_tokens) == (6, 5)


@check
def raw_events_spell_the_same_from_the_cache():
    def run():
        text, kinds = "", []
        for event in client.messages.create(**asks("py raw"), stream=True):
            kinds.append(event.type)
            if event.type == "content_block_delta":
                text += event.delta.text
        assert (kinds[0], kinds[-1]) == ("message_start", "message_stop"), kinds
        return text

    assert twice(run).startswith("answer ")


@check
def the_stream_helper_reads_a_miss_and_a_hit():
    text, message = twice(lambda: streamed(**asks("py helper")))
    assert message.content[0].text == text
    assert message.usage.output_tokens == 5
    assert message.usage.cache_read_input_tokens == 3


@check
def a_stream_fills_what_a_document_reads():
    before = calls()
    _, whole = streamed(**asks("py cross"))
    plain = client.messages.create(**asks("py cross"))
    assert calls() == before + 1
    assert bare(plain) == bare(whole), (plain, whole)


@check
def thinking_and_tool_calls_are_the_same_in_every_form():
    script(json=RICH)
    asked = asks("py tools", tools=[TOOL])
    plain = twice(lambda: client.messages.create(**asked))
    assert [block.type for block in plain.content] == [
        "thinking", "redacted_thinking", "text", "tool_use", "tool_use"]
    _, whole = streamed(**asked)
    assert bare(plain) == bare(whole), (plain, whole)
    assert whole.content[3].input == {"city": "Paris"}
    assert whole.stop_reason == plain.stop_reason == "tool_use"
    assert whole.usage == plain.usage


@check
def tokens_are_counted_once():
    asked = {"model": "claude-test", "messages": [{"role": "user", "content": "py count"}]}
    counted = twice(lambda: client.messages.count_tokens(**asked))
    assert counted.input_tokens > 10


@check
def errors_have_their_class():
    classes = {
        400: anthropic.BadRequestError, 401: anthropic.AuthenticationError,
        403: anthropic.PermissionDeniedError, 404: anthropic.NotFoundError,
        413: anthropic.APIStatusError, 429: anthropic.RateLimitError,
        500: anthropic.InternalServerError, 529: anthropic.APIStatusError,
    }
    for status, kind in classes.items():
        for stream in (False, True):
            error = {"type": "some_error", "message": "no"}
            script(status=status, json={"type": "error", "error": error})
            try:
                client.messages.create(**asks(f"py error {status}"), stream=stream)
                raise AssertionError(f"{status} was no error")
            except anthropic.APIStatusError as failure:
                assert isinstance(failure, kind), (status, type(failure))
                assert failure.status_code == status
                assert failure.body["error"] == error
                assert failure.request_id


@check
def errors_of_the_proxy_itself_are_anthropics():
    patient = client.with_options(max_retries=2)
    try:
        patient.messages.create(
            **asks("py never asked"), extra_headers={"cache-control": "only-if-cached"}
        )
        raise AssertionError("a miss was no error")
    except anthropic.APIStatusError as failure:
        assert failure.status_code == 504
        assert failure.body["type"] == "error"
        assert failure.body["error"]["type"] == "api_error"
        assert failure.body["request_id"] == failure.request_id
        assert failure.response.request.headers["x-stainless-retry-count"] == "0"


@check
def raw_responses_tell_what_the_cache_did():
    raw = client.messages.with_raw_response
    first, second = raw.create(**asks("py headers")), raw.create(**asks("py headers"))
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT")
    assert first.headers["request-id"] != second.headers["request-id"]
    assert first.http_response.content == second.http_response.content


def main():
    failed = 0
    for function in checks:
        sentence = function.__name__.replace("_", " ")
        try:
            function()
            print(f"pass {sentence}")
        except Exception as failure:
            failed += 1
            print(f"FAIL {sentence}: {type(failure).__name__}: {failure}")
    sys.exit(1 if failed else 0)


main()
