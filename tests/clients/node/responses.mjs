// The official Node SDK and Vercel's AI SDK on responses: documents and streams are the same
// from the cache, and fill each other.
//
// Needs what the frame needs.

import assert from "node:assert/strict";

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

import { BASE_URL, calls, check, main, script, twice } from "./frame.mjs";

const setting = { baseURL: BASE_URL, apiKey: "sk-node" };
const client = new OpenAI({ ...setting, maxRetries: 0, timeout: 30_000 });
const model = createOpenAI(setting).responses("test-model");
// What the provider is to keep is not answered from the cache.
const providerOptions = { openai: { store: false } };
const asks = (input) => ({ model: "test-model", input, store: false });

/** A whole response that says this. */
const answer = (text) => ({
  id: "resp_node", object: "response", created_at: 1700000000, status: "completed",
  model: "test-model-1", error: null, incomplete_details: null, instructions: null, metadata: {},
  parallel_tool_calls: true, temperature: 1, tool_choice: "auto", tools: [], top_p: 1, store: false,
  output: [{
    id: "msg_1", type: "message", role: "assistant", status: "completed",
    content: [{ type: "output_text", text, annotations: [], logprobs: [] }],
  }],
  usage: {
    input_tokens: 7, output_tokens: 3, total_tokens: 10,
    input_tokens_details: { cached_tokens: 0 }, output_tokens_details: { reasoning_tokens: 0 },
  },
});

check("a response is the same from the cache", async () => {
  await script({ json: answer("Hello.") });
  const response = await twice(() => client.responses.create(asks("js response")));
  assert.equal(response.output_text, "Hello.");
});

check("the stream helper reads a document", async () => {
  await script({ json: answer("Hello, stream.") });
  const whole = await client.responses.create(asks("js response stream"));
  const before = await calls();
  const stream = client.responses.stream(asks("js response stream"));
  let text = "";
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  const final = await stream.finalResponse();
  assert.equal(await calls(), before);
  assert.equal(text, whole.output_text);
  assert.deepEqual(final.usage, whole.usage);
});

check("Vercel's SDK generates and streams the same from the cache", async () => {
  await script({ json: answer("Hello, Vercel.") });
  const asked = { model, prompt: "vercel response", maxRetries: 0, providerOptions };
  const text = await twice(async () => (await generateText(asked)).text);
  const before = await calls();
  let streamed = "";
  for await (const part of streamText(asked).textStream) streamed += part;
  assert.equal(streamed, text);
  assert.equal(await calls(), before);
});

await main();
