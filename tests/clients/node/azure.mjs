// Azure's client of the official Node SDK: chat, streams, completions and embeddings of a
// deployment are the same found or not.
//
// Needs BASE_URL, the proxy's API root, in front of a provider that is Azure.

import assert from "node:assert/strict";
import { AzureOpenAI } from "openai";

const client = new AzureOpenAI({
  endpoint: process.env.BASE_URL.replace(/\/v1$/, ""),
  apiKey: "key-node",
  apiVersion: "2024-10-21",
  maxRetries: 0,
  timeout: 30_000,
});

const messages = [{ role: "user", content: "hello" }];

async function told(call, read) {
  const { data, response } = await call.withResponse();
  return [await read(data), response.headers.get("x-cache")];
}

const chat = () =>
  told(client.chat.completions.create({ model: "node-gpt", messages }), (answer) => {
    assert.equal(answer.usage.total_tokens, 10);
    return answer.choices[0].message.content;
  });

const stream = () =>
  told(client.chat.completions.create({ model: "node-gpt", messages, stream: true }), async (chunks) => {
    let text = "";
    for await (const chunk of chunks) text += chunk.choices[0].delta.content ?? "";
    return text;
  });

const completion = () =>
  told(client.completions.create({ model: "node-instruct", prompt: "hello" }), (answer) => answer.choices[0].text);

const embeddings = (model) =>
  told(client.embeddings.create({ model, input: ["a", "b"] }), (answer) =>
    answer.data.map((item) => [...item.embedding]),
  );

/** Asks twice: a miss, and the same as a hit. */
async function checkTwice(ask) {
  const [miss, hit] = [await ask(), await ask()];
  assert.deepEqual([miss[1], hit[1]], ["MISS", "HIT"]);
  assert.deepEqual(hit[0], miss[0]);
  return miss[0];
}

const checks = {
  "chat of a deployment": async () => {
    const text = await checkTwice(chat);
    assert.deepEqual(await stream(), [text, "HIT"]);
  },
  "completions of a deployment": () => checkTwice(completion),
  "embeddings of a deployment": async () => {
    await checkTwice(() => embeddings("node-ada"));
    assert.equal((await embeddings("node-large"))[1], "MISS");
  },
};

let failed = 0;
for (const [sentence, check] of Object.entries(checks)) {
  try {
    await check();
    console.log(`pass ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${sentence}: ${error.stack ?? error}`);
  }
}
process.exit(failed ? 1 : 0);
