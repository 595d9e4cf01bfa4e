// What the scripts of this folder share: checks that are registered and run, and the
// scripted upstream that answers behind the proxy and tells how often it was asked.
//
// Needs BASE_URL, the proxy's API root, and UPSTREAM_CONTROL, where the upstream is told
// what to answer. ADMIN_KEY opens the proxy's administration, for the scripts that look
// at it.

import assert from "node:assert/strict";

export const { BASE_URL, UPSTREAM_CONTROL, ADMIN_KEY } = process.env;

const checks = [];

/** Registers a check under a sentence. */
export const check = (sentence, body) => checks.push([sentence, body]);

/** Asks the scripted upstream itself. */
export async function control(path, body) {
  const reply = await fetch(`${UPSTREAM_CONTROL}/${path}`, {
    method: body ? "POST" : "GET",
    body: body && JSON.stringify(body),
  });
  return reply.json();
}

/** What the upstream answers next. */
export const script = (reply) => control("next", reply);

/** How often the upstream was asked. */
export const calls = async () => (await control("calls")).calls;

/** A question of these words. */
export const asks = (text) => ({ model: "test-model", messages: [{ role: "user", content: text }] });

/** A whole chat completion with this message. */
export const answer = (message, finish = "stop", more = {}) => ({
  id: "chatcmpl-node", object: "chat.completion", created: 1700000000, model: "test-model-1",
  choices: [{ index: 0, message: { role: "assistant", ...message }, logprobs: null, finish_reason: finish }],
  usage: { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 },
  ...more,
});

/** A message that calls a tool once for each of these arguments. */
export const toolCalls = (name, ...all) => ({
  content: null,
  tool_calls: all.map((given, at) => ({
    id: `call_${at}`, type: "function",
    function: { name, arguments: JSON.stringify(given) },
  })),
});

/** A result without what belongs to one request alone. */
export const plain = (value) => JSON.parse(JSON.stringify(value ?? null));

/** Runs it twice; the upstream must be asked the first time only, the results must be equal. */
export async function twice(body, upstream = 1) {
  const before = await calls();
  const first = await body();
  assert.equal(await calls(), before + upstream, "calls of the first time");
  const second = await body();
  assert.equal(await calls(), before + upstream, "calls of both times");
  assert.deepEqual(plain(second), plain(first));
  return second;
}

/** What it throws. */
export async function failure(body) {
  try {
    await body();
  } catch (error) {
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

/** Runs what is registered, tells how each went, and leaves with a failure if one did. */
export async function main() {
  let failed = 0;
  for (const [sentence, body] of checks) {
    try {
      await body();
      console.log(`pass ${sentence}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${sentence}: ${error.stack ?? error}`);
    }
  }
  process.exit(failed ? 1 : 0);
}
