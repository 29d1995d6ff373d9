import { openAI } from "@genkit-ai/compat-oai/openai";
import { genkit, z } from "genkit";
import { disableGenkitOTelInitialization } from "genkit/tracing";
import { provider, refused, story } from "../common.mjs";
import { inOneTrace, startTracing } from "../tracing.mjs";

const exporter = process.argv[2];
// Genkit brings an OpenTelemetry of its own, of which Langfuse's exporter is too new a guest; so it is told to use ours.
disableGenkitOTelInitialization();
// Langfuse's processor does not know Genkit's spans as those of models, and would leave them out.
const tracing = await startTracing(exporter, { shouldExportSpan: () => true });
process.env.OPENAI_BASE_URL = provider.openai;
const ai = genkit({ plugins: [openAI({ apiKey: provider.key, maxRetries: 0 })], model: openAI.model(story.model) });
const weather = ai.defineTool(
  { name: story.toolName, description: story.toolDescription, inputSchema: z.object({ city: z.string() }) },
  async () => story.weather,
);

await inOneTrace(exporter, async () => {
  const { system } = story;
  await ai.generate({ system, prompt: story.question });
  const streamed = ai.generateStream({ system, prompt: story.streamedQuestion });
  for await (const chunk of streamed.stream) void chunk;
  await streamed.response;
  await ai.generate({ system, prompt: story.toolQuestion, tools: [weather] });
  await ai.generate({ system, prompt: story.objectQuestion, output: { schema: z.object({ city: z.string(), days: z.number() }) } });
  await ai.embed({ embedder: openAI.embedder(story.embeddingModel), content: story.question });
  await refused(() => ai.generate({ system, prompt: story.failing }));
});
await tracing.shutdown();
process.exit(0); // Genkit's reflection server would go on
