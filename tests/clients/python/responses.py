"""The official Python SDK on responses: documents, its stream helper and structured outputs
are the same from the cache, and a document and a stream fill each other.

Needs what the frame needs.
"""

import openai
from pydantic import BaseModel

from frame import BASE_URL, calls, check, main, script, twice

client = openai.OpenAI(base_url=BASE_URL, api_key="sk-python", max_retries=0, timeout=30)


class Capital(BaseModel):
    country: str
    city: str


def asks(text):
    # What the provider is to keep is not answered from the cache.
    return {"model": "test-model", "input": text, "store": False}


def answer(text):
    """A whole response that says this."""
    return {
        "id": "resp_python", "object": "response", "created_at": 1700000000,
        "status": "completed", "model": "test-model-1", "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {},
        "parallel_tool_calls": True, "temperature": 1.0, "tool_choice": "auto", "tools": [],
        "top_p": 1.0, "store": False,
        "output": [{"id": "msg_1", "type": "message", "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": text, "annotations": [],
                                 "logprobs": []}]}],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
                  "input_tokens_details": {"cached_tokens": 0},
                  "output_tokens_details": {"reasoning_tokens": 0}},
    }


@check
def a_response_is_the_same_from_the_cache():
    script(json=answer("Hello."))
    response = twice(lambda: client.responses.create(**asks("py response")))
    assert response.output_text == "Hello."
    assert response.usage.total_tokens == 10


@check
def the_stream_helper_reads_a_document():
    script(json=answer("Hello, stream."))
    whole = client.responses.create(**asks("py response stream"))
    before = calls()
    text = ""
    with client.responses.stream(**asks("py response stream")) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
        final = stream.get_final_response()
    assert calls() == before
    assert text == final.output_text == whole.output_text
    assert final.usage == whole.usage


@check
def structured_outputs_parse_from_the_cache():
    script(json=answer('{"country":"France","city":"Paris"}'))
    asked = asks("py response structured")
    parsed = twice(
        lambda: client.responses.parse(**asked, text_format=Capital).output_parsed
    )
    assert parsed == Capital(country="France", city="Paris")


main()
