// LangChain for JavaScript on the proxy: what a chain makes of a hit is what it makes of a
// miss.
//
// Needs what the frame needs.

import assert from "node:assert/strict";

import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";

import { BASE_URL, calls, check, main, twice } from "./frame.mjs";

const setting = {
  model: "test-model", apiKey: "sk-langchain", maxRetries: 0, configuration: { baseURL: BASE_URL },
};
const model = new ChatOpenAI(setting);
const embeddings = new OpenAIEmbeddings(setting);

check("a message is the same from the cache", async () => {
  const message = await twice(() => model.invoke("langchain plain"));
  assert.match(message.content, /^answer /);
  assert.equal(message.usage_metadata.total_tokens, 10);
});

check("a stream is the document", async () => {
  const text = await twice(async () => {
    let text = "";
    for await (const part of await model.stream("langchain stream")) text += part.content;
    return text;
  });
  const before = await calls();
  assert.equal((await model.invoke("langchain stream")).content, text);
  assert.equal(await calls(), before);
});

check("vectors are the same from the cache", async () => {
  const first = await twice(() => embeddings.embedDocuments(["lc a", "lc b", "lc c"]));
  const before = await calls();
  assert.deepEqual(await embeddings.embedQuery("lc b"), first[1]);
  assert.equal(await calls(), before);
});

await main();
