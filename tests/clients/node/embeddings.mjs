// Embeddings through the official Node SDK: whatever it asks for and whatever the
// provider answers, every vector is the right one, bit by bit, found or not.
//
// Needs what the frame needs.

import assert from "node:assert/strict";
import OpenAI from "openai";

import { BASE_URL, calls, check, control, main } from "./frame.mjs";

const client = new OpenAI({ baseURL: BASE_URL, apiKey: "sk-node", maxRetries: 0, timeout: 30_000 });

// The SDK itself asks for base64 where the caller asks for nothing, and reads
// numbers that come instead as zero.
const forms = [undefined, "float", "base64"];
const styles = {
  wide: { floats: "wide" },
  short: { floats: "short" },
  double: { floats: "double" },
  "always base64": { encoding: "base64" },
  "ignoring the format": { encoding: "floats" },
  shuffled: { shuffled: true },
};

/** The numbers of a vector as the integers their single precision is. */
function bits(embedding) {
  const bytes =
    typeof embedding === "string"
      ? Uint8Array.from(Buffer.from(embedding, "base64"))
      : new Uint8Array(Float32Array.from(embedding).buffer);
  return [...new Uint32Array(bytes.buffer)];
}

/** Asks, checks the answer, and says what the cache did. */
async function ask(model, form, texts) {
  const asked = { model, input: texts };
  const more = form ? { encoding_format: form } : {};
  const { data: answer, response } = await client.embeddings.create({ ...asked, ...more }).withResponse();
  const expected = await control("vectors", asked);
  assert.equal(answer.object, "list");
  assert.equal(answer.model, `${model}-v1`);
  assert.ok(answer.usage.total_tokens > 0);
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens);
  assert.deepEqual(answer.data.map((item) => item.index), texts.map((_, at) => at));
  answer.data.forEach((item, at) => {
    assert.equal(typeof item.embedding === "string", form === "base64");
    assert.deepEqual(bits(item.embedding), expected[at]);
  });
  return response.headers.get("x-cache");
}

async function everyVectorIsRight(style, form) {
  await control("style", styles[style]);
  const model = `js ${style} ${form}`;
  const before = await calls();
  assert.equal(await ask(model, form, ["a", "b", "c"]), "MISS");
  assert.equal(await ask(model, form, ["d", "b", "e"]), "PARTIAL");
  for (const again of forms) {
    assert.equal(await ask(model, again, ["e", "a", "d", "c", "a"]), "HIT");
  }
  assert.equal(await calls(), before + 2);
}

for (const style of Object.keys(styles)) {
  for (const form of forms) {
    check(`a provider that is ${style}, a caller who asks for ${form}`, () =>
      everyVectorIsRight(style, form),
    );
  }
}
await main();
