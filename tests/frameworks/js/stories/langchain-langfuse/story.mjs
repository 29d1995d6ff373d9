import { CallbackHandler } from "@langfuse/langchain";
import { story } from "../common.mjs";
import { tellStory } from "../langchain.mjs";
import { inOneTrace, startTracing } from "../tracing.mjs";

const exporter = "langfuse";
const tracing = await startTracing(exporter);
const { userId, sessionId, tags } = story;
const callbacks = [new CallbackHandler({ userId, sessionId, tags })];
await inOneTrace(exporter, () => tellStory({ callbacks }));
await tracing.shutdown();
