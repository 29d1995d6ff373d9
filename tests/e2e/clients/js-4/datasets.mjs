// A dataset, its items and two experiments with the JavaScript SDK: dataset.get, runExperiment, and the runs by langfuse.api.
import { LangfuseClient } from "@langfuse/client";
import { LangfuseSpanProcessor } from "@langfuse/otel";
import { NodeSDK } from "@opentelemetry/sdk-node";

const name = process.argv[2];
const spans = new LangfuseSpanProcessor();
const sdk = new NodeSDK({ spanProcessors: [spans] });
sdk.start();
const langfuse = new LangfuseClient();
await langfuse.api.datasets.create({ name, description: "why", metadata: { k: 1 } });
for (const number of [1, 2]) {
  await langfuse.api.datasetItems.create({
    datasetName: name,
    id: `${name}-${number}`,
    input: { q: number },
    expectedOutput: `answer ${number}`,
  });
}
const dataset = await langfuse.dataset.get(name);
const exact = async ({ output, expectedOutput }) => ({ name: "exact", value: output === expectedOutput ? 1 : 0 });
const run = (runName, task) =>
  dataset.runExperiment({ name: "e", runName, description: "d", metadata: { m: runName }, task, evaluators: [exact] });
const results = [
  await run("base/1", async () => "wrong"),
  await run("with/1", async (item) => `answer ${item.input.q}`),
  await run("gone/1", async () => "gone"),
];
await langfuse.score.flush();
await spans.forceFlush();
await sdk.shutdown();
await new Promise((resolve) => setTimeout(resolve, 3000)); // what is deleted is what has arrived
const api = langfuse.api.datasets;
const runs = (await api.getRuns(name)).data;
const found = await api.getRun(name, "with/1");
await api.deleteRun(name, "gone/1");
console.log(
  JSON.stringify({
    dataset: { id: dataset.id, description: dataset.description },
    items: dataset.items.map((item) => item.id).sort(),
    ids: results.map((result) => result.datasetRunId),
    runs: runs.map((each) => each.name).sort(),
    left: (await api.getRuns(name)).data.map((each) => each.name).sort(),
    run: [found.description, found.metadata],
    runItems: found.datasetRunItems.map((item) => [item.datasetItemId, item.datasetRunId, item.traceId]).sort(),
  }),
);
