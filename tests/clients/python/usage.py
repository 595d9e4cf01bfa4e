"""Usage and costs through the official Python SDK: a dashboard written for the provider
reads them here, and finds what the cache did beside them.

Needs what the frame needs, and ADMIN_KEY.
"""

import time

import openai

from frame import ADMIN_KEY, BASE_URL, check, main

DAY = 86_400

caller = openai.OpenAI(base_url=BASE_URL, api_key="sk-python", max_retries=0, timeout=30)
operator = openai.OpenAI(
    base_url=BASE_URL, api_key="sk-python", admin_api_key=ADMIN_KEY, max_retries=0, timeout=30
)
usage = operator.admin.organization.usage


def today():
    now = int(time.time())
    return now - now % DAY


def results(page):
    return [result for bucket in page.data for result in bucket.results]


def use():
    """One miss and two hits, and an embedding of each kind; waits until they count."""
    asked = {"model": "test-model", "messages": [{"role": "user", "content": "usage?"}]}
    for _ in range(3):
        caller.chat.completions.create(**asked)
    for _ in range(2):
        caller.embeddings.create(model="test-model", input=["a", "b"])
    for _ in range(100):
        told = results(usage.completions(start_time=today() - DAY))
        items = results(usage.embeddings(start_time=today() - DAY))
        if sum(one.cache_hits for one in told) >= 2 and any(one.cache_hits for one in items):
            return
        time.sleep(0.1)
    raise TimeoutError("what was used is not told")


@check
def completions_are_told_with_what_the_cache_did():
    page = usage.completions(
        start_time=today() - DAY, bucket_width="1d", group_by=["model", "api_key_id"]
    )
    assert page.object == "page" and not page.has_more and page.next_page is None
    (result,) = results(page)
    assert type(result).__name__ == "DataResultOrganizationUsageCompletionsResult"
    assert result.object == "organization.usage.completions.result"
    assert result.num_model_requests == 1, result
    assert result.input_tokens > 0 and result.output_tokens > 0
    assert result.api_key_id and "sk-" not in result.api_key_id
    assert result.user_id is None and result.project_id is None
    extra = result.model_extra
    assert (extra["cache_hits"], extra["cache_misses"]) == (2, 1), extra
    assert extra["cache_saved_input_tokens"] == 2 * result.input_tokens
    assert extra["cache_saved_output_tokens"] == 2 * result.output_tokens
    assert extra["cache_saved_cost_usd"] >= 0
    only = usage.completions(start_time=today() - DAY, api_key_ids=[result.api_key_id])
    assert len(results(only)) == 1
    none = usage.completions(start_time=today() - DAY, models=["another", "one more"])
    assert results(none) == []


@check
def embeddings_and_moderations_are_told():
    (result,) = results(usage.embeddings(start_time=today() - DAY, group_by=["model"]))
    assert type(result).__name__ == "DataResultOrganizationUsageEmbeddingsResult"
    assert result.num_model_requests == 1 and result.input_tokens > 0
    assert result.model_extra["cache_hits"] == 1
    page = usage.moderations(start_time=today() - DAY)
    assert page.data and results(page) == []


@check
def costs_are_numbers_and_unpriced_models_are_named():
    page = usage.costs(start_time=today() - DAY, group_by=["line_item"], limit=180)
    for result in results(page):
        assert type(result).__name__ == "DataResultOrganizationCostsResult"
        assert result.amount.currency == "usd" and isinstance(result.amount.value, float)
        assert result.line_item
    assert isinstance(page.model_extra["unpriced_models"], list)


@check
def pages_follow_each_other_without_a_gap_or_a_repeat():
    start, starts, more = today() - 399 * DAY, [], {}
    while True:
        page = usage.completions(start_time=start, bucket_width="1d", limit=31, **more)
        for bucket in page.data:
            assert bucket.end_time == bucket.start_time + DAY
            starts.append(bucket.start_time)
        if not page.has_more:
            break
        more = {"page": page.next_page}
    assert starts == list(range(start, starts[-1] + DAY, DAY)) and len(starts) >= 400


@check
def every_width_has_its_buckets():
    for width, seconds in [("1m", 60), ("1h", 3_600), ("1d", DAY)]:
        page = usage.completions(start_time=today() - 3 * DAY, bucket_width=width, limit=2)
        assert [one.end_time - one.start_time for one in page.data] == [seconds] * 2
        assert page.has_more


@check
def errors_are_the_ones_the_sdk_knows():
    try:
        usage.completions(start_time=today(), limit=32)
        raise AssertionError("a limit of 32 days was taken")
    except openai.BadRequestError as error:
        assert error.param == "limit", error.param
    stranger = openai.OpenAI(
        base_url=BASE_URL, api_key="sk-python", admin_api_key="sk-python", max_retries=0
    )
    try:
        stranger.admin.organization.usage.costs(start_time=today())
        raise AssertionError("a stranger saw the costs")
    except openai.AuthenticationError as error:
        assert error.code == "invalid_admin_key", error.code


use()
main()
