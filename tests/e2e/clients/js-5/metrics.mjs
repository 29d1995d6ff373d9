// Asks for metrics with the JavaScript SDK 5: langfuse.api.metrics (v2) and langfuse.api.legacy.metricsV1.
import { LangfuseClient } from "@langfuse/client";

const asked = JSON.parse(process.argv[2]);
const { api } = new LangfuseClient();

async function refusal() {
  try {
    await api.metrics.metrics({ query: asked.bad });
  } catch (error) {
    return [error.statusCode, error.body];
  }
}

const found = {
  observations: (await api.metrics.metrics({ query: asked.observations })).data,
  scores: (await api.metrics.metrics({ query: asked.scores })).data,
  traces: (await api.legacy.metricsV1.metrics({ query: asked.traces })).data,
  refused: await refusal(),
};
console.log(JSON.stringify(found));
