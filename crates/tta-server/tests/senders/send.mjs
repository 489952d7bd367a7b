// Sends spans, a metric and a log record with OpenTelemetry's SDK for JavaScript, and tells what it sent.
//
// node send.mjs proto|json|grpc plain|gzip ADDRESS COUNT

import { SpanStatusCode, ValueType } from "@opentelemetry/api";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

const [protocol, compression, address, count] = process.argv.slice(2);
const packing = compression === "gzip" ? "gzip" : "none";

// The severity of a warning.
const WARN = 13;

async function exporter(signal, name) {
  const kind = { proto: "proto", json: "http", grpc: "grpc" }[protocol];
  const path = { trace: "traces", metrics: "metrics", logs: "logs" }[signal];
  const url = protocol === "grpc" ? `http://${address}` : `http://${address}/v1/${path}`;
  const module = await import(`@opentelemetry/exporter-${signal}-otlp-${kind}`);
  return new module[name]({ url, compression: packing });
}

const provider = new TracerProvider({
  spanProcessors: [
    new BatchSpanProcessor({ exporter: await exporter("trace", "OTLPTraceExporter"), maxQueueSize: 10_000 }),
  ],
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

const metrics = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: await exporter("metrics", "OTLPMetricExporter") })],
});
metrics.getMeter("sender").createCounter("things", { valueType: ValueType.INT }).add(3);
await metrics.shutdown();

const logs = new LoggerProvider({
  processors: [new BatchLogRecordProcessor({ exporter: await exporter("logs", "OTLPLogExporter") })],
});
logs.getLogger("sender").emit({ severityNumber: WARN, body: "a line of the sender" });
await logs.shutdown();
console.log(JSON.stringify(sent));
