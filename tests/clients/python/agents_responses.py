"""The OpenAI Agents SDK, on responses: a run of an agent is the same from the cache.

Needs what the frame needs.
"""

import asyncio

import agents
import openai

from frame import BASE_URL, check, main, script, twice

agents.set_tracing_disabled(True)


def agent():
    client = openai.AsyncOpenAI(base_url=BASE_URL, api_key="sk-agents", max_retries=0, timeout=30)
    return agents.Agent(
        name="Test", instructions="Answer.",
        model=agents.OpenAIResponsesModel(model="test-model", openai_client=client),
        # What the provider is to keep is not answered from the cache.
        model_settings=agents.ModelSettings(store=False),
    )


@check
def a_run_is_the_same_from_the_cache():
    script(json={
        "id": "resp_agents", "object": "response", "created_at": 1700000000,
        "status": "completed", "model": "test-model-1", "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {},
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "store": False,
        "output": [{"id": "msg_1", "type": "message", "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Hello.", "annotations": [],
                                 "logprobs": []}]}],
        "usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
                  "input_tokens_details": {"cached_tokens": 0},
                  "output_tokens_details": {"reasoning_tokens": 0}},
    })
    output = twice(lambda: asyncio.run(agents.Runner.run(agent(), "agents response")).final_output)
    assert output == "Hello."


main()
