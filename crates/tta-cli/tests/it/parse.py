"""Reads a page of metrics as Prometheus' own Python client does, and prints its series with their values as JSON:
python parse.py openmetrics|classic < page"""

import json
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

PARSERS = {
    "openmetrics": openmetrics_parser.text_string_to_metric_families,
    "classic": parser.text_string_to_metric_families,
}

series = {}
for family in PARSERS[sys.argv[1]](sys.stdin.buffer.read().decode()):
    for sample in family.samples:
        name = sample.name + json.dumps(sample.labels, sort_keys=True)
        assert name not in series, f"twice: {name}"
        series[name] = sample.value
json.dump(series, sys.stdout)
