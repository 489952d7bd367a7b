-- Where the summing up has come to, and other numbers of the file.
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- Every text once. 0 stands for "none" and has no row.
CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);

-- Every resource and every scope once, as OTLP's ResourceSpans or ScopeSpans without spans.
CREATE TABLE envelope (id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, message BLOB NOT NULL);
CREATE INDEX envelope_hash ON envelope (hash);

-- What the program's code decides of a span, every combination once; all but the kind are words.
CREATE TABLE shape (
    id INTEGER PRIMARY KEY, service INTEGER NOT NULL, name INTEGER NOT NULL, kind INTEGER NOT NULL,
    primitive INTEGER NOT NULL, primitive_type INTEGER NOT NULL, workflow INTEGER NOT NULL,
    agent_type INTEGER NOT NULL, provider INTEGER NOT NULL, model INTEGER NOT NULL
);
CREATE INDEX shape_name ON shape (service, name);

-- What small blocks have in common, with a checksum. Each is here twice, as much depends on it.
CREATE TABLE dictionary (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, bytes BLOB NOT NULL);

-- The records themselves, some dozens in one compressed block; the dictionary is 0 where none was used.
CREATE TABLE block (id INTEGER PRIMARY KEY, dictionary INTEGER NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL);

-- The spans of one trace in one block: 16 bytes of the trace's id, 8 of each span's, 4 of a checksum. `trace` is the lower
-- half of the trace's id. The part with the greater number came later.
CREATE TABLE part (
    id INTEGER PRIMARY KEY, trace INTEGER NOT NULL, block INTEGER NOT NULL, offset INTEGER NOT NULL, spans BLOB NOT NULL
);
CREATE INDEX part_trace ON part (trace);

-- The index rows of the spans of one service in one commit, packed; times are of their starts, in nanoseconds. `attributes` is a
-- Bloom filter of the attributes of the spans and their resources.
CREATE TABLE run (
    id INTEGER PRIMARY KEY, service INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    longest INTEGER NOT NULL, errors INTEGER NOT NULL, count INTEGER NOT NULL, spans BLOB NOT NULL,
    attributes BLOB NOT NULL
);
CREATE INDEX run_time ON run (service, last, id, first, longest, errors, count);

-- What model calls cost.
CREATE TABLE model_call (
    start INTEGER NOT NULL, trace INTEGER NOT NULL, span INTEGER NOT NULL, shape INTEGER NOT NULL,
    agent INTEGER NOT NULL, session INTEGER NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL
);
CREATE INDEX model_call_start ON model_call (start);

-- Executions a minute: rate, errors, duration.
CREATE TABLE series (id INTEGER PRIMARY KEY, service INTEGER NOT NULL, name INTEGER NOT NULL, UNIQUE (service, name));
CREATE TABLE red (
    series INTEGER NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL, errors INTEGER NOT NULL,
    total INTEGER NOT NULL, bins BLOB NOT NULL, PRIMARY KEY (series, minute)
) WITHOUT ROWID;

-- Calls a minute from one place to another; a place is a primitive of a service, or else an operation.
CREATE TABLE node (id INTEGER PRIMARY KEY, service INTEGER NOT NULL, place INTEGER NOT NULL, UNIQUE (service, place));
CREATE TABLE edge (
    minute INTEGER NOT NULL, caller INTEGER NOT NULL, callee INTEGER NOT NULL, count INTEGER NOT NULL,
    errors INTEGER NOT NULL, total INTEGER NOT NULL, bins BLOB NOT NULL, PRIMARY KEY (minute, caller, callee)
) WITHOUT ROWID;

-- The hashes of the batches that came, so that one that is sent again counts once.
CREATE TABLE batch (id INTEGER PRIMARY KEY, hash BLOB NOT NULL);

-- For people who look into the file.
CREATE VIEW operation_minutes AS
    SELECT service.text AS service, name.text AS operation, datetime(minute * 60, 'unixepoch') AS minute,
           count, errors, total / 1e6 / count AS mean_ms
    FROM red JOIN series ON series.id = red.series
    LEFT JOIN word AS service ON service.id = series.service LEFT JOIN word AS name ON name.id = series.name;
CREATE VIEW call_minutes AS
    SELECT caller_service.text AS caller_service, caller_place.text AS caller,
           callee_service.text AS callee_service, callee_place.text AS callee,
           datetime(minute * 60, 'unixepoch') AS minute, count, errors, total / 1e6 / count AS mean_ms
    FROM edge JOIN node AS caller ON caller.id = edge.caller JOIN node AS callee ON callee.id = edge.callee
    LEFT JOIN word AS caller_service ON caller_service.id = caller.service
    LEFT JOIN word AS caller_place ON caller_place.id = caller.place
    LEFT JOIN word AS callee_service ON callee_service.id = callee.service
    LEFT JOIN word AS callee_place ON callee_place.id = callee.place;
CREATE VIEW model_calls AS
    SELECT datetime(start / 1000000000, 'unixepoch') AS time, service.text AS service, workflow.text AS workflow,
           model.text AS model, agent.text AS agent, session.text AS session, prompt_tokens, completion_tokens, cost_usd
    FROM model_call AS call JOIN shape ON shape.id = call.shape
    LEFT JOIN word AS service ON service.id = shape.service LEFT JOIN word AS workflow ON workflow.id = shape.workflow
    LEFT JOIN word AS model ON model.id = shape.model LEFT JOIN word AS agent ON agent.id = call.agent
    LEFT JOIN word AS session ON session.id = call.session;
