// Writes the story with the JavaScript SDK 3 (npm langfuse): trace, span, generation, update, score.
// Ids and times come from the marker and --at, so a second run with the same two writes the same rows again.
import { readFileSync } from "node:fs";
import { Langfuse } from "langfuse";

const story = JSON.parse(readFileSync(new URL("../story.json", import.meta.url), "utf8"));
const { root, nested, generation, failed, scores } = story;
const marker = process.argv[2];
const started = Date.parse(process.argv[process.argv.indexOf("--at") + 1]);
const after = (milliseconds) => new Date(started + milliseconds);

const langfuse = new Langfuse({ environment: story.environment, release: story.release });

const trace = langfuse.trace({
  id: `trace-${marker}`,
  timestamp: after(0),
  name: `${story.name} ${marker}`,
  userId: `user-${marker}`,
  sessionId: `session-${marker}`,
  tags: story.tags,
  metadata: story.metadata,
  version: story.version,
  input: root.input,
});
const rootSpan = trace.span({
  id: `root-${marker}`,
  name: root.name,
  startTime: after(0),
  input: root.input,
  metadata: story.metadata,
  version: story.version,
});
const nestedSpan = rootSpan.span({
  id: `nested-${marker}`,
  name: nested.name,
  startTime: after(10),
  input: nested.input,
});
const modelCall = nestedSpan.generation({
  id: `generation-${marker}`,
  name: generation.name,
  startTime: after(20),
  model: generation.model,
  modelParameters: generation.modelParameters,
  input: generation.input,
});
modelCall.update({ output: generation.output, usageDetails: generation.usage, endTime: after(700) });
modelCall.score({ id: `tone-${marker}`, dataType: "CATEGORICAL", ...scores.generation });
nestedSpan.update({ output: nested.output, endTime: after(800) });
rootSpan.span({
  id: `failed-${marker}`,
  name: failed.name,
  startTime: after(810),
  endTime: after(900),
  input: failed.input,
  level: failed.level,
  statusMessage: failed.statusMessage,
});
rootSpan.update({ output: root.output, endTime: after(1000) });
trace.update({ output: root.output });
trace.score({ id: `helpfulness-${marker}`, dataType: "NUMERIC", ...scores.trace });

await langfuse.shutdownAsync();
console.log(JSON.stringify({ traceIds: [trace.id] }));
