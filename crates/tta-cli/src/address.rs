//! Addresses of servers, and how they are reached.

use std::error::Error;

use reqwest::{Client, ClientBuilder, Url};

/// Reads the address of a server, as in `example`.
///
/// # Errors
///
/// When it is none of HTTP.
pub(crate) fn parse(url: &str, example: &str) -> Result<Url, String> {
    let parsed =
        Url::parse(url).map_err(|error| format!("`{url}` is no address: {error}; write it as {example}"))?;
    match parsed.scheme() {
        "http" | "https" => Ok(parsed),
        _ => Err(format!("`{url}` is not of HTTP; write it as {example}")),
    }
}

/// What asks there. What is on this machine is reached without a proxy.
pub(crate) fn client(url: &Url) -> ClientBuilder {
    match url.host_str() {
        Some("localhost" | "127.0.0.1" | "[::1]") => Client::builder().no_proxy(),
        _ => Client::builder(),
    }
}

/// The bearer token in an environment variable.
///
/// # Errors
///
/// When there is none, or it cannot be sent.
pub(crate) fn token(variable: &str) -> Result<String, String> {
    let token = std::env::var(variable).map_err(|_| {
        format!("the environment variable {variable} has no token; set it, or leave out --token-env")
    })?;
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "what the environment variable {variable} has is no token; one has letters, digits and signs of ASCII, without spaces or the end of a line"
        ));
    }
    Ok(token)
}

/// The last cause of an error, which says what happened; the ones above say only where.
pub(crate) fn cause(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_http() {
        let check = |url: &str, says: &str| {
            let why = parse(url, "http://127.0.0.1:1").expect_err("it is refused");
            assert!(why.contains(says) && why.ends_with("write it as http://127.0.0.1:1"), "{why}");
        };
        check("127.0.0.1:16686", "is no address");
        check("localhost:16686", "is not of HTTP");
        check("", "is no address");
        parse("https://telemetry.example/tta", "").expect("it is an address");
    }
}
