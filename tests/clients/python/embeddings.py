"""Embeddings through the official Python SDK: whatever it asks for and whatever the
provider answers, every vector is the right one, bit by bit, found or not.

Needs what the frame needs.
"""

import base64
import functools
import itertools
import struct

import openai

from frame import BASE_URL, add, calls, control, main

client = openai.OpenAI(base_url=BASE_URL, api_key="sk-python", max_retries=0, timeout=30)

# The SDK itself asks for base64 where the caller asks for nothing.
FORMS = [None, "float", "base64"]
STYLES = {
    "wide": {"floats": "wide"},
    "short": {"floats": "short"},
    "double": {"floats": "double"},
    "always base64": {"encoding": "base64"},
    "ignores the format": {"encoding": "floats"},
    "shuffled": {"shuffled": True},
}


def bits(embedding):
    """The numbers of a vector as the integers their single precision is."""
    if isinstance(embedding, str):
        packed = base64.b64decode(embedding, validate=True)
    else:
        packed = struct.pack(f"<{len(embedding)}f", *embedding)
    return list(struct.unpack(f"<{len(packed) // 4}I", packed))


def ask(model, form, texts):
    """Asks, checks the answer, and says what the cache did."""
    asked = {"model": model, "input": texts}
    more = {} if form is None else {"encoding_format": form}
    raw = client.embeddings.with_raw_response.create(**asked, **more)
    answer = raw.parse()
    expected = control("vectors", asked)
    assert answer.object == "list"
    assert answer.model == f"{model}-v1", answer.model
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 0
    assert [item.index for item in answer.data] == list(range(len(texts)))
    for item, wanted in zip(answer.data, expected, strict=True):
        assert isinstance(item.embedding, str) == (form == "base64"), type(item.embedding)
        got = bits(item.embedding)
        assert got == wanted, f"{got} for {wanted}"
    return raw.headers["x-cache"]


def every_vector_is_right(style, form):
    control("style", STYLES[style])
    model = f"py {style} {form}"
    before = calls()
    assert ask(model, form, ["a", "b", "c"]) == "MISS"
    assert ask(model, form, ["d", "b", "e"]) == "PARTIAL"
    for again in FORMS:
        assert ask(model, again, ["e", "a", "d", "c", "a"]) == "HIT"
    assert calls() == before + 2


for style, form in itertools.product(STYLES, FORMS):
    add(
        f"a provider that is {style}, a caller who asks for {form}",
        functools.partial(every_vector_is_right, style, form),
    )
main()
