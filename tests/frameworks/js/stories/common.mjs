// What every story tells: who asks, and what. A story asks for one plain answer, one streamed, one that needs a tool, an object and an
// embedding where its package can, and one that the provider refuses.
export const story = {
  name: "parcel desk",
  userId: "user-lovelace",
  sessionId: "session-difference-engine",
  tags: ["tag-amber", "tag-cobalt"],
  metadata: { plan: "gold" },
  model: "gpt-5-mini",
  anthropicModel: "claude-sonnet-4-5",
  embeddingModel: "text-embedding-3-small",
  maxTokens: 345,
  system: "You are a parcel desk.",
  question: "Where is my parcel?",
  streamedQuestion: "When does it arrive?",
  toolQuestion: "How is the weather there?",
  objectQuestion: "Which city, and how many days?",
  failing: "FAIL this one.",
  toolName: "look_up_weather",
  toolDescription: "The weather in a city",
  weather: { city: "Lisbon", sky: "sunny" },
};

export const provider = {
  url: process.env.PROVIDER_URL,
  openai: `${process.env.PROVIDER_URL}/v1`,
  key: "provider-key",
};

// The address that OTLP's plain exporters post to, and their headers.
export const otlp = {
  base: process.env.TAILRACE_OTLP_URL,
  traces: `${process.env.TAILRACE_OTLP_URL}/v1/traces`,
  headers: { Authorization: process.env.TAILRACE_AUTHORIZATION },
};

// Runs what must fail; raises if it does not.
export async function refused(work) {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("expected the provider's refusal");
}
