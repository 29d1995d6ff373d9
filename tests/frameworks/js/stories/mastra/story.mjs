import { createOpenAI } from "@ai-sdk/openai";
import { Agent } from "@mastra/core/agent";
import { Mastra } from "@mastra/core/mastra";
import { createTool } from "@mastra/core/tools";
import { LangfuseExporter } from "@mastra/langfuse";
import { Observability } from "@mastra/observability";
import { OtelExporter } from "@mastra/otel-exporter";
import { z } from "zod";
import { otlp, provider, refused, story } from "../common.mjs";

const custom = { endpoint: otlp.traces, headers: otlp.headers, protocol: "http/protobuf" };
const exporters = {
  langfuse: () => new LangfuseExporter({ environment: "story", release: "story-1" }),
  "otlp-protobuf": () => new OtelExporter({ provider: { custom } }),
};
const weather = createTool({
  id: story.toolName,
  description: story.toolDescription,
  inputSchema: z.object({ city: z.string() }),
  execute: async () => story.weather,
});
const openai = createOpenAI({ baseURL: provider.openai, apiKey: provider.key });
const agents = {};
for (const [name, model] of [["chat", openai.chat(story.model)], ["responses", openai.responses(story.model)]]) {
  const settings = { instructions: story.system, model, maxRetries: 0 };
  agents[name] = new Agent({ id: name, name, ...settings });
  agents[`${name}Tool`] = new Agent({ id: `${name}-tool`, name: `${name} with a tool`, ...settings, tools: { [story.toolName]: weather } });
}
const observability = new Observability({ configs: { story: { serviceName: "parcel-desk", exporters: [exporters[process.argv[2]]()] } } });
const mastra = new Mastra({ agents, observability, logger: false });

const { userId, sessionId, tags, metadata } = story;
const modelSettings = { maxOutputTokens: story.maxTokens };
const options = { modelSettings, tracingOptions: { rootSpanName: story.name, metadata: { userId, sessionId, ...metadata }, tags } };
for (const name of ["chat", "responses"]) {
  const plain = mastra.getAgent(name);
  await plain.generate(story.question, options);
  await (await plain.stream(story.streamedQuestion, options)).consumeStream();
  await mastra.getAgent(`${name}Tool`).generate(story.toolQuestion, options);
  const structuredOutput = { schema: z.object({ city: z.string(), days: z.number() }) };
  await plain.generate(story.objectQuestion, { ...options, structuredOutput });
  await refused(() => plain.generate(story.failing, options));
}
await mastra.shutdown();
