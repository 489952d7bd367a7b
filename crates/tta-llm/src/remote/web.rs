//! The connection to a provider.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Proxy, Url};
use tta_model::Text;

use crate::provider::Provider;

/// Why a provider cannot be reached as it was set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The provider.
    pub provider: Text,
    what: String,
}

impl Unreachable {
    pub(super) fn new(provider: &Provider, what: &dyn fmt::Display) -> Self {
        Self { provider: provider.name.clone(), what: tta_redact::secrets(&what.to_string()).into_owned() }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the provider `{}` cannot be reached as it is set up: {}", self.provider, self.what)
    }
}

impl std::error::Error for Unreachable {}

/// Makes a client for a provider.
pub(super) fn client(provider: &Provider) -> Result<reqwest::Client, Unreachable> {
    let wrong = |what: &dyn fmt::Display| Unreachable::new(provider, what);
    check(provider).map_err(|what| wrong(&what))?;
    let mut builder = reqwest::Client::builder()
        .connect_timeout(provider.connect_timeout)
        // Keys are in headers of the providers' own, which would go wherever a redirect points.
        .redirect(Policy::none())
        .tcp_nodelay(true)
        .gzip(true);
    if let Some(proxy) = &provider.proxy {
        let proxy = Proxy::all(proxy).map_err(|_| wrong(&"the proxy is not a URL"))?;
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| wrong(&error.without_url()))
}

/// What is wrong with the settings of a provider.
fn check(provider: &Provider) -> Result<(), String> {
    let url = Url::parse(&provider.base_url).map_err(|error| {
        format!("its base URL is not one: {error}; expected something like https://host/v1")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("its base URL needs http:// or https:// and a host".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(
            "its base URL has a query or a fragment, but the path of the operation comes after it".to_owned()
        );
    }
    for (name, value) in &provider.headers {
        HeaderName::try_from(name).map_err(|_| format!("`{name}` is not the name of a header"))?;
        HeaderValue::try_from(value).map_err(|_| format!("the value of the header `{name}` is not one"))?;
    }
    Ok(())
}

/// The host and the port of a provider.
pub(crate) fn address(provider: &Provider) -> (Text, Option<u16>) {
    let url = Url::parse(&provider.base_url).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned();
    (host.into(), url.and_then(|url| url.port_or_known_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_told_of_without_secrets() {
        let check = |provider: Provider, expect: &str| {
            let error = client(&provider).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expect) && !error.contains("hunter2"), "{error}");
        };
        check(Provider::openai().base_url("api.openai.com"), "its base URL is not one");
        check(Provider::openai().base_url("ftp://user:hunter2@host/v1"), "needs http:// or https://");
        check(Provider::openai().base_url("https://host/v1?key=hunter2"), "has a query");
        check(Provider::openai().proxy("::hunter2"), "the proxy is not a URL");
        check(Provider::openai().header("x y", "hunter2"), "`x y` is not the name of a header");
        check(Provider::openai().header("x-key", "hunter2\n"), "the value of the header `x-key`");
    }

    #[test]
    fn the_address_has_no_password() {
        let provider = Provider::openai().base_url("https://user:hunter2@host/v1");
        assert_eq!(address(&provider), ("host".into(), Some(443)));
    }
}
