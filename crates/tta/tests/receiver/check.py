"""Checks the receiver with OpenTelemetry's own client code, over both transports: python check.py"""

import gzip
import http.client
import json
import pathlib
import subprocess
import sys

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue


class Receiver:
    def __init__(self, *arguments):
        script = pathlib.Path(__file__).with_name("receiver.py")
        command = [sys.executable, str(script), *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports = self.line()

    def line(self):
        return json.loads(self.process.stdout.readline())

    def channel(self):
        return grpc.insecure_channel(f"127.0.0.1:{self.ports['grpc']}")

    def post(self, path, body, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["http"], timeout=10)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, body, {"Content-Type": "application/x-protobuf"} | names)
        return connection.getresponse()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.communicate("shutdown\n", timeout=10)
        assert self.process.returncode == 0


def request():
    request = trace_service_pb2.ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="a")))
    scope = resource.scope_spans.add()
    scope.scope.name = "tta"
    span = scope.spans.add(name="root", trace_id=b"\1" * 16, span_id=b"\2" * 8, kind=1)
    span.start_time_unix_nano, span.end_time_unix_nano = 2**63, 2**63 + 1
    span.status.code, span.status.message = 2, "no"
    span.attributes.append(KeyValue(key="n", value=AnyValue(int_value=1)))
    span.attributes.append(KeyValue(key="l", value=AnyValue(array_value=ArrayValue(values=[AnyValue(bool_value=True)]))))
    span.events.add(name="e", time_unix_nano=5).attributes.append(KeyValue(key="s", value=AnyValue(string_value="1")))
    return request


def check_span(line, transport):
    assert line["signal"] == "traces" and line["transport"] == transport, line
    (span,) = line["spans"]
    assert span["trace_id"] == "01" * 16 and span["span_id"] == "02" * 8 and span["parent_span_id"] == ""
    assert (span["name"], span["kind"], span["start"], span["end"]) == ("root", "internal", 2**63, 2**63 + 1)
    assert span["status"] == {"code": "error", "message": "no"}
    assert span["attributes"] == {"n": {"int": 1}, "l": {"array": [{"bool": True}]}}
    assert span["events"] == [{"name": "e", "time": 5, "attributes": {"s": {"string": "1"}}}]
    assert span["resource"] == {"service.name": {"string": "a"}} and span["scope"]["name"] == "tta"


def check_both_transports():
    with Receiver() as receiver, receiver.channel() as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        stub.Export(request(), metadata=(("authorization", "a"),), compression=grpc.Compression.Gzip)
        line = receiver.line()
        check_span(line, "grpc")
        assert line["headers"]["authorization"] == "a"
        body = request().SerializeToString()
        for encoding, content in (("identity", body), ("gzip", gzip.compress(body))):
            assert receiver.post("/v1/traces", content, Content_Encoding=encoding, X_Key="k").status == 200
            line = receiver.line()
            check_span(line, "http")
            assert line["encoding"] == encoding and line["headers"]["x-key"] == "k"
        assert receiver.post("/v1/traces", iter([body[:10], body[10:]])).status == 200
        check_span(receiver.line(), "http")


def metrics_request():
    request = metrics_service_pb2.ExportMetricsServiceRequest()
    scope = request.resource_metrics.add().scope_metrics.add()
    sum = scope.metrics.add(name="s", unit="ms", description="d").sum
    sum.is_monotonic, sum.aggregation_temporality = True, 2
    sum.data_points.add(as_int=1, start_time_unix_nano=2, time_unix_nano=3)
    scope.metrics.add(name="g").gauge.data_points.add(as_double=0.5)
    histogram = scope.metrics.add(name="h").histogram
    histogram.aggregation_temporality = 1
    point = histogram.data_points.add(count=1, sum=2, bucket_counts=[0, 1], explicit_bounds=[1])
    point.exemplars.add(as_double=2, trace_id=b"\1" * 16, span_id=b"\2" * 8, time_unix_nano=5)
    exponential = scope.metrics.add(name="e").exponential_histogram
    point = exponential.data_points.add(count=3, scale=-1, zero_count=1)
    point.positive.offset = -2
    point.positive.bucket_counts.extend([1, 1])
    return request


def check_metrics(line):
    sum, gauge, histogram, exponential = line["metrics"]
    assert (sum["name"], sum["unit"], sum["description"], sum["kind"]) == ("s", "ms", "d", "sum")
    assert sum["monotonic"] and sum["temporality"] == "cumulative"
    assert (sum["points"][0]["value"], sum["points"][0]["start"], sum["points"][0]["time"]) == ({"int": 1}, 2, 3)
    assert gauge["points"][0]["value"] == {"double": 0.5} and "temporality" not in gauge
    (point,) = histogram["points"]
    assert histogram["temporality"] == "delta" and (point["buckets"], point["bounds"]) == ([0, 1], [1])
    (exemplar,) = point["exemplars"]
    assert (exemplar["trace_id"], exemplar["span_id"], exemplar["value"]) == ("01" * 16, "02" * 8, {"double": 2})
    (point,) = exponential["points"]
    assert (point["scale"], point["zero_count"], point["offset"], point["buckets"]) == (-1, 1, -2, [1, 1])


def check_the_other_signals():
    metrics, logs = metrics_request(), logs_service_pb2.ExportLogsServiceRequest()
    record = logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO", event_name="e")
    record.body.string_value = "b"
    with Receiver() as receiver, receiver.channel() as channel:
        for send_metrics, send_logs in (
            (metrics_service_pb2_grpc.MetricsServiceStub(channel).Export, logs_service_pb2_grpc.LogsServiceStub(channel).Export),
            (lambda r: receiver.post("/v1/metrics", r.SerializeToString()), lambda r: receiver.post("/v1/logs", r.SerializeToString())),
        ):
            send_metrics(metrics)
            check_metrics(receiver.line())
            send_logs(logs)
            (line,) = receiver.line()["logs"]
            assert (line["body"], line["severity"], line["event"]) == ({"string": "b"}, "INFO", "e")


def check_refusals():
    with Receiver("--fail", "2") as receiver, receiver.channel() as channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)
        try:
            stub.Export(request())
            raise AssertionError("the first request is refused")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            assert b"RetryInfo" in dict(error.trailing_metadata())["grpc-status-details-bin"]
        assert receiver.line()["refused"]
        answer = receiver.post("/v1/traces", request().SerializeToString())
        assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
        assert receiver.line()["refused"]
        stub.Export(request())
        check_span(receiver.line(), "grpc")


def check_bad_requests():
    with Receiver() as receiver:
        assert receiver.post("/v1/traces", b"\xff\xff").status == 400
        assert "error" in receiver.line()
        assert receiver.post("/v1/traces", b"not gzip", Content_Encoding="gzip").status == 400
        assert "error" in receiver.line()
        assert receiver.post("/v1/other", b"").status == 404
        assert receiver.post("/v1/traces", b"{}", Content_Type="application/json").status == 415


if __name__ == "__main__":
    for check in (check_both_transports, check_the_other_signals, check_refusals, check_bad_requests):
        check()
        print(f"{check.__name__}: passed")
