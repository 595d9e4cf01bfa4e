// Vercel's AI SDK on the proxy, with its provider for OpenAI and with that for compatible
// servers: what it makes of a hit is what it makes of a miss, and of a stream what it makes
// of a document.
//
// Needs what the frame needs.

import assert from "node:assert/strict";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { answer, BASE_URL, calls, check, main, script, toolCalls, twice } from "./frame.mjs";

const setting = { baseURL: BASE_URL, apiKey: "sk-vercel" };
const openai = createOpenAI(setting);
const compatible = createOpenAICompatible({ name: "reprise", ...setting, includeUsage: true });
const providers = {
  "OpenAI": { chat: openai.chat("test-model"), vectors: openai.embedding("test-model") },
  "compatible servers": {
    chat: compatible.chatModel("test-model"), vectors: compatible.embeddingModel("test-model"),
  },
};

/** What a caller reads of a result. */
const told = ({ text, finishReason, usage, toolCalls: made }) => ({
  text, finishReason, input: usage.inputTokens, output: usage.outputTokens,
  made: made.map(({ toolCallId, toolName, input }) => ({ toolCallId, toolName, input })),
});

/** The same of a stream. */
async function toldStream(asked) {
  const result = streamText({ ...asked, onError: ({ error }) => { throw error; } });
  let text = "";
  for await (const part of result.textStream) text += part;
  const [whole, finishReason, usage, made] = await Promise.all([
    result.text, result.finishReason, result.usage, result.toolCalls,
  ]);
  assert.equal(text, whole);
  return told({ text, finishReason, usage, toolCalls: made });
}

const weather = tool({
  description: "Tells the weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
});

for (const [name, { chat, vectors }] of Object.entries(providers)) {
  const asks = (text, more = {}) => ({ model: chat, prompt: `${name}: ${text}`, maxRetries: 0, ...more });

  check(`the provider for ${name} generates the same text from the cache`, async () => {
    const result = await twice(async () => told(await generateText(asks("text"))));
    assert.match(result.text, /^answer /);
    assert.deepEqual([result.input, result.output, result.finishReason], [7, 3, "stop"]);
  });

  check(`the provider for ${name} streams what a document reads`, async () => {
    const streamed = await twice(() => toldStream(asks("stream")));
    const before = await calls();
    assert.deepEqual(told(await generateText(asks("stream"))), streamed);
    assert.equal(await calls(), before);
  });

  check(`the provider for ${name} runs a tool, and asks for each turn once`, async () => {
    await script({ json: answer(toolCalls("weather", { city: "Paris" }), "tool_calls") });
    await script({ json: answer({ content: "It rains." }) });
    const asked = asks("tool", { tools: { weather }, stopWhen: stepCountIs(3) });
    const result = await twice(async () => {
      const result = await generateText(asked);
      return { ...told(result), steps: result.steps.map((step) => step.finishReason) };
    }, 2);
    assert.equal(result.text, "It rains.");
    assert.deepEqual(result.steps, ["tool-calls", "stop"]);
  });

  check(`the provider for ${name} reads an object from the cache`, async () => {
    await script({ json: answer({ content: '{"city":"Rome"}' }) });
    const output = Output.object({ schema: z.object({ city: z.string() }) });
    const asked = asks("object", { output });
    const read = await twice(async () => (await generateText(asked)).output);
    assert.deepEqual(read, { city: "Rome" });
  });

  check(`the provider for ${name} gets the same vectors from the cache`, async () => {
    const embed = (...values) =>
      embedMany({ model: vectors, values: values.map((value) => `${name} ${value}`), maxRetries: 0 });
    const first = await twice(async () => (await embed("a", "b", "c")).embeddings);
    const before = await calls();
    assert.deepEqual((await embed("c", "a")).embeddings, [first[2], first[0]]);
    assert.equal(await calls(), before);
  });
}

await main();
