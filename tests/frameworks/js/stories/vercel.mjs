// The story as the Vercel AI SDK tells it; what differs between its major versions is in `sdk`.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { embed, embedMany, generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";
import { provider, refused, story } from "./common.mjs";
import { inOneTrace, startTracing } from "./tracing.mjs";

const openai = createOpenAI({ baseURL: provider.openai, apiKey: provider.key });
const anthropic = createAnthropic({ baseURL: provider.openai, apiKey: provider.key });

// `sdk`: `telemetry(functionId)` gives the options of one call, `steps(n)` those that let it take so many steps, `system`,
// `parameters` and `maxTokens` are the names of three options, `chat` and `embedding` make models of OpenAI.
export async function tellStory(exporter, sdk) {
  const tracing = await startTracing(exporter);
  const system = { [sdk.system]: story.system };
  await inOneTrace(exporter, async () => {
    for (const [vendor, model] of [
      ["chat", openai.chat(story.model)],
      ["responses", openai.responses(story.model)],
      ["anthropic", anthropic(story.anthropicModel)],
    ]) {
      const call = (step) => ({ model, maxRetries: 0, [sdk.maxTokens]: story.maxTokens, ...system, ...sdk.telemetry(`${vendor}-${step}`) });
      await generateText({ ...call("plain"), prompt: story.question });
      await streamText({ ...call("streamed"), prompt: story.streamedQuestion }).consumeStream();
      const weather = tool({
        description: story.toolDescription,
        [sdk.parameters]: z.object({ city: z.string() }),
        execute: async () => story.weather,
      });
      await generateText({ ...call("tool"), ...sdk.steps(2), tools: { [story.toolName]: weather }, prompt: story.toolQuestion });
      const schema = z.object({ city: z.string(), days: z.number() });
      await generateObject({ ...call("object"), schema, prompt: story.objectQuestion });
      await refused(() => generateText({ ...call("refused"), prompt: story.failing }));
    }
    const embedding = () => ({ model: sdk.embedding(openai)(story.embeddingModel), ...sdk.telemetry("embedding") });
    await embed({ ...embedding(), value: story.question });
    await embedMany({ ...embedding(), values: [story.question, story.toolQuestion] });
  });
  await tracing.shutdown();
}

// How 4, 5 and 6 are told who asks: in the telemetry of each call. Langfuse's exporter has it from the trace already.
export function experimentalTelemetry(exporter) {
  const { userId, sessionId, tags } = story;
  const who = exporter === "langfuse" ? {} : { userId, sessionId, tags };
  return (functionId) => ({
    experimental_telemetry: { isEnabled: true, functionId, metadata: { ...who, ...story.metadata } },
  });
}
