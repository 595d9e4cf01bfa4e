"""The client that openapi-python-client makes of the document, on the running product.

Needs what the frame needs, ADMIN_KEY, and the client on PYTHONPATH.
"""

import time

from reprise_client import AuthenticatedClient
from reprise_client.api.access import create_key, list_keys, retrieve_key
from reprise_client.api.answers import create_chat_completion, create_embedding, list_models
from reprise_client.api.cache import invalidate_cache, list_cache_entries, retrieve_cache_stats
from reprise_client.api.operations import live, ready, server_health
from reprise_client.api.providers import list_providers
from reprise_client.api.usage import costs, list_prices, usage, usage_completions
from reprise_client.models import (
    ChatCompletionRequest, ChatMessage, CompletionsGroup, CostsGroup, DryRun, EmbeddingList,
    EmbeddingRequest, ErrorEnvelope, InvalidateRequest, KeyRequest, MadeKey, UsageGranularity,
    UsageGroup,
)

from frame import ADMIN_KEY, ROOT, check, main, twice

caller = AuthenticatedClient(base_url=ROOT, token="sk-generated")
admin = AuthenticatedClient(base_url=ROOT, token=ADMIN_KEY)
YESTERDAY = int(time.time()) - 86_400


def good(answer):
    """An answer that is none of the errors."""
    assert answer is not None and not isinstance(answer, ErrorEnvelope), answer
    return answer


@check
def a_completion_is_the_same_from_the_cache():
    asked = ChatCompletionRequest(
        model="test-model", messages=[ChatMessage(role="user", content="generated python")]
    )
    asked["temperature"] = 0.5
    answer = twice(lambda: good(create_chat_completion.sync(client=caller, body=asked)))
    assert answer["choices"][0]["message"]["content"].startswith("answer "), answer


@check
def vectors_are_the_same_from_the_cache():
    asked = EmbeddingRequest(model="test-model", input_=["x", "y"], encoding_format="float")
    answer = twice(lambda: good(create_embedding.sync(client=caller, body=asked)))
    assert isinstance(answer, EmbeddingList)
    assert len(answer.data) == 2 and not isinstance(answer.data[0].embedding, str), answer


@check
def models_are_listed():
    assert [model.id for model in good(list_models.sync(client=caller)).data] == ["test-model"]


@check
def a_key_is_made_and_found():
    made = good(create_key.sync(client=admin, body=KeyRequest(name="generated", tenant="acme")))
    assert isinstance(made, MadeKey) and made.key
    assert good(retrieve_key.sync(made.id, client=admin)).tenant == "acme"
    assert made.id in [key.id for key in good(list_keys.sync(client=admin, limit=10)).data]


@check
def what_is_refused_is_an_error_of_the_document():
    refused = create_key.sync(client=admin, body=KeyRequest(name="no tenant"))
    assert isinstance(refused, ErrorEnvelope) and refused.error.param == "tenant", refused


@check
def the_pages_of_the_server_are_read():
    for page in (retrieve_cache_stats, server_health, list_providers):
        good(page.sync(client=admin))
    for page in (live, ready):
        good(page.sync(client=caller))
    good(list_prices.sync(client=admin, provider="openai"))


@check
def entries_are_listed_and_a_purge_is_tried():
    entries = good(list_cache_entries.sync(client=admin, operation=["chat"], limit=10))
    assert len(entries.data) == 1, entries
    asked = InvalidateRequest(model=["test-*"], dry_run=True)
    meant = good(invalidate_cache.sync(client=admin, body=asked))
    assert isinstance(meant, DryRun) and meant.entries >= 1, meant


@check
def usage_and_costs_are_read_with_lists_as_parameters():
    page = good(usage_completions.sync(
        client=admin, start_time=YESTERDAY, models=["test-model", "test-model-1"],
        group_by=[CompletionsGroup.MODEL, CompletionsGroup.API_KEY_ID],
    ))
    assert page.data
    assert good(costs.sync(
        client=admin, start_time=YESTERDAY, group_by=[CostsGroup.LINE_ITEM],
        api_key_ids=["key_x", "key_y"],
    )).data
    assert good(usage.sync(
        client=admin, granularity=UsageGranularity.DAY,
        group_by=[UsageGroup.OPERATION, UsageGroup.MODEL],
    )).data


main()
