// Scores with the JavaScript SDK 4: configs, scores of every type and about every subject, a deletion, an annotation queue and a comment.
// Prints what the SDK's own parser made of the answers.
import { LangfuseClient } from "@langfuse/client";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { startActiveObservation } from "@langfuse/tracing";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [name, projectId] = process.argv.slice(2);
const provider = new NodeTracerProvider({ spanProcessors: [new LangfuseSpanProcessor()] });
provider.register();
const langfuse = new LangfuseClient();
const { api } = langfuse;

async function until(holds) {
  for (let tries = 0; tries < 200; tries += 1) {
    const found = await holds();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("what was sent did not become readable");
}

async function errorOf(call) {
  try {
    await call();
  } catch (error) {
    return [error.statusCode, error.body?.error];
  }
  return null;
}

const categories = [
  { label: "good", value: 2 },
  { label: "bad", value: -1 },
];
const tone = await api.scoreConfigs.create({ name: `tone ${name}`, dataType: "CATEGORICAL", categories });
const grade = await api.scoreConfigs.create({ name: `grade ${name}`, dataType: "NUMERIC", minValue: 0, maxValue: 1 });
const updated = await api.scoreConfigs.update(grade.id, { description: "from 0 to 1" });
const gone = await api.scoreConfigs.create({ name: "gone", dataType: "BOOLEAN" });
const archived = await api.scoreConfigs.update(gone.id, { isArchived: true });

const [traceId, spanId] = await startActiveObservation(`scored ${name}`, async (span) => {
  langfuse.score.activeTrace({ id: `${name}-current-trace`, name: "current trace", value: 0.25 });
  langfuse.score.activeObservation({ id: `${name}-current-span`, name: "current span", value: "fine" });
  return [span.otelSpan.spanContext().traceId, span.otelSpan.spanContext().spanId];
});
await provider.forceFlush();

function score(what, value, values = {}) {
  const target = values.sessionId || values.datasetRunId ? {} : { traceId };
  langfuse.score.create({ id: `${name}-${what}`, name: what, value, ...target, ...values });
}

score("numeric", 0.5, { comment: "so so", metadata: { by: "hand" } });
score("boolean", 1, { dataType: "BOOLEAN", observationId: spanId });
score("categorical", "good", { dataType: "CATEGORICAL", configId: tone.id });
score("text", "some words", { dataType: "TEXT" });
score("correction", "the better answer", { dataType: "CORRECTION" });
score("session", 3, { sessionId: `${name}-session` });
score("run", 4, { datasetRunId: `${name}-run` });
score("graded", 0.75, { configId: grade.id });
score("deleted", 9);
score("too large", 7, { configId: grade.id });
score("archived", 1, { configId: gone.id, dataType: "BOOLEAN" });
await langfuse.flush();

const wanted = "current-trace current-span numeric boolean categorical text correction session run graded"
  .split(" ")
  .map((each) => `${name}-${each}`);
const asked = [...wanted, ...["deleted", "too large", "archived"].map((each) => `${name}-${each}`)].join(",");

async function listedNow() {
  const page = await api.scoreV2.get({ scoreIds: asked, limit: 100 });
  return Object.fromEntries(page.data.map((each) => [each.id, each]));
}

await until(async () => {
  const found = await listedNow();
  return [...wanted, `${name}-deleted`].every((id) => id in found) ? found : undefined;
});
await api.score.delete(`${name}-deleted`);
const scores = await until(async () => {
  const found = await listedNow();
  return `${name}-deleted` in found ? undefined : found;
});
score("deleted", 9);
await langfuse.flush();

const queues = api.annotationQueues;
const queue = await queues.createQueue({ name: `queue ${name}`, description: "look", scoreConfigIds: [tone.id] });
const item = await queues.createQueueItem(queue.id, { objectId: traceId, objectType: "TRACE" });
const other = await queues.createQueueItem(queue.id, { objectId: spanId, objectType: "OBSERVATION" });
const completed = await queues.updateQueueItem(queue.id, item.id, { status: "COMPLETED" });
const items = await queues.listQueueItems(queue.id, { status: "PENDING" });
const removed = await queues.deleteQueueItem(queue.id, other.id);
const assigned = await queues.createQueueAssignment(queue.id, { userId: "ada" });
const unassigned = await queues.deleteQueueAssignment(queue.id, { userId: "ada" });
const comment = await api.comments.create({ projectId, objectType: "TRACE", objectId: traceId, content: "well said" });

const found = {
  traceId,
  spanId,
  configs: { tone, grade: updated, gone: archived },
  sameConfig: JSON.stringify(await api.scoreConfigs.getById(tone.id)) === JSON.stringify(tone),
  listedConfigs: (await api.scoreConfigs.get({ limit: 100 })).data.map((each) => each.id),
  scores: Object.fromEntries(Object.entries(scores).map(([id, each]) => [id.slice(name.length + 1), each])),
  queue: await queues.getQueue(queue.id),
  queues: (await queues.listQueues({ limit: 100 })).data.map((each) => each.id),
  completed,
  pending: items.data.length === 1 && items.data[0].id === other.id,
  removed,
  assigned,
  unassigned,
  comment: await api.comments.getById(comment.id),
  comments: (await api.comments.get({ objectType: "TRACE", objectId: traceId })).data.map((each) => each.content),
  missing: [
    await errorOf(() => api.scoreConfigs.getById("none")),
    await errorOf(() => queues.getQueue("none")),
    await errorOf(() => queues.getQueueItem(queue.id, other.id)),
    await errorOf(() => api.comments.getById("none")),
  ],
  invalid: [
    await errorOf(() => api.scoreConfigs.create({ name: "", dataType: "NUMERIC" })),
    await errorOf(() => api.comments.create({ projectId: "other", objectType: "TRACE", objectId: "t", content: "x" })),
  ],
};
console.log(JSON.stringify(found));
