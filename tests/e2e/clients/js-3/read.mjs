// Reads one trace back with the JavaScript SDK 3: fetchTrace, fetchObservations, fetchSessions, as its documentation has it.
import { Langfuse } from "langfuse";

const [traceId, sessionId, userId] = process.argv.slice(2);
const langfuse = new Langfuse();

// This SDK logs a refusal and hands on the body of the answer.
async function refusal() {
  const stranger = new Langfuse({ publicKey: "pk-lf-nobody", secretKey: "sk-lf-not-the-secret" });
  return (await stranger.fetchTrace(traceId)).data.message;
}

const listed = (await langfuse.fetchObservations({ traceId })).data;
const found = {
  trace: (await langfuse.fetchTrace(traceId)).data,
  traces: (await langfuse.fetchTraces({ userId })).data,
  observations: listed,
  observation: (await langfuse.fetchObservation(listed[0].id)).data,
  sessions: (await langfuse.fetchSessions({ limit: 100 })).data
    .map((each) => each.id)
    .filter((id) => id === sessionId),
  refused: await refusal(),
};
console.log(JSON.stringify(found));
