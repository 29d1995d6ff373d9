import { observeOpenAI } from "@langfuse/openai";
import { Agent, run, setDefaultOpenAIClient, setOpenAIAPI, setTracingDisabled, tool } from "@openai/agents";
import OpenAI from "openai";
import { z } from "zod";
import { refused, story } from "../common.mjs";
import { clientOptions } from "../openai.mjs";
import { inOneTrace, startTracing } from "../tracing.mjs";

// The agents' own tracing only knows OpenAI as its destination; Langfuse sees them through the client that they use.
setTracingDisabled(true);
const exporter = "langfuse";
const tracing = await startTracing(exporter);
setDefaultOpenAIClient(observeOpenAI(new OpenAI(clientOptions)));

const weather = tool({
  name: story.toolName,
  description: story.toolDescription,
  parameters: z.object({ city: z.string() }),
  execute: async () => story.weather,
});
const settings = { name: story.name, instructions: story.system, model: story.model };

await inOneTrace(exporter, async () => {
  for (const api of ["chat_completions", "responses"]) {
    setOpenAIAPI(api);
    const plain = new Agent(settings);
    await run(plain, story.question);
    const streamed = await run(plain, story.streamedQuestion, { stream: true });
    for await (const event of streamed) void event;
    await streamed.completed;
    await run(new Agent({ ...settings, tools: [weather] }), story.toolQuestion);
    await run(new Agent({ ...settings, outputType: z.object({ city: z.string(), days: z.number() }) }), story.objectQuestion);
    await refused(() => run(plain, story.failing));
  }
});
await tracing.shutdown();
