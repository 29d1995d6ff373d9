// Reads one trace back with the JavaScript SDK 5: langfuse.api.trace, observations (v2), sessions, scores (v2, v3), api.legacy.
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

async function pages(asked) {
  const found = [];
  let cursor;
  do {
    const page = await api.observations.getMany({ limit: 2, cursor, ...asked });
    found.push(...page.data);
    cursor = page.meta.cursor;
  } while (cursor);
  return found;
}

const fields = "core,basic,io,metadata,model,usage,trace_context";
const listed = (await api.legacy.observationsV1.getMany({ traceId })).data;
const found = {
  trace: await api.trace.get(traceId),
  traces: (await api.trace.list({ userId })).data,
  observations: listed,
  observation: await api.legacy.observationsV1.get(listed[0].id),
  observationsV2: await pages({ traceId, fields, expandMetadata: "order" }),
  session: await api.sessions.get(sessionId),
  sessions: (await api.sessions.list({ limit: 100 })).data.map((each) => each.id).filter((id) => id === sessionId),
  scores: (await api.scores.getMany({ traceId })).data,
  scoresV3: (await api.scoresV3.getManyV3({ traceId, fields: "details,subject" })).data,
  refused: await refusal(),
};
console.log(JSON.stringify(found));
