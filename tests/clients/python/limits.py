"""Limits through the official Python SDK: it waits as long as it is told and then gets its
answer, and tells the caller what was wrong if it may not try again.

Needs what the frame needs, of a proxy that lets one key make 60 requests a minute.
"""

import time

import openai

from frame import BASE_URL, check, main


def caller(key, retries):
    return openai.OpenAI(base_url=BASE_URL, api_key=key, max_retries=retries, timeout=30)


def ask(client):
    return client.chat.completions.with_raw_response.create(
        model="test-model", messages=[{"role": "user", "content": "the same"}]
    )


def use_up(key):
    """Asks until a limit is reached; gives the error."""
    client = caller(key, 0)
    for _ in range(500):
        try:
            ask(client)
        except openai.RateLimitError as error:
            return error
    raise AssertionError("there is no limit")


@check
def what_is_left_is_told():
    headers = ask(caller("sk-told", 0)).headers
    assert headers["x-ratelimit-limit-requests"] == "60"
    assert headers["x-ratelimit-remaining-requests"] == "59"
    assert headers["x-ratelimit-reset-requests"] == "1s"


@check
def a_limit_that_is_reached_is_a_rate_limit_error():
    error = use_up("sk-refused")
    assert error.status_code == 429
    assert error.code == "rate_limit_exceeded" and error.type == "requests", error.body
    headers = error.response.headers
    assert 1 <= int(headers["retry-after-ms"]) <= 1000
    assert headers["retry-after"] == "1"
    assert headers["x-ratelimit-remaining-requests"] == "0"


@check
def the_sdk_waits_and_gets_its_answer():
    use_up("sk-waits")
    began = time.monotonic()
    answer = ask(caller("sk-waits", 5))
    assert answer.parse().choices[0].message.content
    assert answer.retries_taken >= 1, answer.retries_taken
    assert time.monotonic() - began < 20


main()
