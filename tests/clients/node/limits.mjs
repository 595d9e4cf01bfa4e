// Limits through the official SDK for Node: it waits as long as it is told and then gets
// its answer, and tells the caller what was wrong if it may not try again.
//
// Needs what the frame needs, of a proxy that lets one key make 60 requests a minute.

import assert from "node:assert/strict";

import OpenAI from "openai";

import { BASE_URL as baseURL, check, main } from "./frame.mjs";

const asked = { model: "test-model", messages: [{ role: "user", content: "the same" }] };
const caller = (apiKey, maxRetries) => new OpenAI({ baseURL, apiKey, maxRetries });

// Asks until a limit is reached; gives the error.
async function useUp(apiKey) {
  const client = caller(apiKey, 0);
  for (let time = 0; time < 500; time += 1) {
    try {
      await client.chat.completions.create(asked);
    } catch (error) {
      assert.ok(error instanceof OpenAI.RateLimitError, `${error}`);
      return error;
    }
  }
  throw new Error("there is no limit");
}

check("what is left is told", async () => {
  const { response } = await caller("sk-told", 0).chat.completions.create(asked).withResponse();
  assert.equal(response.headers.get("x-ratelimit-limit-requests"), "60");
  assert.equal(response.headers.get("x-ratelimit-remaining-requests"), "59");
});

check("a limit that is reached is a rate limit error", async () => {
  const error = await useUp("sk-refused");
  assert.equal(error.status, 429);
  assert.deepEqual([error.code, error.type], ["rate_limit_exceeded", "requests"]);
  const wait = Number(error.headers.get("retry-after-ms"));
  assert.ok(wait >= 1 && wait <= 1000, `${wait}`);
  assert.equal(error.headers.get("retry-after"), "1");
});

check("the sdk waits and gets its answer", async () => {
  await useUp("sk-waits");
  const answer = await caller("sk-waits", 5).chat.completions.create(asked);
  assert.ok(answer.choices[0].message.content);
});

await main();
