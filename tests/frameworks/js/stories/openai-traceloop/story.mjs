process.env.TRACELOOP_TELEMETRY = "false";
const traceloop = await import("@traceloop/node-server-sdk");
const { default: OpenAI } = await import("openai");
const { otlp, story } = await import("../common.mjs");
const { clientOptions, tellStory } = await import("../openai.mjs");

traceloop.initialize({
  appName: "parcel-desk",
  baseUrl: otlp.base,
  headers: otlp.headers,
  silenceInitializationMessage: true,
  traceloopSyncEnabled: false,
  instrumentModules: { openAI: OpenAI },
});
const openai = new OpenAI(clientOptions);
const { userId, sessionId } = story;
const runTool = (work, given) => traceloop.withTool({ name: story.toolName, inputParameters: [given] }, work);
const who = { user_id: userId, session_id: sessionId };
await traceloop.withAssociationProperties(who, () =>
  traceloop.withWorkflow({ name: story.name }, () => tellStory(() => openai, runTool)),
);
await traceloop.forceFlush();
