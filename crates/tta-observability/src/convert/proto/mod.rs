//! Makes the messages of OTLP out of plain data.
//!
//! Unlike the types of OpenTelemetry's SDK, those of the protocol have room for every value, so nothing becomes text here.

pub(crate) mod logs;
pub(crate) mod metrics;

use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use tta_model::{Key, Value};

use super::span_data::{SCOPE, VERSION};
use crate::resource::Resource;

/// What describes this process.
pub(crate) fn resource(resource: &Resource) -> ProtoResource {
    ProtoResource { attributes: attributes(resource.attributes()), ..ProtoResource::default() }
}

fn scope() -> common::InstrumentationScope {
    common::InstrumentationScope {
        name: SCOPE.to_owned(),
        version: VERSION.to_owned(),
        ..common::InstrumentationScope::default()
    }
}

fn attributes(attributes: &[(Key, Value)]) -> Vec<common::KeyValue> {
    attributes.iter().map(|(key, content)| attribute(key, value(content))).collect()
}

fn attribute(key: &Key, value: common::AnyValue) -> common::KeyValue {
    common::KeyValue { key: key.as_str().to_owned(), value: Some(value), ..common::KeyValue::default() }
}

fn value(content: &Value) -> common::AnyValue {
    let any = match content {
        Value::Bool(value) => Any::BoolValue(*value),
        Value::Int(value) => Any::IntValue(*value),
        Value::Float(value) => Any::DoubleValue(*value),
        Value::Text(text) => Any::StringValue(text.as_str().to_owned()),
        Value::Bytes(bytes) => Any::BytesValue(bytes.to_vec()),
        Value::List(values) => {
            Any::ArrayValue(common::ArrayValue { values: values.iter().map(value).collect() })
        }
        Value::Map(pairs) => Any::KvlistValue(common::KeyValueList { values: attributes(pairs) }),
    };
    common::AnyValue { value: Some(any) }
}
