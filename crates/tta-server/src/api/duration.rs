//! Durations as Go writes them, which is how Jaeger's users do: `1.2s`, `100ms`, `1h30m`.

/// What each unit is, in nanoseconds.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
];

/// Reads a duration, in nanoseconds. What is wrong is told in the words of Go.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (is_negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    if unsigned.is_empty() {
        return Err(invalid());
    }
    let (mut rest, mut nanos) = (unsigned, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| invalid())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = &rest[..letters];
        rest = &rest[letters..];
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let Some((_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
        };
        nanos += number * size;
    }
    if nanos > i64::MAX as f64 {
        return Err(invalid());
    }
    let nanos = nanos.round() as i64;
    Ok(if is_negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<i64, &str>) {
        assert_eq!(parse(text), expect.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn durations_are_those_of_go() {
        check("1.2s", Ok(1_200_000_000));
        check("100ms", Ok(100_000_000));
        check("500us", Ok(500_000));
        check("500µs", Ok(500_000));
        check("1h2m3.5s", Ok(3_723_500_000_000));
        check(".5ms", Ok(500_000));
        check("-3ns", Ok(-3));
        check("0", Ok(0));
        check("20", Err("time: missing unit in duration \"20\""));
        check("", Err("time: invalid duration \"\""));
        check("x", Err("time: invalid duration \"x\""));
        check("1.2.3s", Err("time: invalid duration \"1.2.3s\""));
        check("3 s", Err("time: unknown unit \" s\" in duration \"3 s\""));
        check("9999999999h", Err("time: invalid duration \"9999999999h\""));
    }
}
