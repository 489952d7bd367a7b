//! What the client wants: a format by `Accept`, and gzip by `Accept-Encoding`.
//!
//! A malformed entry counts as absent. Nobody is refused: who asks for something else gets the classic text, since
//! a page that can be read beats an error.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, HeaderName};
use mediatype::{MediaType, MediaTypeList, Name, ReadParams as _};

use super::encode::Format;

/// Chooses the format that the client likes best.
///
/// Of two that it likes the same it gets OpenMetrics if it names that, because it can then show examples.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let mut open_metrics = Liking::default();
    let mut classic = Liking::default();
    for line in lines(headers, ACCEPT) {
        for range in MediaTypeList::new(line).flatten() {
            let Some(quality) = quality(&range) else { continue };
            open_metrics.consider(specificity(&range, ("application", "openmetrics-text"), "1.0.0"), quality);
            classic.consider(specificity(&range, ("text", "plain"), "0.0.4"), quality);
        }
    }
    let is_named = open_metrics.specificity >= NAMED;
    if open_metrics.quality > classic.quality
        || (is_named && open_metrics.quality > 0.0 && open_metrics.quality >= classic.quality)
    {
        Format::OpenMetrics
    } else {
        Format::Classic
    }
}

/// Whether the client wants gzip at least as much as plain text.
pub(super) fn wants_gzip(headers: &HeaderMap) -> bool {
    let mut gzip = None;
    let mut identity = None;
    let mut anything = None;
    for entry in lines(headers, ACCEPT_ENCODING).flat_map(|line| line.split(',')) {
        let (coding, weight) = entry.split_once(';').unwrap_or((entry, "q=1"));
        let weight =
            weight.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
        let Some(quality) = weight.and_then(parse_quality) else { continue };
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(quality),
            "identity" => identity = Some(quality),
            "*" => anything = Some(quality),
            _ => {}
        }
    }
    let gzip: f32 = gzip.or(anything).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

/// The specificity of a range that names the type itself.
const NAMED: u8 = 3;

/// How much the client likes a format: the quality of the most specific range that covers it.
#[derive(Default)]
struct Liking {
    specificity: u8,
    quality: f32,
}

impl Liking {
    fn consider(&mut self, specificity: Option<u8>, quality: f32) {
        if let Some(specificity) = specificity.filter(|specificity| *specificity > self.specificity) {
            *self = Self { specificity, quality };
        }
    }
}

/// How closely a range covers a type: 1 if it covers all, 2 those of the same kind, 3 this one, 4 this
/// version. None if it does not, as one for another version.
fn specificity(range: &MediaType<'_>, (main, sub): (&str, &str), version: &str) -> Option<u8> {
    let asked = Name::new("version").and_then(|name| range.get_param(name));
    let (main_asked, sub_asked) = (range.ty.as_str(), range.subty.as_str());
    match (main_asked, sub_asked) {
        ("*", "*") => Some(1),
        (_, "*") if main_asked.eq_ignore_ascii_case(main) => Some(2),
        _ if main_asked.eq_ignore_ascii_case(main) && sub_asked.eq_ignore_ascii_case(sub) => match asked {
            None => Some(NAMED),
            Some(asked) if asked.unquoted_str() == version => Some(NAMED + 1),
            Some(_) => None,
        },
        _ => None,
    }
}

/// The weight of a range, 1 if it has none.
fn quality(range: &MediaType<'_>) -> Option<f32> {
    match Name::new("q").and_then(|name| range.get_param(name)) {
        Some(weight) => parse_quality(weight.as_str()),
        None => Some(1.0),
    }
}

fn parse_quality(text: &str) -> Option<f32> {
    text.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality))
}

/// The lines of a header that are text.
fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_client_chooses_the_format() {
        let check = |accept: &[&'static str], expected: Format| {
            assert_eq!(format(&headers(ACCEPT, accept)), expected, "{accept:?}");
        };
        use Format::{Classic, OpenMetrics};
        check(&[], Classic);
        check(&[""], Classic);
        check(&["*/*"], Classic);
        check(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"], Classic);
        check(&["application/json"], Classic);
        check(&["nonsense;;,=/"], Classic);
        check(&["application/openmetrics-text"], OpenMetrics);
        check(&["Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8"], OpenMetrics);
        check(&["application/openmetrics-text; version=\"1.0.0\""], OpenMetrics);
        check(&["application/openmetrics-text; version=2.0.0, text/plain;q=0.1"], Classic);
        check(&["application/openmetrics-text; version=2.0.0"], Classic);
        check(&["application/openmetrics-text;q=0"], Classic);
        check(&["application/openmetrics-text;q=0, */*"], Classic);
        check(&["application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.9"], Classic);
        check(&["application/openmetrics-text;q=0.5,text/plain;q=0.5"], OpenMetrics);
        check(&["text/plain;q=0.2", "application/openmetrics-text;version=1.0.0;q=0.3"], OpenMetrics);
        check(&["application/*;q=0.8,text/*;q=0.2"], OpenMetrics);
        check(&["text/*, application/*"], Classic);
        check(&["text/plain;q=0, */*;q=0.1"], OpenMetrics);
        check(&["application/openmetrics-text;version=1.0.0;q=7, text/plain;q=0.1"], Classic);
        check(&["text/plain;note=\"a,b;q=0\", application/openmetrics-text;q=0.9"], Classic);
    }

    #[test]
    fn prometheus_gets_openmetrics() {
        let check = |accept: &'static str| {
            assert_eq!(format(&headers(ACCEPT, &[accept])), Format::OpenMetrics, "{accept}");
        };
        // Version 2.
        check(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
             text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        );
        // Version 3.
        check(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        );
    }

    #[test]
    fn the_client_chooses_gzip() {
        let check = |encodings: &[&'static str], expected: bool| {
            assert_eq!(wants_gzip(&headers(ACCEPT_ENCODING, encodings)), expected, "{encodings:?}");
        };
        check(&[], false);
        check(&[""], false);
        check(&["identity"], false);
        check(&["br"], false);
        check(&["gzip"], true);
        check(&["GZIP"], true);
        check(&["x-gzip"], true);
        check(&["gzip, deflate, br, zstd"], true);
        check(&["br", "gzip;q=0.3"], true);
        check(&["gzip;q=0"], false);
        check(&["gzip; q=0.000"], false);
        check(&["gzip;q=0, *"], false);
        check(&["gzip;q=much"], false);
        check(&["*"], true);
        check(&["*;q=0"], false);
        check(&["gzip ; Q=0.5, identity;q=0.2"], true);
        check(&["gzip;q=0.2, identity;q=0.5"], false);
    }
}
