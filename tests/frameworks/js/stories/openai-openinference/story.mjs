import { OpenAIInstrumentation } from "@arizeai/openinference-instrumentation-openai";
import { setMetadata, setSession, setTags, setUser } from "@arizeai/openinference-core";
import { context } from "@opentelemetry/api";
import OpenAI from "openai";
import { story } from "../common.mjs";
import { clientOptions, tellStory } from "../openai.mjs";
import { inOneTrace, startTracing } from "../tracing.mjs";

const exporter = process.argv[2];
const tracing = await startTracing(exporter);
const instrumentation = new OpenAIInstrumentation({ tracerProvider: tracing });
instrumentation.manuallyInstrument(OpenAI);
const openai = new OpenAI(clientOptions);
const { userId, sessionId, tags, metadata } = story;
await inOneTrace(exporter, () => {
  const session = setSession(context.active(), { sessionId });
  const who = setMetadata(setTags(setUser(session, { userId }), tags), metadata);
  return context.with(who, () => tellStory(() => openai));
});
await tracing.shutdown();
