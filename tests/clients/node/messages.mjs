// Anthropic's Node SDK against a running proxy: every question is asked twice, and the
// second answer, from the cache, must be what the first was.
//
// Needs BASE_URL, the proxy's API root, and UPSTREAM_CONTROL, where the scripted
// upstream takes its answers and tells how often it was asked.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";

const { BASE_URL, UPSTREAM_CONTROL } = process.env;
const client = new Anthropic({
  baseURL: BASE_URL.replace(/\/v1$/, ""), apiKey: "sk-node", maxRetries: 0, timeout: 30_000,
});
const checks = [];
const check = (sentence, body) => checks.push([sentence, body]);

async function control(path, body) {
  const reply = await fetch(`${UPSTREAM_CONTROL}/${path}`, {
    method: body ? "POST" : "GET",
    body: body && JSON.stringify(body),
  });
  return reply.json();
}

/** What the upstream answers next. */
const script = (reply) => control("next", reply);
const calls = async () => (await control("calls")).calls;
const asks = (text, more = {}) => ({
  model: "claude-test", max_tokens: 100, messages: [{ role: "user", content: text }], ...more,
});

const tool = {
  name: "weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const rich = {
  id: "msg_node", type: "message", role: "assistant", model: "claude-test-1",
  content: [
    { type: "thinking", thinking: "hm", signature: "c2ln" },
    { type: "redacted_thinking", data: "b3BhcXVl" },
    { type: "text", text: "Let me see." },
    { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Paris" } },
    { type: "tool_use", id: "toolu_2", name: "weather", input: {} },
  ],
  stop_reason: "tool_use", stop_sequence: null,
  usage: { input_tokens: 4, cache_creation_input_tokens: 0, cache_read_input_tokens: 3, output_tokens: 12 },
};

/** Runs it twice; the upstream must be asked once, the results must be equal. */
async function twice(body) {
  const before = await calls();
  const first = await body();
  const second = await body();
  assert.equal(await calls(), before + 1);
  assert.deepEqual(plain(second), plain(first));
  return second;
}

/** A result without what belongs to one request alone, or to the SDK. */
const plain = (value) =>
  JSON.parse(JSON.stringify(value ?? null, (name, member) => (name === "parsed_output" ? undefined : member)));

async function failure(body) {
  try {
    await body();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

check("a message is the same from the cache", async () => {
  const result = await twice(() => client.messages.create(asks("js create")));
  assert.match(result.content[0].text, /^answer /);
  assert.equal(result.usage.output_tokens, 5);
});

check("raw events spell the same from the cache", async () => {
  const text = await twice(async () => {
    const kinds = [];
    let text = "";
    for await (const event of await client.messages.create(asks("js raw", { stream: true }))) {
      kinds.push(event.type);
      if (event.type === "content_block_delta") text += event.delta.text;
    }
    assert.deepEqual([kinds[0], kinds.at(-1)], ["message_start", "message_stop"]);
    return text;
  });
  assert.match(text, /^answer /);
});

check("the stream helper reads a miss and a hit", async () => {
  const final = await twice(() => client.messages.stream(asks("js helper")).finalMessage());
  assert.equal(final.stop_reason, "end_turn");
  assert.equal(final.usage.output_tokens, 5);
  assert.equal(final.usage.cache_read_input_tokens, 3);
});

check("a stream fills what a document reads", async () => {
  const before = await calls();
  const final = await client.messages.stream(asks("js cross")).finalMessage();
  const whole = await client.messages.create(asks("js cross"));
  assert.equal(await calls(), before + 1);
  assert.deepEqual(plain(whole), plain(final));
});

check("thinking and tool calls are the same in every form", async () => {
  await script({ json: rich });
  const asked = asks("js tools", { tools: [tool] });
  const whole = await twice(() => client.messages.create(asked));
  const final = await client.messages.stream(asked).finalMessage();
  assert.deepEqual(plain(final.content), plain(whole.content));
  assert.deepEqual(plain(whole.content), rich.content);
  assert.equal(final.stop_reason, "tool_use");
});

check("tokens are counted once", async () => {
  const asked = { model: "claude-test", messages: [{ role: "user", content: "js count" }] };
  const counted = await twice(() => client.messages.countTokens(asked));
  assert.ok(counted.input_tokens > 10);
});

check("errors have their class", async () => {
  const classes = {
    400: Anthropic.BadRequestError, 401: Anthropic.AuthenticationError,
    403: Anthropic.PermissionDeniedError, 404: Anthropic.NotFoundError,
    429: Anthropic.RateLimitError, 500: Anthropic.InternalServerError,
    529: Anthropic.InternalServerError,
  };
  for (const [status, kind] of Object.entries(classes)) {
    for (const stream of [false, true]) {
      const error = { type: "some_error", message: "no" };
      await script({ status: Number(status), json: { type: "error", error } });
      const thrown = await failure(() => client.messages.create(asks(`js error ${status}`, { stream })));
      assert.ok(thrown instanceof kind, `${status}: ${thrown}`);
      assert.equal(thrown.status, Number(status));
      assert.deepEqual(thrown.error.error, error);
      assert.ok(thrown.requestID);
    }
  }
});

check("errors of the proxy itself are Anthropic's", async () => {
  const patient = client.withOptions({ maxRetries: 2 });
  const thrown = await failure(() =>
    patient.messages.create(asks("js never asked"), { headers: { "cache-control": "only-if-cached" } }),
  );
  assert.equal(thrown.status, 504);
  assert.equal(thrown.error.error.type, "api_error");
  assert.equal(thrown.error.request_id, thrown.requestID);
});

check("raw responses tell what the cache did", async () => {
  const ask = () => client.messages.create(asks("js headers")).withResponse();
  const [first, second] = [await ask(), await ask()];
  assert.deepEqual([first, second].map(({ response }) => response.headers.get("x-cache")), ["MISS", "HIT"]);
  assert.notEqual(first.request_id, second.request_id);
});

let failed = 0;
for (const [sentence, body] of checks) {
  try {
    await body();
    console.log(`pass ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${sentence}: ${error.stack}`);
  }
}
process.exit(failed ? 1 : 0);
