"""An OTLP receiver for the tests: it says on standard output what was exported to it.

It decodes with OpenTelemetry's own generated code, so that TTA's encoder is not its own judge.

Standard output is one JSON object a line. The first is {"grpc": PORT, "http": PORT}; then one for every
request, with "signal" ("traces", "metrics" or "logs"), "transport" ("grpc" or "http"), "headers",
"encoding" (the Content-Encoding, or null) and "spans", "metrics" or "logs". A refused request has "refused": true.
The line `shutdown` on standard input, or its end, stops the process.

    python receiver.py [--fail N]     refuse the first N requests: UNAVAILABLE, or 503 with Retry-After
"""

import argparse
import gzip
import json
import signal
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

LARGEST_BODY = 64 * 1024 * 1024
RETRY_AFTER_SECONDS = 1

REQUESTS = {
    "traces": (trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse),
    "metrics": (metrics_service_pb2.ExportMetricsServiceRequest, metrics_service_pb2.ExportMetricsServiceResponse),
    "logs": (logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
}


class Journal:
    """Writes the lines, and counts the requests that are still to be refused."""

    def __init__(self, to_refuse):
        self.to_refuse = to_refuse
        self.lock = threading.Lock()

    def write(self, line):
        with self.lock:
            print(json.dumps(line), flush=True)

    def refuses(self):
        with self.lock:
            self.to_refuse -= 1
            return self.to_refuse >= 0

    def record(self, name, transport, headers, encoding, request):
        """Writes one request's line and tells whether to accept it."""
        line = {"signal": name, "transport": transport, "headers": headers, "encoding": encoding}
        if self.refuses():
            self.write(line | {"refused": True})
            return False
        if name == "traces":
            line["spans"] = [span for resource in request.resource_spans for span in spans_of(resource)]
        elif name == "metrics":
            line["metrics"] = [metric for resource in request.resource_metrics for metric in metrics_of(resource)]
        else:
            line["logs"] = [record for resource in request.resource_logs for record in logs_of(resource)]
        self.write(line)
        return True


def value_of(value):
    """Keeps the type beside the value: {"int": 1}, {"string": "1"}; null where none is set."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    content = getattr(value, kind)
    if kind == "array_value":
        return {"array": [value_of(item) for item in content.values]}
    if kind == "kvlist_value":
        return {"map": attributes_of(content.values)}
    if kind == "bytes_value":
        return {"bytes": content.hex()}
    return {kind.removesuffix("_value"): content}


def attributes_of(pairs):
    attributes = {}
    for pair in pairs:
        if pair.key in attributes:
            raise ValueError(f"the attribute {pair.key} is there twice")
        attributes[pair.key] = value_of(pair.value)
    return attributes


def spans_of(resource):
    for scope in resource.scope_spans:
        for span in scope.spans:
            yield {
                "trace_id": span.trace_id.hex(),
                "span_id": span.span_id.hex(),
                "parent_span_id": span.parent_span_id.hex(),
                "trace_state": span.trace_state,
                "flags": span.flags,
                "name": span.name,
                "kind": Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
                "start": span.start_time_unix_nano,
                "end": span.end_time_unix_nano,
                "status": {
                    "code": Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_").lower(),
                    "message": span.status.message,
                },
                "attributes": attributes_of(span.attributes),
                "dropped_attributes": span.dropped_attributes_count,
                "events": [
                    {"name": event.name, "time": event.time_unix_nano, "attributes": attributes_of(event.attributes)}
                    for event in span.events
                ],
                "links": [
                    {
                        "trace_id": link.trace_id.hex(),
                        "span_id": link.span_id.hex(),
                        "attributes": attributes_of(link.attributes),
                    }
                    for link in span.links
                ],
                "resource": attributes_of(resource.resource.attributes),
                "scope": scope_of(scope),
            }


def scope_of(scope):
    return {
        "name": scope.scope.name,
        "version": scope.scope.version,
        "attributes": attributes_of(scope.scope.attributes),
    }


def metrics_of(resource):
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            kind = metric.WhichOneof("data")
            data = getattr(metric, kind)
            line = {
                "name": metric.name,
                "unit": metric.unit,
                "description": metric.description,
                "kind": kind,
                "points": [POINTS[kind](point) | common_of(point) for point in data.data_points],
                "resource": attributes_of(resource.resource.attributes),
                "scope": scope_of(scope),
            }
            if kind != "gauge":
                temporality = AggregationTemporality.Name(data.aggregation_temporality)
                line["temporality"] = temporality.removeprefix("AGGREGATION_TEMPORALITY_").lower()
            if kind == "sum":
                line["monotonic"] = data.is_monotonic
            yield line


def common_of(point):
    """What points of all kinds have."""
    return {
        "attributes": attributes_of(point.attributes),
        "start": point.start_time_unix_nano,
        "time": point.time_unix_nano,
        "exemplars": [
            {
                "time": exemplar.time_unix_nano,
                "trace_id": exemplar.trace_id.hex(),
                "span_id": exemplar.span_id.hex(),
                "value": number_of(exemplar),
                "filtered_attributes": attributes_of(exemplar.filtered_attributes),
            }
            for exemplar in point.exemplars
        ],
    }


def number_of(point):
    """Keeps the type beside the number: {"int": 1} or {"double": 1.0}."""
    kind = point.WhichOneof("value")
    return {kind.removeprefix("as_"): getattr(point, kind)}


def distribution_of(point):
    return {
        "count": point.count,
        "sum": point.sum,
        "bounds": list(point.explicit_bounds),
        "buckets": list(point.bucket_counts),
    }


def exponential_of(point):
    return {
        "count": point.count,
        "sum": point.sum,
        "scale": point.scale,
        "zero_count": point.zero_count,
        "offset": point.positive.offset,
        "buckets": list(point.positive.bucket_counts),
        "negative": list(point.negative.bucket_counts),
    }


POINTS = {
    "sum": lambda point: {"value": number_of(point)},
    "gauge": lambda point: {"value": number_of(point)},
    "histogram": distribution_of,
    "exponential_histogram": exponential_of,
}


def logs_of(resource):
    for scope in resource.scope_logs:
        for record in scope.log_records:
            yield {
                "time": record.time_unix_nano,
                "observed": record.observed_time_unix_nano,
                "body": value_of(record.body),
                "severity": record.severity_text,
                "severity_number": record.severity_number,
                "event": record.event_name,
                "flags": record.flags,
                "trace_id": record.trace_id.hex(),
                "span_id": record.span_id.hex(),
                "attributes": attributes_of(record.attributes),
                "resource": attributes_of(resource.resource.attributes),
                "scope": scope_of(scope),
            }


def grpc_service(journal, name):
    """Makes the one method of a collector service: the three differ in their messages only."""
    response = REQUESTS[name][1]

    class Service:
        def Export(self, request, context):
            headers = {key: text_of(value) for key, value in context.invocation_metadata()}
            try:
                accepted = journal.record(name, "grpc", headers, headers.get("grpc-encoding"), request)
            except ValueError as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            if not accepted:
                context.set_trailing_metadata((("grpc-status-details-bin", retry_details()),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "refused, as asked")
            return response()

    return Service()


def text_of(value):
    return value.hex() if isinstance(value, bytes) else value


def retry_details():
    """Encodes google.rpc.Status with one RetryInfo, whose generated code is in a package of its own."""
    delay = Duration(seconds=RETRY_AFTER_SECONDS).SerializeToString()
    retry_info = field(1, delay)
    any_message = field(1, b"type.googleapis.com/google.rpc.RetryInfo") + field(2, retry_info)
    return bytes([0x08, grpc.StatusCode.UNAVAILABLE.value[0]]) + field(2, b"refused, as asked") + field(3, any_message)


def field(number, content):
    assert len(content) < 128, "one byte is enough for every length here"
    return bytes([number << 3 | 2, len(content)]) + content


def http_handler(journal):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            name = self.path.removeprefix("/v1/")
            if self.path not in (f"/v1/{known}" for known in REQUESTS):
                return self.answer(404)
            body = self.read_body()
            if body is None:
                return self.answer(400)
            encoding = self.headers.get("Content-Encoding")
            if self.headers.get("Content-Type") != "application/x-protobuf" or encoding not in (None, "identity", "gzip"):
                return self.answer(415)
            request_type, response_type = REQUESTS[name]
            try:
                request = request_type.FromString(gzip.decompress(body) if encoding == "gzip" else body)
                headers = {key.lower(): value for key, value in self.headers.items()}
                accepted = journal.record(name, "http", headers, encoding, request)
            except (DecodeError, OSError, EOFError, ValueError) as error:
                journal.write({"signal": name, "transport": "http", "error": str(error)})
                return self.answer(400)
            if not accepted:
                return self.answer(503, retry_after=RETRY_AFTER_SECONDS)
            return self.answer(200, response_type().SerializeToString())

        def read_body(self):
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                return self.read_chunks()
            length = int(self.headers.get("Content-Length", "0"))
            return self.rfile.read(length) if length <= LARGEST_BODY else None

        def read_chunks(self):
            body = bytearray()
            while length := int(self.rfile.readline().split(b";")[0], 16):
                if len(body) + length > LARGEST_BODY:
                    return None
                body += self.rfile.read(length)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return bytes(body)

        def answer(self, status, body=b"", retry_after=None):
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            if retry_after is not None:
                self.send_header("Retry-After", str(retry_after))
            if status in (400, 415):
                self.close_connection = True
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Says nothing: standard output has lines of JSON only, and standard error is for faults."""

    return Handler


def main():
    parser = argparse.ArgumentParser(description="An OTLP receiver that prints what it receives.")
    parser.add_argument("--fail", type=int, default=0, metavar="N", help="refuse the first N requests")
    journal = Journal(parser.parse_args().fail)
    signal.signal(signal.SIGINT, signal.SIG_DFL)

    grpc_server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(grpc_service(journal, "traces"), grpc_server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(grpc_service(journal, "metrics"), grpc_server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(grpc_service(journal, "logs"), grpc_server)
    grpc_port = grpc_server.add_insecure_port("127.0.0.1:0")
    grpc_server.start()

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), http_handler(journal))
    http_server.daemon_threads = True
    threading.Thread(target=http_server.serve_forever, daemon=True).start()

    journal.write({"grpc": grpc_port, "http": http_server.server_port})
    for line in sys.stdin:
        if line.strip() == "shutdown":
            break
    http_server.shutdown()
    grpc_server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
