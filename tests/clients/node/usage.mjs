// Usage and costs through the official SDK for Node: what it is told is what was used.
//
// Needs what the frame needs, and ADMIN_KEY.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import OpenAI from "openai";

import { ADMIN_KEY as adminAPIKey, BASE_URL as baseURL, check, main } from "./frame.mjs";

const DAY = 86_400;
const caller = new OpenAI({ baseURL, apiKey: "sk-node", maxRetries: 0 });
const operator = new OpenAI({ baseURL, apiKey: "sk-node", adminAPIKey, maxRetries: 0 });
const usage = operator.admin.organization.usage;

const now = Math.floor(Date.now() / 1000);
const start_time = now - (now % DAY) - DAY;
const results = (page) => page.data.flatMap((bucket) => bucket.results);

check("what was used is told with what the cache did", async () => {
  // One miss and two hits.
  const asked = { model: "test-model", messages: [{ role: "user", content: "usage?" }] };
  for (let time = 0; time < 3; time += 1) {
    await caller.chat.completions.create(asked);
  }

  let told = [];
  for (let tries = 0; tries < 100 && told[0]?.cache_hits !== 2; tries += 1) {
    await sleep(tries === 0 ? 0 : 100);
    told = results(await usage.completions({ start_time, group_by: ["model", "api_key_id"] }));
  }
  assert.equal(told.length, 1);
  const [result] = told;
  assert.equal(result.num_model_requests, 1);
  assert.deepEqual([result.cache_hits, result.cache_misses], [2, 1]);
  assert.equal(result.cache_saved_input_tokens, 2 * result.input_tokens);
  assert.equal(result.cache_saved_output_tokens, 2 * result.output_tokens);
  assert.ok(result.api_key_id && !result.api_key_id.includes("sk-"));
});

check("costs name the models without a price", async () => {
  const costs = await usage.costs({ start_time, group_by: ["line_item"] });
  assert.deepEqual(costs.unpriced_models.length, 1, "the model of the tests has no price");
});

check("pages follow each other without a gap or a repeat", async () => {
  // A year and a month in pages, without a gap or a repeat.
  const starts = [];
  const first = start_time - 398 * DAY;
  let page;
  do {
    const more = page ? { page: page.next_page } : {};
    page = await usage.completions({ start_time: first, limit: 31, ...more });
    starts.push(...page.data.map((bucket) => bucket.start_time));
  } while (page.has_more);
  assert.deepEqual(
    starts,
    starts.map((_, day) => first + day * DAY),
  );
  assert.ok(400 <= starts.length);
});

check("errors are the ones the SDK knows", async () => {
  await assert.rejects(usage.completions({ start_time, limit: 32 }), (error) => {
    return error instanceof OpenAI.BadRequestError && error.param === "limit";
  });
});

await main();
