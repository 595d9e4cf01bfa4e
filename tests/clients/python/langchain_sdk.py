"""LangChain on the proxy: what a chain makes of a hit is what it makes of a miss.

Needs what the frame needs.
"""

from langchain_core.messages import AIMessageChunk
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from frame import BASE_URL, answer, calls, check, main, script, tool_call, twice

model = ChatOpenAI(
    model="test-model", base_url=BASE_URL, api_key="sk-langchain", max_retries=0,
    # At another address than OpenAI's it does not ask for the tokens of a stream by itself.
    stream_usage=True,
)
embeddings = OpenAIEmbeddings(
    model="test-model", base_url=BASE_URL, api_key="sk-langchain", max_retries=0,
    # Without it texts are sent as tokens of a vocabulary that is fetched first.
    check_embedding_ctx_length=False,
)


class Weather(BaseModel):
    """Tells the weather of a city."""

    city: str


def told(message):
    """A message without the id that LangChain gives to each run."""
    return message.model_dump(exclude={"id"})


@check
def a_message_is_the_same_from_the_cache():
    message = twice(lambda: model.invoke("langchain plain"), same=told)
    assert message.content.startswith("answer ")
    assert message.usage_metadata["total_tokens"] == 10


@check
def a_stream_is_the_document():
    def run():
        whole = AIMessageChunk(content="")
        for part in model.stream("langchain stream"):
            whole += part
        return whole

    streamed = twice(run, same=told)
    before = calls()
    plain = model.invoke("langchain stream")
    assert calls() == before
    assert streamed.content == plain.content
    assert streamed.usage_metadata == plain.usage_metadata


@check
def tool_calls_are_the_same_from_the_cache():
    script(json=answer(tool_call("Weather", {"city": "Paris"}), "tool_calls"))
    bound = model.bind_tools([Weather])
    message = twice(lambda: bound.invoke("langchain tool"), same=told)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [
        ("Weather", {"city": "Paris"})
    ]


@check
def structured_outputs_are_read_from_the_cache():
    script(json=answer({"content": '{"city":"Rome"}'}))
    bound = model.with_structured_output(Weather)
    assert twice(lambda: bound.invoke("langchain structured")) == Weather(city="Rome")


@check
def a_batch_asks_for_each_question_once():
    before = calls()
    first = model.batch(["langchain batch 1", "langchain batch 2"])
    again = model.batch(["langchain batch 2", "langchain batch 1"])
    assert calls() == before + 2
    assert [told(message) for message in first] == [told(message) for message in again[::-1]]


@check
def vectors_are_the_same_from_the_cache():
    first = twice(lambda: embeddings.embed_documents(["lc a", "lc b", "lc c"]))
    before = calls()
    assert embeddings.embed_query("lc b") == first[1]
    assert calls() == before


main()
