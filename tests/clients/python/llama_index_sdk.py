"""LlamaIndex on the proxy, with its classes for OpenAI and for compatible servers.

Needs what the frame needs.
"""

from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike

from frame import BASE_URL, add, calls, check, main, twice

setting = {"api_base": BASE_URL, "api_key": "sk-llama-index", "max_retries": 0, "timeout": 30}
# The class for OpenAI wants to know how much fits into a model, and so its name.
models = {
    "OpenAI": OpenAI(model="gpt-4o-mini", **setting),
    "OpenAILike": OpenAILike(model="test-model", is_chat_model=True, **setting),
}
embeddings = OpenAIEmbedding(model_name="test-model", **setting)


def asks(text):
    return [ChatMessage(role="user", content=text)]


def told(response):
    return response.message.model_dump(), response.raw


def a_message_is_the_same(name, model):
    response = twice(lambda: model.chat(asks(f"llama {name}")), same=told)
    assert response.message.content.startswith("answer ")


def a_stream_is_the_document(name, model):
    def run():
        text = ""
        for part in model.stream_chat(asks(f"llama stream {name}")):
            text += part.delta or ""
            last = part.message.content
        assert text == last
        return text

    text = twice(run)
    before = calls()
    assert model.chat(asks(f"llama stream {name}")).message.content == text
    assert calls() == before


for name, model in models.items():
    for run in (a_message_is_the_same, a_stream_is_the_document):
        sentence = f"with {name}, {run.__name__.replace('_', ' ')}"
        add(sentence, lambda run=run, name=name, model=model: run(name, model))


@check
def vectors_are_the_same_from_the_cache():
    first = twice(lambda: embeddings.get_text_embedding_batch(["li a", "li b", "li c"]))
    before = calls()
    assert embeddings.get_text_embedding("li b") == first[1]
    assert calls() == before


main()
