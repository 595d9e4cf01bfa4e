// The types that openapi-typescript makes of the document, with openapi-fetch, on the
// running product. What the document says is what the compiler holds this to.
//
// Needs what the frame needs, and ADMIN_KEY.

import assert from "node:assert/strict";

import createClient from "openapi-fetch";

import type { paths } from "./api.js";
import { ADMIN_KEY, BASE_URL, check, main, twice } from "../frame.mjs";

const client = (key: string) =>
  createClient<paths>({
    baseUrl: BASE_URL.replace(/\/v1$/, ""),
    headers: { authorization: `Bearer ${key}` },
  });
const caller = client("sk-generated");
const admin = client(ADMIN_KEY);
const start_time = Math.floor(Date.now() / 1000) - 86_400;

/** What was answered, if it is none of the errors. */
async function good<T>(asked: Promise<{ data?: T; error?: unknown }>): Promise<NonNullable<T>> {
  const { data, error } = await asked;
  assert.equal(error, undefined);
  assert.ok(data);
  return data;
}

check("a completion is the same from the cache", async () => {
  const body = { model: "test-model", messages: [{ role: "user", content: "generated ts" }] };
  // What is said may be an array of parts as well, so the document leaves its type open.
  const asked = body as unknown as paths["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"];
  await twice(() => good(caller.POST("/v1/chat/completions", { body: asked })));
});

check("vectors are the same from the cache", async () => {
  const body = { model: "test-model", input: ["x", "y"] };
  const answer = await twice(() => good(caller.POST("/v1/embeddings", { body })));
  assert.equal(answer.data.length, 2);
});

check("models are listed", async () => {
  const models = await good(caller.GET("/v1/models"));
  assert.deepEqual(models.data.map((model) => model.id), ["test-model"]);
});

check("a key is made and found", async () => {
  const body = { name: "generated", tenant: "acme" };
  const made = await good(admin.POST("/admin/v1/keys", { body }));
  assert.ok(made.key);
  const kept = await good(admin.GET("/admin/v1/keys/{id}", { params: { path: { id: made.id } } }));
  assert.equal(kept.tenant, "acme");
  const keys = await good(admin.GET("/admin/v1/keys", { params: { query: { limit: 10 } } }));
  assert.ok(keys.data.some((key) => key.id === made.id));
});

check("what is refused is an error of the document", async () => {
  const { error } = await admin.POST("/admin/v1/keys", { body: { name: "no tenant" } });
  assert.equal(error?.error.param, "tenant");
});

check("the pages of the server are read", async () => {
  await good(admin.GET("/admin/v1/cache/stats"));
  await good(admin.GET("/admin/v1/health"));
  await good(admin.GET("/admin/v1/prices", { params: { query: { provider: "openai" } } }));
  const providers = await good(admin.GET("/admin/v1/providers"));
  assert.equal(providers.data.length, 1);
});

check("entries are listed and a purge is tried", async () => {
  const query = { operation: ["chat"], limit: 10 };
  const entries = await good(admin.GET("/admin/v1/cache/entries", { params: { query } }));
  assert.equal(entries.data.length, 1);
  const body = { model: ["test-*"], dry_run: true };
  const meant = await good(admin.POST("/admin/v1/cache/invalidate", { body }));
  assert.ok("entries" in meant && meant.entries >= 1);
});

check("usage and costs are read with lists as parameters", async () => {
  const usage = await good(
    admin.GET("/v1/organization/usage/completions", {
      params: { query: { start_time, group_by: ["model", "api_key_id"], models: ["a", "b"] } },
    }),
  );
  assert.equal(usage.object, "page");
  const costs = await good(
    admin.GET("/v1/organization/costs", {
      params: { query: { start_time, group_by: ["line_item"], api_key_ids: ["key_x", "key_y"] } },
    }),
  );
  assert.equal(costs.object, "page");
});

await main();
