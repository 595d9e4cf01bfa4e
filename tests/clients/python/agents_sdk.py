"""The OpenAI Agents SDK, on chat completions: a run of an agent is the same from the cache,
tools, structured outputs and streams as well.

Needs what the frame needs.
"""

import asyncio

import agents
import openai
from pydantic import BaseModel

from frame import BASE_URL, answer, calls, check, main, script, tool_call, twice

agents.set_tracing_disabled(True)


class Capital(BaseModel):
    country: str
    city: str


@agents.function_tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"rain in {city}"


def agent(**more):
    client = openai.AsyncOpenAI(base_url=BASE_URL, api_key="sk-agents", max_retries=0, timeout=30)
    model = agents.OpenAIChatCompletionsModel(model="test-model", openai_client=client)
    return agents.Agent(name="Test", instructions="Answer.", model=model, **more)


def run(question, **more):
    return asyncio.run(agents.Runner.run(agent(**more), question))


@check
def a_run_is_the_same_from_the_cache():
    output = twice(lambda: run("agents plain").final_output)
    assert output.startswith("answer ")


@check
def a_run_with_a_tool_asks_for_each_turn_once():
    script(json=answer(tool_call("weather", {"city": "Paris"}), "tool_calls"))
    script(json=answer({"content": "It rains."}))
    result = twice(
        lambda: run("agents tool", tools=[weather]), upstream=2,
        same=lambda result: [item.to_input_item() for item in result.new_items],
    )
    kinds = [type(item).__name__ for item in result.new_items]
    assert kinds == ["ToolCallItem", "ToolCallOutputItem", "MessageOutputItem"], kinds
    assert result.final_output == "It rains."


@check
def structured_outputs_are_read_from_the_cache():
    script(json=answer({"content": '{"country":"France","city":"Paris"}'}))
    output = twice(lambda: run("agents structured", output_type=Capital).final_output)
    assert output == Capital(country="France", city="Paris")


@check
def a_stream_is_the_document():
    async def streamed():
        result = agents.Runner.run_streamed(agent(), "agents stream")
        text = ""
        async for event in result.stream_events():
            if event.type == "raw_response_event":
                if event.data.type == "response.output_text.delta":
                    text += event.data.delta
        assert text == result.final_output, (text, result.final_output)
        return text

    text = twice(lambda: asyncio.run(streamed()))
    before = calls()
    assert run("agents stream").final_output == text
    # The SDK asks for a stream with other parameters, so this may be another question;
    # whatever it is, it is asked once at most.
    assert calls() <= before + 1


main()
