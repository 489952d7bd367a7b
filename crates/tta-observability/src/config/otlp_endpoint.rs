//! Whether an address is one.

use super::otlp::OtlpProtocol;

/// Checks an address before anything is sent to it.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn check(url: &str, protocol: OtlpProtocol) -> Result<(), String> {
    let rest = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        None if protocol == OtlpProtocol::Grpc => url,
        _ => return Err("expected an address that begins with http:// or https://".to_owned()),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "take user and password out of the address, and set OTEL_EXPORTER_OTLP_HEADERS".to_owned()
        );
    }
    if url.chars().any(|char| char.is_whitespace() || char.is_control() || !char.is_ascii()) {
        return Err("an address has no spaces and no letters beyond ASCII: percent-encode them".to_owned());
    }
    check_authority(authority)
}

fn check_authority(authority: &str) -> Result<(), String> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside of brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err("expected a host, as in http://localhost:4318".to_owned());
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("put an IPv6 address in brackets, as in http://[::1]:4318".to_owned());
    }
    match port.map(str::parse::<u16>) {
        Some(Err(_) | Ok(0)) => Err("expected a port from 1 to 65535 after the colon".to_owned()),
        _ => Ok(()),
    }
}
