import { Langfuse, observeOpenAI } from "langfuse";
import OpenAI from "openai";
import { story } from "../common.mjs";
import { clientOptions, tellStory } from "../openai.mjs";

const langfuse = new Langfuse();
const { name, userId, sessionId, tags, metadata } = story;
const parent = langfuse.trace({ name, userId, sessionId, tags, metadata });
const openai = new OpenAI(clientOptions);
await tellStory((generationName) => observeOpenAI(openai, { parent, generationName }));
await langfuse.shutdownAsync();
