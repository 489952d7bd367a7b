-- Log records; `trace` is the lower half of the trace's id, or zero. They lie in blocks as spans do.
CREATE TABLE log (
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, trace INTEGER NOT NULL, severity INTEGER NOT NULL,
    service INTEGER NOT NULL, block INTEGER NOT NULL, offset INTEGER NOT NULL
);
CREATE INDEX log_time ON log (time);
CREATE INDEX log_trace ON log (trace) WHERE trace <> 0;

-- Metrics, each with the points of one request; times are those of the earliest and latest point.
CREATE TABLE metric (
    id INTEGER PRIMARY KEY, name INTEGER NOT NULL, service INTEGER NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, points INTEGER NOT NULL, block INTEGER NOT NULL, offset INTEGER NOT NULL
);
CREATE INDEX metric_name ON metric (name, last);
