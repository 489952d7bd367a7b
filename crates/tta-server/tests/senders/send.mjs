// Sends spans with OpenTelemetry's SDK for JavaScript, and tells what it sent.
//
// node send.mjs proto|json|grpc plain|gzip ADDRESS COUNT

import { SpanStatusCode } from "@opentelemetry/api";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const [protocol, compression, address, count] = process.argv.slice(2);
const packing = compression === "gzip" ? "gzip" : "none";

async function exporter() {
  if (protocol === "grpc") {
    const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-grpc");
    return new OTLPTraceExporter({ url: `http://${address}`, compression: packing });
  }
  const kind = protocol === "json" ? "http" : "proto";
  const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${kind}`);
  return new OTLPTraceExporter({ url: `http://${address}/v1/traces`, compression: packing });
}

const provider = new TracerProvider({
  spanProcessors: [new BatchSpanProcessor({ exporter: await exporter(), maxQueueSize: 10_000 })],
});
const tracer = provider.getTracer("sender");
const sent = [];
for (let n = 0; n < Number(count); n += 1) {
  const span = tracer.startSpan(`operation ${n % 3}`);
  span.setAttributes({ text: "grüße", int: -42, large: 2 ** 52 + 1, float: 1.5, bool: true, list: ["a", "b"] });
  span.addEvent("happened", { n });
  if (n % 2) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: "it failed" });
  }
  span.end();
  sent.push([span.spanContext().traceId, span.spanContext().spanId]);
}
await provider.shutdown();
console.log(JSON.stringify(sent));
