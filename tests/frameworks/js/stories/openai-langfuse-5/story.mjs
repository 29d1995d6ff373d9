import { observeOpenAI } from "@langfuse/openai";
import OpenAI from "openai";
import { clientOptions, tellStory } from "../openai.mjs";
import { inOneTrace, startTracing } from "../tracing.mjs";

const exporter = "langfuse";
const tracing = await startTracing(exporter);
const openai = new OpenAI(clientOptions);
await inOneTrace(exporter, () => tellStory((generationName) => observeOpenAI(openai, { generationName })));
await tracing.shutdown();
