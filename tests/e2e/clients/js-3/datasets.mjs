// A dataset, its items and two runs with the JavaScript SDK 3: items are linked to traces.
import { Langfuse } from "langfuse";

const name = process.argv[2];
const langfuse = new Langfuse();
await langfuse.createDataset({ name, description: "why", metadata: { k: 1 } });
for (const number of [1, 2]) {
  await langfuse.createDatasetItem({
    datasetName: name,
    id: `${name}-${number}`,
    input: { q: number },
    expectedOutput: `answer ${number}`,
  });
}
const dataset = await langfuse.getDataset(name);
for (const [runName, answer] of [
  ["base/1", () => "wrong"],
  ["with/1", (item) => item.expectedOutput],
]) {
  for (const item of dataset.items) {
    const trace = langfuse.trace({ name: "task", input: item.input, output: answer(item) });
    await item.link(trace, runName, { description: "d", metadata: { m: runName } });
    trace.score({ name: "exact", value: answer(item) === item.expectedOutput ? 1 : 0 });
  }
}
await langfuse.flushAsync();
const runs = (await langfuse.getDatasetRuns(name)).data;
const run = await langfuse.getDatasetRun({ datasetName: name, runName: "with/1" });
console.log(
  JSON.stringify({
    dataset: { id: dataset.id, description: dataset.description },
    items: dataset.items.map((item) => item.id).sort(),
    one: (await langfuse.getDatasetItem(encodeURIComponent(`${name}-1`))).input,
    ids: runs
      .sort((one, other) => (one.name < other.name ? -1 : 1))
      .map((each) => each.id),
    runs: runs.map((each) => each.name).sort(),
    run: [run.description, run.metadata],
    runItems: run.datasetRunItems.map((item) => [item.datasetItemId, item.datasetRunId, item.traceId]).sort(),
  }),
);
