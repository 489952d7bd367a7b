//! The address of a group, as the Pushgateway's API spells it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::Uri;
use http::uri::Scheme;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{PushGateway, PushSetupError};

const JOB: &str = "job";
/// What a segment of a path may contain without being escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address that metrics are put to.
pub(super) fn uri(gateway: &PushGateway) -> Result<Uri, PushSetupError> {
    let mut url = base(&gateway.url)?;
    if gateway.job.is_empty() {
        return Err(PushSetupError::Job);
    }
    url.push_str("/metrics");
    push_label(&mut url, JOB, &gateway.job);
    for (place, (name, value)) in gateway.grouping.iter().enumerate() {
        let is_twice = gateway.grouping[..place].iter().any(|(other, _)| other == name);
        if let Some(reason) = fault(name, is_twice) {
            return Err(PushSetupError::Label { name: name.clone(), reason });
        }
        push_label(&mut url, name, value);
    }
    url.parse().map_err(|error| unusable(&gateway.url, format!("{error}")))
}

/// The address of the gateway itself, without a slash at its end.
fn base(url: &str) -> Result<String, PushSetupError> {
    let uri: Uri = url.parse().map_err(|error| unusable(url, format!("{error}")))?;
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTP => {}
        Some(scheme) if *scheme == Scheme::HTTPS && cfg!(feature = "otlp") => {}
        Some(scheme) if *scheme == Scheme::HTTPS => {
            return Err(unusable(url, "https needs the feature \"otlp\", which brings TLS".to_owned()));
        }
        _ => return Err(unusable(url, "it begins with neither http:// nor https://".to_owned())),
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(unusable(url, "a user and a password are not sent; leave them out".to_owned()));
    }
    if uri.query().is_some() {
        return Err(unusable(url, "it has a query, where the path of the job must follow".to_owned()));
    }
    Ok(format!("{}://{authority}{}", uri.scheme_str().unwrap_or("http"), uri.path().trim_end_matches('/')))
}

/// The error about an address, without what may be a password.
fn unusable(url: &str, reason: String) -> PushSetupError {
    let url = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        _ => url.to_owned(),
    };
    PushSetupError::Url { url, reason }
}

/// What is wrong with the name of a label.
fn fault(name: &str, is_twice: bool) -> Option<&'static str> {
    let is_letter = |char: char| char.is_ascii_alphabetic() || char == '_';
    if is_twice {
        Some("it is there twice; leave one out")
    } else if name == JOB {
        Some("the job has a setting of its own")
    } else if name.starts_with("__") {
        Some("names that begin with __ belong to Prometheus; choose another")
    } else if !name.starts_with(is_letter)
        || !name.chars().all(|char| is_letter(char) || char.is_ascii_digit())
    {
        Some("use letters, digits and underscores, and no digit at the beginning")
    } else {
        None
    }
}

/// A label as two segments. A value that is no segment by itself is written in base64, as the API says: an
/// empty one, one with a slash, and the two that mean folders.
fn push_label(url: &mut String, name: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = match value {
        "" => write!(url, "/{name}@base64/="),
        "." | ".." => write!(url, "/{name}@base64/{}", URL_SAFE.encode(value)),
        _ if value.contains('/') => write!(url, "/{name}@base64/{}", URL_SAFE.encode(value)),
        _ => write!(url, "/{name}/{}", utf8_percent_encode(value, ESCAPED)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(url: &str, job: &str, grouping: &[(&str, &str)]) -> PushGateway {
        let grouping = grouping.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        PushGateway { grouping: grouping.collect(), ..PushGateway::new(url, job) }
    }

    #[test]
    fn the_path_names_the_group() {
        let check = |url: &str, job: &str, grouping: &[(&str, &str)], expected: &str| {
            assert_eq!(uri(&gateway(url, job, grouping)).unwrap().to_string(), expected);
        };
        check("http://localhost:9091", "batch", &[], "http://localhost:9091/metrics/job/batch");
        check("http://localhost:9091/", "batch", &[], "http://localhost:9091/metrics/job/batch");
        check("http://h/behind/proxy/", "b", &[("a", "c")], "http://h/behind/proxy/metrics/job/b/a/c");
        check("http://h", "größe 1%", &[], "http://h/metrics/job/gr%C3%B6%C3%9Fe%201%25");
        check("http://h", "a/b", &[], "http://h/metrics/job@base64/YS9i");
        check("http://h", "b", &[("path", "/var/tmp")], "http://h/metrics/job/b/path@base64/L3Zhci90bXA=");
        check(
            "http://h",
            "b",
            &[("empty", ""), ("up", "..")],
            "http://h/metrics/job/b/empty@base64/=/up@base64/Li4=",
        );
        check("http://h", "b", &[("q", "a?b#c")], "http://h/metrics/job/b/q/a%3Fb%23c");
        check(
            "http://h",
            "b",
            &[("bytes", "/\u{fe}\u{3f}~\u{3ff}")],
            "http://h/metrics/job/b/bytes@base64/L8O-P37Pvw==",
        );
    }

    #[test]
    fn what_cannot_work_is_told() {
        let check = |url: &str, job: &str, grouping: &[(&str, &str)], expected: &str| {
            let error = uri(&gateway(url, job, grouping)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("localhost:9091", "b", &[], "neither http:// nor https://");
        check("ftp://h", "b", &[], "neither http:// nor https://");
        check("http://", "b", &[], "cannot be used");
        check("", "b", &[], "such as http://localhost:9091");
        check("http://h?x=1", "b", &[], "it has a query");
        check("http://me:secret@h", "b", &[], "\"http://***@h\" cannot be used: a user and a password");
        check("http://h", "", &[], "name the program");
        check("http://h", "b", &[("job", "c")], "a setting of its own");
        check("http://h", "b", &[("a", "1"), ("a", "2")], "twice");
        check("http://h", "b", &[("__a", "1")], "belong to Prometheus");
        check("http://h", "b", &[("1a", "1")], "no digit at the beginning");
        check("http://h", "b", &[("a.b", "1")], "letters, digits and underscores");
        check("http://h", "b", &[("", "1")], "letters, digits and underscores");
    }

    #[test]
    fn https_needs_tls() {
        let made = uri(&gateway("https://h", "b", &[]));
        if cfg!(feature = "otlp") {
            assert_eq!(made.unwrap().to_string(), "https://h/metrics/job/b");
        } else {
            assert!(made.unwrap_err().to_string().contains("the feature \"otlp\""));
        }
    }
}
