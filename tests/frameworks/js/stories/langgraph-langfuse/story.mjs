import { HumanMessage } from "@langchain/core/messages";
import { END, MessagesAnnotation, START, StateGraph } from "@langchain/langgraph";
import { ToolNode } from "@langchain/langgraph/prebuilt";
import { CallbackHandler } from "@langfuse/langchain";
import { refused, story } from "../common.mjs";
import { chatModel, weather } from "../langchain.mjs";
import { startTracing } from "../tracing.mjs";

const tracing = await startTracing("langfuse");

function graphOf(model) {
  return new StateGraph(MessagesAnnotation)
    .addNode("ask", async ({ messages }, config) => ({ messages: [await model.invoke(messages, config)] }))
    .addNode("tools", new ToolNode([weather]))
    .addEdge(START, "ask")
    .addConditionalEdges("ask", ({ messages }) => (messages.at(-1).tool_calls?.length ? "tools" : END))
    .addEdge("tools", "ask")
    .compile();
}

// Each run of the graph is a trace of its own; who asks is told to the handler.
const { userId, sessionId, tags } = story;
const config = { callbacks: [new CallbackHandler({ userId, sessionId, tags })], runName: story.name };
const say = (text) => ({ messages: [new HumanMessage(text)] });
const plain = graphOf(chatModel());
const withTool = graphOf(chatModel().bindTools([weather]));
await plain.invoke(say(story.question), config);
for await (const part of await plain.stream(say(story.streamedQuestion), { ...config, streamMode: "messages" })) void part;
await withTool.invoke(say(story.toolQuestion), config);
await refused(() => plain.invoke(say(story.failing), config));
await tracing.shutdown();
