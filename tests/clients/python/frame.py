"""What the scripts of this folder share: checks that are registered and run, and the
scripted upstream that answers behind the proxy and tells how often it was asked.

Needs BASE_URL, the proxy's API root, and UPSTREAM_CONTROL, where the upstream is told
what to answer. ADMIN_KEY opens the proxy's administration, for the scripts that look
at it.
"""

import asyncio
import inspect
import json
import os
import sys
import urllib.request

BASE_URL = os.environ["BASE_URL"]
ROOT = BASE_URL.removesuffix("/v1")
CONTROL = os.environ.get("UPSTREAM_CONTROL", "")
ADMIN_KEY = os.environ.get("ADMIN_KEY", "")

_checks = []


def check(function):
    """Registers a check; its name is its sentence."""
    add(function.__name__.replace("_", " "), function)
    return function


def add(sentence, function):
    """Registers a check under a sentence."""
    _checks.append((sentence, function))


def control(path, body=None):
    """Asks the scripted upstream itself."""
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
    """How often the upstream was asked."""
    return control("calls")["calls"]


def asks(text):
    """A question of these words."""
    return {"model": "test-model", "messages": [{"role": "user", "content": text}]}


def answer(message, finish="stop", **more):
    """A whole chat completion with this message."""
    return {
        "id": "chatcmpl-python", "object": "chat.completion", "created": 1700000000,
        "model": "test-model-1",
        "choices": [{"index": 0, "message": {"role": "assistant", **message},
                     "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}, **more,
    }


def tool_call(name, arguments, id="call_1"):
    """A message that calls a tool."""
    return {"content": None, "tool_calls": [
        {"id": id, "type": "function",
         "function": {"name": name, "arguments": json.dumps(arguments)}}]}


def twice(function, same=None, upstream=1):
    """Runs it twice; the upstream must be asked the first time only, the results must be
    equal: as they are, or in what `same` takes of them."""
    before = calls()
    first = function()
    assert calls() == before + upstream, f"the first time made {calls() - before} calls"
    second = function()
    assert calls() == before + upstream, f"{calls() - before} calls"
    same = same or (lambda result: result)
    assert same(first) == same(second), f"{same(first)!r} != {same(second)!r}"
    return second


def main():
    """Runs what is registered, tells how each went, and leaves with a failure if one did."""
    failed = 0
    for sentence, function in _checks:
        try:
            outcome = function()
            if inspect.iscoroutine(outcome):
                asyncio.run(outcome)
            print(f"pass {sentence}")
        except Exception as failure:
            failed += 1
            print(f"FAIL {sentence}: {type(failure).__name__}: {failure}")
    sys.exit(1 if failed else 0)
