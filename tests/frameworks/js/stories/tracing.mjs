// OpenTelemetry as the stories set it up: exported by Langfuse's span processor or by OTLP's plain exporter, and a root span around it all.
import { trace } from "@opentelemetry/api";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { otlp, story } from "./common.mjs";

// `exporter` is "langfuse", "otlp-json" or "otlp-protobuf"; `options` are those of Langfuse's span processor. Returns the provider; its
// shutdown sends what is left.
export async function startTracing(exporter, options = {}) {
  const processor = exporter === "langfuse" ? await langfuseProcessor(options) : await plainProcessor(exporter);
  const provider = new NodeTracerProvider({ spanProcessors: [processor] });
  provider.register();
  return provider;
}

async function langfuseProcessor(options) {
  const { LangfuseSpanProcessor } = await import("@langfuse/otel");
  return new LangfuseSpanProcessor({ environment: "story", release: "story-1", ...options });
}

async function plainProcessor(exporter) {
  const name = exporter === "otlp-json" ? "http" : "proto";
  const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${name}`);
  return new BatchSpanProcessor(new OTLPTraceExporter({ url: otlp.traces, headers: otlp.headers }));
}

// Runs `work` under one root span. Langfuse's exporter also gets who asks, in the way that its SDK documents.
export async function inOneTrace(exporter, work) {
  if (exporter === "langfuse") {
    const { propagateAttributes, startActiveObservation } = await import("@langfuse/tracing");
    const { name: traceName, userId, sessionId, tags, metadata } = story;
    return propagateAttributes({ traceName, userId, sessionId, tags, metadata }, () => startActiveObservation(story.name, work));
  }
  return trace.getTracer("parcel-desk", "1.0.0").startActiveSpan(story.name, async (span) => {
    await work();
    span.end();
  });
}
