//! Labels of the metrics that are named in the style of Prometheus, with underscores.

use super::{Attribute, Bound::*, ValueKind, attributes};

attributes! {
    PRIMITIVE_TYPE = "primitive_type": Text, "", ByCode, "the type of the primitive";
    PRIMITIVE_NAME = "primitive_name": Text, "", ByCode, "the name of the primitive";
    WORKFLOW_TYPE = "workflow_type": Text, "", ByCode, "the name of the workflow";
    STATUS = "status": Text, "", Enumerated(&["success", "error", "timeout", "cancelled"]), "how the execution ended";
    OUTCOME = "outcome": Text, "", Enumerated(&["success", "error", "exhausted", "rejected"]), "what became of the recovery";
    CACHE = "cache": Text, "", ByCode, "the name of the cache, never the key of an entry";
    STORE = "store": Text, "", ByCode, "the name of the cache or memory whose store it is";
    BACKEND = "backend": Text, "", ByCode, "what the store is, as in `redis`";
    OPERATION = "operation": Text, "", Enumerated(&["get", "insert", "remove", "read", "write", "forget"]), "what was asked of the store";
    PROVIDER = "provider": Text, "", ByConfiguration, "the provider of the model";
    MODEL = "model": Text, "", ByConfiguration, "the name of the model";
    TOKEN_TYPE = "token_type": Text, "", Enumerated(&["prompt", "completion"]), "which side of the call the tokens are on";
    ROUTE = "route": Text, "", ByCode, "the route that was taken";
    REASON = "reason": Text, "", ByCode, "why it was done, in one word of the program";
    SIGNAL = "signal": Text, "", Enumerated(&["traces", "logs", "metrics"]), "the kind of telemetry";
    PORT = "port": Text, "", Enumerated(&["grpc", "http", "query"]), "what the port is for";
}
