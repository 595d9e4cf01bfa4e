"""Azure's client of the official Python SDK: chat, streams, completions and embeddings of
a deployment are the same found or not.

Needs BASE_URL, the proxy's API root, in front of a provider that is Azure.
"""

import os
import sys

import openai

client = openai.AzureOpenAI(
    azure_endpoint=os.environ["BASE_URL"].removesuffix("/v1"),
    api_key="key-python",
    api_version="2024-10-21",
    max_retries=0,
    timeout=30,
)


def outcomes(ask, times=2):
    """Asks so often; what the cache did each time, and that the answers were the same."""
    seen = [ask() for _ in range(times)]
    answers = [answer for answer, _ in seen]
    assert all(answer == answers[0] for answer in answers), answers
    return [outcome for _, outcome in seen]


def chat():
    raw = client.chat.completions.with_raw_response.create(
        model="python-gpt", messages=[{"role": "user", "content": "hello"}]
    )
    answer = raw.parse()
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 10
    return answer.choices[0].message.content, raw.headers["x-cache"]


def stream():
    raw = client.chat.completions.with_raw_response.create(
        model="python-gpt", messages=[{"role": "user", "content": "hello"}], stream=True
    )
    parts = [chunk.choices[0].delta.content or "" for chunk in raw.parse()]
    return "".join(parts), raw.headers["x-cache"]


def completion():
    raw = client.completions.with_raw_response.create(model="python-instruct", prompt="hello")
    return raw.parse().choices[0].text, raw.headers["x-cache"]


def embeddings(deployment):
    raw = client.embeddings.with_raw_response.create(model=deployment, input=["a", "b"])
    vectors = [item.embedding for item in raw.parse().data]
    assert len(vectors) == 2 and vectors[0] != vectors[1]
    return vectors, raw.headers["x-cache"]


def check_chat():
    assert outcomes(chat) == ["MISS", "HIT"]
    text, outcome = stream()
    assert (text, outcome) == (chat()[0], "HIT"), (text, outcome)


def check_completions():
    assert outcomes(completion) == ["MISS", "HIT"]


def check_embeddings():
    assert outcomes(lambda: embeddings("python-ada")) == ["MISS", "HIT"]
    assert embeddings("python-large")[1] == "MISS"


def main():
    failed = 0
    for check in [check_chat, check_completions, check_embeddings]:
        sentence = check.__name__.replace("_", " ")
        try:
            check()
            print(f"pass {sentence}")
        except Exception as failure:
            failed += 1
            print(f"FAIL {sentence}: {type(failure).__name__}: {failure}")
    sys.exit(1 if failed else 0)


main()
