//! Whatever comes, the same rules hold.

use proptest::prelude::*;
use tta_redact::{bounded, field, secrets};

/// Texts made of what secrets are made of, so that they come up.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("password".to_owned()),
        Just("api_key".to_owned()),
        Just("token".to_owned()),
        Just("authorization: ".to_owned()),
        Just("Bearer ".to_owned()),
        Just("sk-".to_owned()),
        Just("ghp_".to_owned()),
        Just("eyJ".to_owned()),
        Just("AKIAABCDEFGHIJ234567".to_owned()),
        Just("-----BEGIN A-----".to_owned()),
        Just("-----END A-----".to_owned()),
        Just("://".to_owned()),
        Just("[redacted]".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("a@b.io".to_owned()),
        "[=:\"'\\\\@/., \\n&;%{}()-]{1,2}",
        "[A-Za-z0-9_]{1,24}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_was_shown_once_is_shown_as_it_is(text in texts()) {
        let shown = secrets(&text).into_owned();
        prop_assert_eq!(&secrets(&shown), &shown);
    }

    #[test]
    fn a_cut_text_is_short_enough_and_stays(text in texts(), longest in 0_usize..200) {
        let shown = bounded(&text, longest);
        prop_assert!(shown.len() <= longest);
        prop_assert_eq!(bounded(&shown, longest), shown);
    }

    #[test]
    fn nothing_panics(text in any::<String>(), name in any::<String>(), longest in any::<usize>()) {
        let shown = field(&name, &text, longest);
        prop_assert!(shown.len() <= longest.max("[redacted]".len()));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character(text in "\\PC{0,3000}", longest in 0_usize..3_000) {
        let shown = bounded(&text, longest);
        prop_assert!(shown.len() <= longest && text.len() >= shown.len() || shown.contains("[red"));
    }
}
