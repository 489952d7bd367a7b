//! What describes this process in every batch that it sends.

use std::borrow::Cow;

use tta_model::name::attribute as names;
use tta_model::name::span::DEFAULT_SERVICE_NAME;
use tta_model::{Attributes, Key, Value};

use crate::clean;
use crate::config::Config;
use crate::convert::to_otel;

/// The name under which this library signs its telemetry.
const SDK_NAME: &str = "tta";

/// The attributes of this process, each key once.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    attributes: Attributes,
}

impl Resource {
    /// Detects the process, and adds what the settings say about it.
    ///
    /// The settings win over what was detected, and `service_name` wins over a `service.name` among the
    /// resource attributes. The version of the Rust compiler is not known at run time, so
    /// `process.runtime.version` is not among the attributes.
    #[must_use]
    pub fn detect(config: &Config) -> Self {
        let mut resource = Self { attributes: Vec::new() };
        resource.set(names::SERVICE_NAME.key(), DEFAULT_SERVICE_NAME);
        resource.set(names::SERVICE_INSTANCE_ID.key(), uuid::Uuid::new_v4().to_string());
        resource.describe_host();
        resource.describe_process();
        resource.set(names::TELEMETRY_SDK_NAME.key(), SDK_NAME);
        resource.set(names::TELEMETRY_SDK_LANGUAGE.key(), "rust");
        resource.set(names::TELEMETRY_SDK_VERSION.key(), env!("CARGO_PKG_VERSION"));
        if let Some(environment) = config.environment {
            resource.set(names::DEPLOYMENT_ENVIRONMENT_NAME.key(), environment.as_str());
        }
        for (key, value) in &config.resource_attributes {
            resource.set(Key::from(key.clone()), value.clone());
        }
        if let Some(name) = &config.service_name {
            resource.set(names::SERVICE_NAME.key(), name.clone());
        }
        if let Some(version) = &config.service_version {
            resource.set(names::SERVICE_VERSION.key(), version.clone());
        }
        resource
    }

    /// Sets an attribute, in place of an earlier value. Secrets are taken out.
    pub fn set(&mut self, key: Key, value: impl Into<Value>) {
        let value = value.into();
        let value = clean::value(&key, &value).unwrap_or(value);
        match self.attributes.iter_mut().find(|(existing, _)| *existing == key) {
            Some((_, existing)) => *existing = value,
            None => self.attributes.push((key, value)),
        }
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// The same for OpenTelemetry's SDK, without what the SDK would detect by itself.
    #[must_use]
    pub fn to_sdk(&self) -> opentelemetry_sdk::Resource {
        opentelemetry_sdk::Resource::builder_empty()
            .with_attributes(to_otel::attributes(&self.attributes))
            .build()
    }

    fn describe_host(&mut self) {
        self.set(names::HOST_NAME.key(), gethostname::gethostname().to_string_lossy().into_owned());
        self.set(names::HOST_ARCH.key(), conventional_architecture(std::env::consts::ARCH));
        self.set(names::OS_TYPE.key(), conventional_system(std::env::consts::OS));
    }

    fn describe_process(&mut self) {
        self.set(names::PROCESS_PID.key(), std::process::id());
        let program = std::env::current_exe().ok();
        let name = program.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
        if let Some(name) = name.map(Cow::into_owned) {
            self.set(names::PROCESS_EXECUTABLE_NAME.key(), name);
        }
        self.set(names::PROCESS_RUNTIME_NAME.key(), "rust");
    }
}

/// The word of the OpenTelemetry conventions for an architecture of Rust's.
fn conventional_architecture(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// The word of the OpenTelemetry conventions for an operating system of Rust's.
fn conventional_system(rust: &'static str) -> &'static str {
    match rust {
        "macos" => "darwin",
        "dragonfly" => "dragonflybsd",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(config: &Config, name: names::Attribute) -> Option<String> {
        attribute(config, name.key)
    }

    fn attribute(config: &Config, key: &str) -> Option<String> {
        let resource = Resource::detect(config);
        let values: Vec<_> = resource.attributes().iter().filter(|(name, _)| name == key).collect();
        assert!(values.len() < 2, "{key} is there twice");
        values.first().map(|(_, value)| value.to_string())
    }

    #[test]
    fn names_the_service_by_the_strongest_word() {
        let mut config = Config::default();
        assert_eq!(value(&config, names::SERVICE_NAME).as_deref(), Some("tta-workflow-engine"));
        config.resource_attributes =
            vec![(names::SERVICE_NAME.key.into(), "weak".into()), ("team".into(), "x".into())];
        assert_eq!(value(&config, names::SERVICE_NAME).as_deref(), Some("weak"));
        assert_eq!(attribute(&config, "team").as_deref(), Some("x"));
        config.service_name = Some("strong".into());
        assert_eq!(value(&config, names::SERVICE_NAME).as_deref(), Some("strong"));
    }

    #[test]
    fn describes_the_process() {
        let config = Config::default();
        assert_eq!(value(&config, names::PROCESS_PID), Some(std::process::id().to_string()));
        for key in
            [names::SERVICE_INSTANCE_ID, names::HOST_NAME, names::OS_TYPE, names::PROCESS_EXECUTABLE_NAME]
        {
            assert!(value(&config, key).is_some_and(|value| !value.is_empty()), "{key}");
        }
        assert_eq!(value(&config, names::SERVICE_VERSION), None);
    }

    #[test]
    fn gives_the_sdk_the_same_attributes() {
        let resource = Resource::detect(&Config::default());
        let sdk = resource.to_sdk();
        assert_eq!(sdk.len(), resource.attributes().len());
        let pid = sdk.get(&opentelemetry::Key::from_static_str(names::PROCESS_PID.key));
        assert_eq!(pid, Some(opentelemetry::Value::I64(i64::from(std::process::id()))));
    }
}
