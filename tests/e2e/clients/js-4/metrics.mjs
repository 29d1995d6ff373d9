// Asks for metrics with the JavaScript SDK 4: langfuse.api.metricsV2 and langfuse.api.metrics (v1).
import { LangfuseClient } from "@langfuse/client";

const asked = JSON.parse(process.argv[2]);
const { api } = new LangfuseClient();

async function refusal() {
  try {
    await api.metricsV2.metrics({ query: asked.bad });
  } catch (error) {
    return [error.statusCode, error.body];
  }
}

const found = {
  observations: (await api.metricsV2.metrics({ query: asked.observations })).data,
  scores: (await api.metricsV2.metrics({ query: asked.scores })).data,
  traces: (await api.metrics.metrics({ query: asked.traces })).data,
  refused: await refusal(),
};
console.log(JSON.stringify(found));
