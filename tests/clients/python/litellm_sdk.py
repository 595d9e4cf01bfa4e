"""The LiteLLM SDK on the proxy, as an OpenAI API at an address of its own.

Needs what the frame needs.
"""

import os

# Prices are otherwise fetched from elsewhere when the module is loaded.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm  # noqa: E402

from frame import (  # noqa: E402
    BASE_URL, answer, asks, calls, check, main, script, tool_call, twice,
)

litellm.suppress_debug_info = True
litellm.telemetry = False
setting = {"api_base": BASE_URL, "api_key": "sk-litellm", "max_retries": 0, "timeout": 30}


def ask(text, **more):
    asked = asks(text)
    return litellm.completion(
        model="openai/" + asked["model"], messages=asked["messages"], **setting, **more
    )


def told(response):
    return response.model_dump()


@check
def a_completion_is_the_same_from_the_cache():
    response = twice(lambda: ask("litellm plain"), same=told)
    assert response.choices[0].message.content.startswith("answer ")
    assert response.usage.total_tokens == 10


@check
def a_stream_is_the_document():
    def run():
        return litellm.stream_chunk_builder(list(ask("litellm stream", stream=True)))

    def text(response):
        return response.choices[0].message.content

    streamed = twice(run, same=text)
    before = calls()
    assert text(ask("litellm stream")) == text(streamed)
    assert calls() == before


@check
def tool_calls_are_the_same_from_the_cache():
    script(json=answer(tool_call("weather", {"city": "Paris"}), "tool_calls"))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}}}}
    response = twice(lambda: ask("litellm tool", tools=[tool]), same=told)
    call = response.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == (
        "call_1", "weather", '{"city": "Paris"}'
    )


@check
def errors_have_their_class():
    script(status=429, json={"error": {"message": "slow", "type": "t", "param": None, "code": "c"}})
    try:
        ask("litellm error")
        raise AssertionError("429 was no error")
    except litellm.RateLimitError as failure:
        assert failure.status_code == 429


@check
def vectors_are_the_same_from_the_cache():
    def embed(*texts):
        return litellm.embedding(
            model="openai/test-model", input=list(texts), encoding_format="float", **setting
        )

    def vectors(response):
        return [item["embedding"] for item in response.data]

    first = twice(lambda: embed("ll a", "ll b", "ll c"), same=vectors)
    before = calls()
    assert vectors(embed("ll b")) == [vectors(first)[1]]
    assert calls() == before


main()
