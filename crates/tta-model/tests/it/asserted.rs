//! What must hold for any input, shared by the property tests, the seed corpus and the fuzz targets.

use tta_model::w3c::{
    Baggage, MAX_BAGGAGE_BYTES, MAX_BAGGAGE_MEMBERS, MAX_PROPAGATED_CHARS, MAX_TRACESTATE_MEMBERS,
    TraceParent, TraceState,
};

/// An accepted `traceparent` prints as version 00, and that reads back as the same.
pub(crate) fn traceparent(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(parent) = TraceParent::parse(&text) else { return };
    let printed = parent.to_string();
    assert_eq!(printed.as_bytes(), parent.to_bytes());
    assert_eq!(printed[..2], *"00", "printed as the version that is known");
    assert_eq!(printed[3..52], text[3..52], "ids are kept as they came");
    assert_eq!(TraceParent::parse(&printed), Ok(parent), "{printed} does not read back");
}

/// An accepted `tracestate` keeps its limits, prints and reads back, and survives changes.
pub(crate) fn tracestate(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(state) = TraceState::from_headers(text.split('\n')) else { return };
    assert!(state.len() <= MAX_TRACESTATE_MEMBERS);
    assert_eq!(state.is_empty(), state.as_str().is_empty());
    assert_eq!(TraceState::parse(state.as_str()).as_ref(), Ok(&state), "{state} does not read back");
    assert!(state.iter().all(|(key, value)| state.get(key) == Some(value)));

    let cut = state.truncated(MAX_PROPAGATED_CHARS);
    assert!(cut.as_str().len() <= MAX_PROPAGATED_CHARS);
    assert!(cut.iter().all(|(key, value)| state.get(key) == Some(value)));

    let mut changed = state.clone();
    if changed.set_threshold(Some(0xc0_0000_0000_0000)).is_ok() {
        assert_eq!(changed.threshold(), Some(0xc0_0000_0000_0000));
        assert_eq!(changed.randomness(), state.randomness(), "another sub-key is kept");
    } else {
        assert_eq!(changed, state, "a failed change changes nothing");
    }
    assert_eq!(TraceState::parse(changed.as_str()), Ok(changed));
}

/// Any `baggage` keeps its limits, prints and reads back whole, and has each name once.
pub(crate) fn baggage(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (baggage, dropped) = Baggage::from_headers(text.split('\n'));
    let members = text.split(['\n', ',']).count();
    assert!(baggage.len() + dropped.invalid + dropped.excess <= members);
    assert!(baggage.len() <= MAX_BAGGAGE_MEMBERS);
    let printed = baggage.to_string();
    assert!(printed.len() <= MAX_BAGGAGE_BYTES);
    assert!(printed.bytes().all(|byte| matches!(byte, b'!'..=b'~')), "{printed} is not a header");
    let (again, dropped) = Baggage::parse(&printed);
    assert!(dropped.is_none(), "{printed} lost {dropped:?}");
    assert_eq!(again.to_string(), printed);
    assert!(again == baggage, "{printed} does not read back");
    assert!(baggage.iter().all(|member| baggage.get(member.name()) == Some(member.value())));
}
