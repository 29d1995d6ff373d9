// Reads one trace back with the JavaScript SDK 4: langfuse.api.trace, observations, observationsV2, sessions and scores.
import { LangfuseClient } from "@langfuse/client";

const [traceId, sessionId, userId] = process.argv.slice(2);
const { api } = new LangfuseClient();

async function refusal() {
  const stranger = new LangfuseClient({ publicKey: "pk-lf-nobody", secretKey: "sk-lf-not-the-secret" });
  try {
    await stranger.api.trace.get(traceId);
  } catch (error) {
    return error.statusCode ?? String(error);
  }
}

const fields = "core,basic,io,metadata,model,usage,trace_context";
const listed = (await api.observations.getMany({ traceId })).data;
const found = {
  trace: await api.trace.get(traceId),
  traces: (await api.trace.list({ userId })).data,
  observations: listed,
  observation: await api.observations.get(listed[0].id),
  observationsV2: (await api.observationsV2.getMany({ traceId, fields, expandMetadata: "order" })).data,
  session: await api.sessions.get(sessionId),
  sessions: (await api.sessions.list({ limit: 100 })).data.map((each) => each.id).filter((id) => id === sessionId),
  scores: (await api.scoreV2.get({ traceId })).data,
  refused: await refusal(),
};
console.log(JSON.stringify(found));
