-- What executions are summed up by beside their operations: primitives (kind 1), and workflows (kind 2), of which only the runs
-- count. `name` is a word.
CREATE TABLE unit (
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, service INTEGER NOT NULL, name INTEGER NOT NULL,
    UNIQUE (kind, service, name)
);
CREATE TABLE unit_red (
    unit INTEGER NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL, errors INTEGER NOT NULL,
    total INTEGER NOT NULL, bins BLOB NOT NULL, PRIMARY KEY (unit, minute)
) WITHOUT ROWID;

-- For people who look into the file.
CREATE VIEW primitive_minutes AS
    SELECT service.text AS service, name.text AS primitive, datetime(minute * 60, 'unixepoch') AS minute,
           count, errors, total / 1e6 / count AS mean_ms
    FROM unit_red JOIN unit ON unit.id = unit_red.unit AND unit.kind = 1
    LEFT JOIN word AS service ON service.id = unit.service LEFT JOIN word AS name ON name.id = unit.name;
CREATE VIEW workflow_minutes AS
    SELECT service.text AS service, name.text AS workflow, datetime(minute * 60, 'unixepoch') AS minute,
           count, errors, total / 1e6 / count AS mean_ms
    FROM unit_red JOIN unit ON unit.id = unit_red.unit AND unit.kind = 2
    LEFT JOIN word AS service ON service.id = unit.service LEFT JOIN word AS name ON name.id = unit.name;

-- Whether a model call used tokens of which nobody said what they cost; null in what was written before the column was there.
ALTER TABLE model_call ADD COLUMN unpriced INTEGER;
DROP VIEW IF EXISTS model_calls;
CREATE VIEW model_calls AS
    SELECT datetime(start / 1000000000, 'unixepoch') AS time, service.text AS service, workflow.text AS workflow,
           model.text AS model, agent.text AS agent, session.text AS session, prompt_tokens, completion_tokens,
           cost_usd, unpriced
    FROM model_call AS call JOIN shape ON shape.id = call.shape
    LEFT JOIN word AS service ON service.id = shape.service LEFT JOIN word AS workflow ON workflow.id = shape.workflow
    LEFT JOIN word AS model ON model.id = shape.model LEFT JOIN word AS agent ON agent.id = call.agent
    LEFT JOIN word AS session ON session.id = call.session;
