// Asks for metrics with the JavaScript SDK 3: langfuse.api.metricsMetrics (v1).
import { Langfuse } from "langfuse";

const asked = JSON.parse(process.argv[2]);
const { api } = new Langfuse();

// This SDK hands on the body of a refusal, and not its status.
async function refusal() {
  try {
    return [400, await api.metricsMetrics({ query: asked.bad })];
  } catch (error) {
    return [error.status, error.error ?? String(error)];
  }
}

const found = {
  observations: (await api.metricsMetrics({ query: asked.observations })).data,
  scores: (await api.metricsMetrics({ query: asked.scores })).data,
  traces: (await api.metricsMetrics({ query: asked.traces })).data,
  refused: await refusal(),
};
console.log(JSON.stringify(found));
