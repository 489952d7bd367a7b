"""Sends spans, a metric and a log record with OpenTelemetry's SDK for Python, and tells what it sent.

python send.py http|grpc plain|gzip ADDRESS COUNT
"""

import json
import logging
import sys

from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

protocol, packing, address, count = sys.argv[1:]

if protocol == "http":
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    compression = Compression.Gzip if packing == "gzip" else Compression.NoCompression

    def options(signal):
        return {"endpoint": f"http://{address}/v1/{signal}", "compression": compression}

else:
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    compression = Compression.Gzip if packing == "gzip" else Compression.NoCompression

    def options(_):
        return {"endpoint": f"http://{address}", "insecure": True, "compression": compression}


resource = Resource.create({"service.name": f"python-{protocol}-{packing}"})
traces = TracerProvider(resource=resource)
traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**options("traces"))))
tracer = traces.get_tracer("sender")
sent = []
for n in range(int(count)):
    with tracer.start_as_current_span(f"operation {n % 3}") as span:
        span.set_attribute("text", "grüße")
        span.set_attribute("int", -42)
        span.set_attribute("large", 2**53 + 1)
        span.set_attribute("float", 1.5)
        span.set_attribute("bool", True)
        span.set_attribute("list", ["a", "b"])
        span.add_event("happened", {"n": n})
        if n % 2:
            span.set_status(trace.StatusCode.ERROR, "it failed")
        context = span.get_span_context()
        sent.append([f"{context.trace_id:032x}", f"{context.span_id:016x}"])
traces.shutdown()

metrics = MeterProvider(
    resource=resource,
    metric_readers=[PeriodicExportingMetricReader(OTLPMetricExporter(**options("metrics")))],
)
metrics.get_meter("sender").create_counter("things").add(3)
metrics.shutdown()

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**options("logs"))))
logger = logging.getLogger("sender")
logger.addHandler(LoggingHandler(logger_provider=logs))
logger.warning("a line of the sender")
logs.shutdown()

print(json.dumps(sent))
