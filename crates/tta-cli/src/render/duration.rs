//! Durations for people.

/// Nanoseconds in the unit that leaves one to three digits before the point, with three digits in all.
/// Above a thousand seconds the digits before the point are as many as needed.
pub(crate) fn duration(nanos: u64) -> String {
    if nanos < 1_000 {
        return format!("{nanos}ns");
    }
    let mut value = nanos as f64 / 1e3;
    for unit in ["µs", "ms"] {
        // What would be shown as 1000 belongs to the next unit.
        if value < 999.5 {
            return format!("{}{unit}", three_digits(value));
        }
        value /= 1e3;
    }
    format!("{}s", three_digits(value))
}

fn three_digits(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_suits_the_length() {
        let check = |nanos: u64, expect: &str| assert_eq!(duration(nanos), expect, "{nanos}");
        check(0, "0ns");
        check(999, "999ns");
        check(1_000, "1.00µs");
        check(9_994, "9.99µs");
        check(9_999, "10.0µs");
        check(99_990, "100µs");
        check(999_499, "999µs");
        check(999_999, "1.00ms");
        check(12_345_678, "12.3ms");
        check(1_500_000_000, "1.50s");
        check(3_600_000_000_000, "3600s");
    }
}
