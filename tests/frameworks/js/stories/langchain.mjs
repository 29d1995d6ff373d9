// The story as LangChain tells it: models, a chain and a tool, each with the handler among its callbacks.
import { HumanMessage } from "@langchain/core/messages";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { provider, refused, story } from "./common.mjs";

export const weather = tool(async () => JSON.stringify(story.weather), {
  name: story.toolName,
  description: story.toolDescription,
  schema: z.object({ city: z.string() }),
});

export function chatModel(options) {
  const { model, maxTokens } = story;
  return new ChatOpenAI({ model, maxTokens, apiKey: provider.key, maxRetries: 0, configuration: { baseURL: provider.openai }, ...options });
}

export async function tellStory(config) {
  for (const useResponsesApi of [false, true]) {
    const model = chatModel({ useResponsesApi });
    const prompt = ChatPromptTemplate.fromMessages([["system", story.system], ["human", "{question}"]]);
    await prompt.pipe(model).invoke({ question: story.question }, config);
    for await (const chunk of await model.stream(story.streamedQuestion, config)) void chunk;
    await useTool(model.bindTools([weather]), config);
    const structured = model.withStructuredOutput(z.object({ city: z.string(), days: z.number() }), { name: "parcel" });
    await structured.invoke(story.objectQuestion, config);
    await refused(() => model.invoke(story.failing, config));
  }
}

async function useTool(model, config) {
  const messages = [new HumanMessage(story.toolQuestion)];
  const asked = await model.invoke(messages, config);
  messages.push(asked, await weather.invoke(asked.tool_calls[0], config));
  await model.invoke(messages, config);
}
