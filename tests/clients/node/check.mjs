// The official Node SDK against a running proxy: every question is asked twice,
// and the second answer, from the cache, must be what the first was.
//
// Needs what the frame needs.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import {
  BASE_URL, answer, asks, calls, check, failure, main, plain, script, toolCalls, twice,
} from "./frame.mjs";

const client = new OpenAI({ baseURL: BASE_URL, apiKey: "sk-node", maxRetries: 0, timeout: 30_000 });
const tool = {
  type: "function",
  function: {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
check("a completion is the same from the cache", async () => {
  const result = await twice(() => client.chat.completions.create(asks("js create")));
  assert.ok(result.choices[0].message.content);
  assert.equal(result.usage.total_tokens, 10);
});

check("raw events are the same from the cache", async () => {
  const { text, finish } = await twice(async () => {
    let text = "";
    let finish;
    for await (const chunk of await client.chat.completions.create({ ...asks("js raw"), stream: true })) {
      assert.ok(!chunk.usage);
      text += chunk.choices[0].delta.content ?? "";
      finish = chunk.choices[0].finish_reason ?? finish;
    }
    return { text, finish };
  });
  assert.ok(text);
  assert.equal(finish, "stop");
});

check("usage comes to who asks for it", async () => {
  const usage = await twice(async () => {
    let usage;
    const asked = { ...asks("js usage"), stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await client.chat.completions.create(asked)) usage = chunk.usage ?? usage;
    return usage;
  });
  assert.equal(usage.total_tokens, 10);
});

check("the stream helper reads a miss and a hit", async () => {
  const final = await twice(async () => {
    const stream = client.chat.completions.stream(asks("js helper"));
    let text = "";
    stream.on("content", (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    assert.equal(text, final.choices[0].message.content);
    return [text, final.choices[0].finish_reason];
  });
  assert.equal(final[1], "stop");
});

check("a stream fills what a document reads", async () => {
  const before = await calls();
  const streamed = await client.chat.completions.stream(asks("js cross")).finalChatCompletion();
  const whole = await client.chat.completions.create(asks("js cross"));
  assert.equal(await calls(), before + 1);
  assert.equal(whole.choices[0].message.content, streamed.choices[0].message.content);
  assert.equal(whole.usage.total_tokens, 10);
});

check("tool calls are the same in every form", async () => {
  await script({ json: answer(toolCalls("weather", { city: "Paris" }, { city: "Rome" }), "tool_calls") });
  const asked = { ...asks("js tools"), tools: [tool] };
  const whole = await twice(() => client.chat.completions.create(asked));
  const made = whole.choices[0].message.tool_calls;
  assert.deepEqual(made.map((call) => call.id), ["call_0", "call_1"]);
  const final = await client.chat.completions.stream(asked).finalChatCompletion();
  const streamed = final.choices[0].message.tool_calls;
  assert.deepEqual(streamed.map((call) => call.id), made.map((call) => call.id));
  assert.deepEqual(
    streamed.map((call) => call.function.arguments),
    made.map((call) => call.function.arguments),
  );
});

check("structured outputs parse from the cache", async () => {
  const Capital = z.object({ country: z.string(), city: z.string() });
  const expected = { country: "France", city: "Paris" };
  await script({ json: answer({ content: JSON.stringify(expected) }) });
  const asked = { ...asks("js structured"), response_format: zodResponseFormat(Capital, "capital") };
  const parsed = await twice(
    async () => (await client.chat.completions.parse(asked)).choices[0].message.parsed,
  );
  assert.deepEqual(parsed, expected);
  const final = await client.chat.completions.stream(asked).finalChatCompletion();
  assert.deepEqual(final.choices[0].message.parsed, expected);
});

check("a refusal is a refusal in both forms", async () => {
  await script({ json: answer({ content: null, refusal: "I would rather not." }) });
  const whole = await twice(() => client.chat.completions.create(asks("js refusal")));
  assert.equal(whole.choices[0].message.refusal, "I would rather not.");
  const final = await client.chat.completions.stream(asks("js refusal")).finalChatCompletion();
  assert.equal(final.choices[0].message.refusal, "I would rather not.");
});

check("what the SDK does not know is kept", async () => {
  await script({ json: answer({ content: "42", reasoning_content: "6 by 7" }, "stop", { provider: "p" }) });
  const whole = await twice(() => client.chat.completions.create(asks("js unknown")));
  assert.equal(whole.choices[0].message.reasoning_content, "6 by 7");
  assert.equal(whole.provider, "p");
});

check("errors have their class and code", async () => {
  const classes = {
    400: OpenAI.BadRequestError, 401: OpenAI.AuthenticationError, 403: OpenAI.PermissionDeniedError,
    404: OpenAI.NotFoundError, 409: OpenAI.ConflictError, 422: OpenAI.UnprocessableEntityError,
    429: OpenAI.RateLimitError, 500: OpenAI.InternalServerError, 503: OpenAI.InternalServerError,
  };
  for (const [status, kind] of Object.entries(classes)) {
    for (const stream of [false, true]) {
      const error = { message: "no", type: "t", param: "p", code: `code_${status}` };
      await script({ status: Number(status), json: { error } });
      const asked = { ...asks(`js error ${status}`), stream };
      const thrown = await failure(() => client.chat.completions.create(asked));
      assert.ok(thrown instanceof kind, `${status}: ${thrown.constructor.name}`);
      assert.equal(thrown.code, `code_${status}`);
      assert.equal(thrown.param, "p");
      assert.ok(thrown.requestID);
    }
  }
});

check("errors of the proxy itself have a code, and are not retried", async () => {
  const headers = { "cache-control": "only-if-cached" };
  const began = performance.now();
  const thrown = await failure(() =>
    client.chat.completions.create(asks("js never asked"), { headers, maxRetries: 2 }),
  );
  assert.equal(thrown.status, 504);
  assert.equal(thrown.code, "cache_only_miss");
  assert.equal(thrown.headers.get("x-should-retry"), "false");
  assert.ok(performance.now() - began < 400, "it was retried");
});

check("a stream that breaks off throws", async () => {
  const chunk = { id: "x", object: "chat.completion.chunk", created: 1, model: "m" };
  const stream = Array.from({ length: 20 }, (_, at) => ({
    ...chunk, choices: [{ index: 0, delta: { content: `word ${at} ` }, finish_reason: null }],
  }));
  for (const how of ["raw", "helper"]) {
    await script({ stream, cut: true });
    await failure(async () => {
      const asked = asks(`js cut ${how}`);
      if (how === "helper") return client.chat.completions.stream(asked).finalChatCompletion();
      for await (const _ of await client.chat.completions.create({ ...asked, stream: true }));
    });
  }
});

check("the SDK retries and is then served", async () => {
  const error = { message: "x", type: "t", param: null, code: null };
  await script({ status: 500, json: { error }, headers: { "retry-after-ms": "10" } });
  const before = await calls();
  const first = await client.chat.completions.create(asks("js retry"), { maxRetries: 2 });
  assert.equal(await calls(), before + 2);
  const second = await client.chat.completions.create(asks("js retry"), { maxRetries: 2 });
  assert.deepEqual(plain(second), plain(first));
  assert.equal(await calls(), before + 2);
});

check("raw responses tell what the cache did", async () => {
  const ask = () => client.chat.completions.create(asks("js headers")).withResponse();
  const first = await ask();
  const second = await ask();
  assert.equal(first.response.headers.get("x-cache"), "MISS");
  assert.equal(second.response.headers.get("x-cache"), "HIT");
  assert.match(second.response.headers.get("cache-status"), /^reprise; hit; ttl=\d+/);
  assert.ok(Number(second.response.headers.get("age")) >= 0);
  assert.ok(first.request_id && first.request_id !== second.request_id);
});

check("directives go through the SDK", async () => {
  const first = await client.chat.completions.create(asks("js directive"));
  const again = await client.chat.completions.create(asks("js directive"), {
    headers: { "Cache-Control": "no-cache" },
  });
  assert.notEqual(first.id, again.id);
});

check("other operations pass", async () => {
  const models = await client.models.list();
  assert.deepEqual(models.data.map((model) => model.id), ["test-model"]);
});

await main();
