"""Instructor on the proxy: objects read from the cache are those read from the provider,
and what it asks again because an answer does not fit is another question.

Needs what the frame needs.
"""

import instructor
import openai
from pydantic import BaseModel, Field

from frame import BASE_URL, answer, asks, check, main, script, tool_call, twice


class Person(BaseModel):
    name: str
    age: int = Field(lt=150)


def fields(person):
    """A person without what Instructor keeps of the answer beside."""
    return person.model_dump()


def client(mode):
    raw = openai.OpenAI(base_url=BASE_URL, api_key="sk-instructor", max_retries=0, timeout=30)
    return instructor.from_openai(raw, mode=mode)


@check
def an_object_from_a_tool_call_is_the_same_from_the_cache():
    script(json=answer(tool_call("Person", {"name": "Ada", "age": 36}), "tool_calls"))
    ask = client(instructor.Mode.TOOLS).chat.completions.create
    person = twice(lambda: ask(response_model=Person, **asks("instructor tools")), same=fields)
    assert fields(person) == {"name": "Ada", "age": 36}


@check
def an_object_from_json_is_the_same_from_the_cache():
    script(json=answer({"content": '{"name":"Alan","age":41}'}))
    ask = client(instructor.Mode.JSON).chat.completions.create
    person = twice(lambda: ask(response_model=Person, **asks("instructor json")), same=fields)
    assert fields(person) == {"name": "Alan", "age": 41}


@check
def a_streamed_object_is_the_same_from_the_cache():
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    call = tool_call("PartialPerson", {"name": "Grace", "age": 85})["tool_calls"][0]
    script(stream=[
        {**chunk, "choices": [{"index": 0, "finish_reason": None, "delta": {
            "role": "assistant", "tool_calls": [{"index": 0, **call}]}}]},
        {**chunk, "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {}}]},
    ])
    completions = client(instructor.Mode.TOOLS).chat.completions

    def run():
        # It names the tool otherwise than for a whole object.
        *_, last = completions.create_partial(response_model=Person, **asks("instructor partial"))
        return last

    person = twice(run, same=fields)
    assert person.model_dump() == {"name": "Grace", "age": 85}


@check
def what_does_not_fit_is_asked_again_and_both_are_found():
    script(json=answer(tool_call("Person", {"name": "Methuselah", "age": 969}), "tool_calls"))
    script(json=answer(tool_call("Person", {"name": "Methuselah", "age": 96}), "tool_calls"))
    ask = client(instructor.Mode.TOOLS).chat.completions.create
    person = twice(
        lambda: ask(response_model=Person, max_retries=2, **asks("instructor retry")),
        same=fields, upstream=2,
    )
    assert person.age == 96


main()
