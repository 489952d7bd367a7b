//! `traceparent` and `tracestate`, level 2, by the kinds of cases of the W3C's own test suite and in its order.

use tta::propagation::AllowedHosts;

use super::hop::{Hop, Sent};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";
const VALID: &str = "traceparent: 00-12345678901234567890123456789012-1234567890123456-01";

/// What becomes of the sender's trace.
#[derive(Clone, Copy)]
enum Expect<'a> {
    /// It ends here: another trace begins, without the sender's state.
    Restarted,
    /// It goes on, with this state.
    Continued(Option<&'a str>),
}
use Expect::{Continued, Restarted};

struct Cases {
    hop: Hop,
}

impl Cases {
    async fn start() -> Self {
        Self { hop: Hop::start(AllowedHosts::none()).await }
    }

    /// Sends lines of headers and checks what arrives; returns it for further checks.
    async fn check(&self, headers: impl AsRef<[u8]>, expect: Expect<'_>) -> Sent {
        let shown = String::from_utf8_lossy(headers.as_ref()).into_owned();
        let mut sent = self.hop.send(headers, "127.0.0.1", 1).await;
        assert_eq!(sent.len(), 1);
        let sent = sent.remove(0);
        assert_ne!(sent.parent, PARENT, "the parent is the service's own span: {shown}");
        match expect {
            Restarted => {
                assert_ne!(sent.trace, TRACE, "{shown}");
                assert_eq!(sent.state, None, "{shown}");
            }
            Continued(state) => {
                assert_eq!(sent.trace, TRACE, "{shown}");
                assert_eq!(sent.state.as_deref(), state, "{shown}");
            }
        }
        sent
    }

    /// Checks the value of `traceparent`, beside a valid `tracestate`.
    async fn check_parent(&self, value: &str, expect: Expect<'_>) -> Sent {
        self.check(format!("traceparent: {value}\ntracestate: foo=1"), expect).await
    }

    /// Checks lines of `tracestate`, beside a valid `traceparent`.
    async fn check_state(&self, values: &[&str], state: Option<&str>) {
        let lines: Vec<_> = values.iter().map(|value| format!("tracestate: {value}")).collect();
        self.check(format!("{VALID}\n{}", lines.join("\n")), Continued(state)).await;
    }
}

#[tokio::test]
async fn presence_and_names_of_the_headers() {
    let cases = Cases::start().await;
    cases.check("", Restarted).await;
    cases.check(VALID, Continued(None)).await;
    cases.check(format!("{VALID}\n{VALID}"), Restarted).await;
    let other = "traceparent: 00-12345678901234567890123456789011-1234567890123456-01";
    cases.check(format!("{VALID}\n{other}"), Restarted).await;
    cases.check(format!("{other}\n{VALID}\ntracestate: foo=1"), Restarted).await;
    for name in ["trace-parent", "trace.parent", "xtraceparent"] {
        cases.check(VALID.replacen("traceparent", name, 1), Restarted).await;
    }
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        cases.check(VALID.replacen("traceparent", name, 1), Continued(None)).await;
    }
    cases.check([VALID.as_bytes(), b"\ntraceparent: \xff"].concat(), Restarted).await;
}

#[tokio::test]
async fn versions() {
    let cases = Cases::start().await;
    let rest = "12345678901234567890123456789012-1234567890123456-01";
    // Version 00 has nothing after its flags.
    for more in [".", "-", "-what-the-future-will-be-like"] {
        cases.check_parent(&format!("00-{rest}{more}"), Restarted).await;
    }
    // A later one may, behind a dash. Version 00 is sent on.
    cases.check_parent(&format!("cc-{rest}"), Continued(Some("foo=1"))).await;
    cases.check_parent(&format!("cc-{rest}-"), Continued(Some("foo=1"))).await;
    cases.check_parent(&format!("cc-{rest}-what-the-future-will-be-like"), Continued(Some("foo=1"))).await;
    cases.check_parent(&format!("cc-{rest}.what-the-future-will-be-like"), Restarted).await;
    cases.check_parent(&format!("ff-{rest}"), Restarted).await;
    for version in [".0", "0.", "FE", "0x"] {
        cases.check_parent(&format!("{version}-{rest}"), Restarted).await;
    }
    for version in ["000", "0000", "0", ""] {
        cases.check_parent(&format!("{version}-{rest}"), Restarted).await;
    }
}

#[tokio::test]
async fn ids_and_flags_that_are_malformed() {
    let cases = Cases::start().await;
    let zero = "0".repeat(32);
    let digits = format!("{TRACE}3");
    for trace in [&zero[..], &digits, &TRACE[1..], &TRACE[2..], ""] {
        cases.check_parent(&format!("00-{trace}-{PARENT}-01"), Restarted).await;
    }
    for position in [0, 31] {
        for wrong in [".", "A", "g", " "] {
            let mut trace = TRACE.to_owned();
            trace.replace_range(position..=position, wrong);
            cases.check_parent(&format!("00-{trace}-{PARENT}-01"), Restarted).await;
        }
    }
    let digits = format!("{PARENT}7");
    for parent in
        [&zero[..16], &digits, &PARENT[1..], ".234567890123456", "123456789012345.", "12345678901234AB"]
    {
        cases.check_parent(&format!("00-{TRACE}-{parent}-01"), Restarted).await;
    }
    for flags in [".0", "0.", "0A", "001", "1", ""] {
        cases.check_parent(&format!("00-{TRACE}-{PARENT}-{flags}"), Restarted).await;
    }
    for separated in [
        format!("00_{TRACE}-{PARENT}-01"),
        format!("00-{TRACE}.{PARENT}-01"),
        format!("00-{TRACE}-{PARENT} 01"),
    ] {
        cases.check_parent(&separated, Restarted).await;
    }
}

#[tokio::test]
async fn flags_are_kept_as_far_as_level_2_knows_them() {
    let cases = Cases::start().await;
    for (received, sent) in
        [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fd", "01"), ("04", "00")]
    {
        let value = format!("00-{TRACE}-{PARENT}-{received}");
        assert_eq!(cases.check_parent(&value, Continued(Some("foo=1"))).await.flags, sent, "{received}");
    }
    // The service makes random ids, and says so.
    assert_eq!(cases.check("", Restarted).await.flags, "03");
}

#[tokio::test]
async fn white_space_around_a_parent_is_not_a_part_of_it() {
    let cases = Cases::start().await;
    let value = &VALID["traceparent: ".len()..];
    for spaced in [format!(" {value}"), format!("\t{value}"), format!("{value} \t"), format!("\t {value} \t")]
    {
        cases.check_parent(&spaced, Continued(Some("foo=1"))).await;
    }
    cases.check_parent(&format!("{value}, {value}"), Restarted).await;
}

#[tokio::test]
async fn a_state_goes_with_its_parent_only() {
    let cases = Cases::start().await;
    cases.check("tracestate: foo=1", Restarted).await;
    cases.check("tracestate: foo=1,bar=2", Restarted).await;
    cases.check_state(&["foo=1,bar=2"], Some("foo=1,bar=2")).await;
    cases.check_state(&["bar=2,foo=1"], Some("bar=2,foo=1")).await;
    // Other headers are no state, whatever they are called.
    cases.check(format!("{VALID}\ntrace-state: foo=1\ntrace.state: foo=1"), Continued(None)).await;
    for name in ["TraceState", "TrAcEsTaTe", "TRACESTATE"] {
        cases.check(format!("{VALID}\n{name}: foo=1"), Continued(Some("foo=1"))).await;
    }
}

#[tokio::test]
async fn states_in_several_headers_and_with_empty_members() {
    let cases = Cases::start().await;
    cases.check_state(&[""], None).await;
    cases.check_state(&["foo=1", ""], Some("foo=1")).await;
    cases.check_state(&["", "foo=1"], Some("foo=1")).await;
    cases.check_state(&["foo=1,,bar=2,"], Some("foo=1,bar=2")).await;
    cases
        .check_state(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], Some("foo=1,bar=2,rojo=1,congo=2,baz=3"))
        .await;
    cases.check_state(&["foo=1 \t , \t bar=2, \t baz=3"], Some("foo=1,bar=2,baz=3")).await;
    cases.check_state(&["foo=1\t ", " \tbar=2"], Some("foo=1,bar=2")).await;
    cases.check_state(&["foo=1", "bar=\u{e4}"], None).await;
    let not_text = [VALID.as_bytes(), b"\ntracestate: foo=1\ntracestate: bar=\xff"].concat();
    cases.check(not_text, Continued(None)).await;
}

#[tokio::test]
async fn a_key_that_appears_twice_is_not_sent_twice() {
    let cases = Cases::start().await;
    for states in ["foo=1,foo=1", "foo=1,foo=2", "foo=1\ntracestate: foo=1", "foo=1,bar=2\ntracestate: foo=2"]
    {
        let sent = cases.hop.send(format!("{VALID}\ntracestate: {states}"), "127.0.0.1", 1).await;
        assert_eq!(sent[0].trace, TRACE, "the parent stays valid: {states}");
        let state = sent[0].state.as_deref().unwrap_or_default();
        assert!(state.matches("foo=").count() <= 1, "{states}: {state}");
    }
}

#[tokio::test]
async fn all_characters_of_keys() {
    let cases = Cases::start().await;
    for key in ["abcdefghijklmnopqrstuvwxyz0123456789_-*/@", "0a@v", "a@@b", "a@b@c", "t-0*/_@v"] {
        let state = format!("{key}=1");
        cases.check_state(&[&state], Some(&state)).await;
    }
    for first in "_-*/@".chars() {
        cases.check_state(&[&format!("{first}foo=1")], None).await;
    }
    let is_allowed =
        |char: &char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_-*/@".contains(*char);
    for wrong in (' '..='~').filter(|char| !is_allowed(char)).chain(['\t', '\u{e4}']) {
        cases.check_state(&[&format!("fo{wrong}o=1")], None).await;
        // White space in front of a member is none of its key, and a comma ends an empty member.
        if !" \t,".contains(wrong) {
            cases.check_state(&[&format!("{wrong}foo=1")], None).await;
        }
    }
    for nothing in ["foo", "foo,bar=1", "=1", "bar=1,=1"] {
        cases.check_state(&[nothing], None).await;
    }
}

#[tokio::test]
async fn all_characters_of_values() {
    let cases = Cases::start().await;
    let all: String = (' '..='~').filter(|char| !",=".contains(*char)).collect();
    let state = format!("foo={all}");
    cases.check_state(&[&state], Some(&state)).await;
    for wrong in [',', '=', '\t', '\u{e4}'] {
        cases.check_state(&[&format!("foo=a{wrong}b")], None).await;
    }
    for value in ["", "bar=baz"] {
        cases.check_state(&[&format!("foo={value},bar=3")], None).await;
    }
}

#[tokio::test]
async fn limits_of_a_state() {
    let cases = Cases::start().await;
    let members = |count: usize| (0..count).map(|n| format!("b{n:02}=1")).collect::<Vec<_>>();
    let full = members(32).join(",");
    cases.check_state(&[&full], Some(&full)).await;
    cases.check_state(&[&members(33).join(",")], None).await;
    cases.check_state(&[&full, "foo=1"], None).await;
    for key in ["z".repeat(256), format!("{}@{}", "t".repeat(241), "v".repeat(14))] {
        let state = format!("foo=1,{key}=1");
        cases.check_state(&[&state], Some(&state)).await;
        cases.check_state(&[&format!("foo=1,{key}z=1")], None).await;
    }
    let value = "v".repeat(256);
    cases.check_state(&[&format!("foo={value}")], Some(&format!("foo={value}"))).await;
    cases.check_state(&[&format!("foo={value}v")], None).await;
    // At least 512 characters are sent on; of more, long members go first.
    let state = format!("a={},b={},c={}", "1".repeat(253), "2".repeat(124), "3".repeat(126));
    assert_eq!(state.len(), 511);
    cases.check_state(&[&state], Some(&state)).await;
    let short = state.split_once(',').unwrap().1;
    cases.check_state(&[&format!("{state},d=4")], Some(&format!("{short},d=4"))).await;
}

/// Sends one request that makes the service call three times, and returns the trace of the calls.
async fn trace_of_three(cases: &Cases, headers: &str) -> String {
    let sent = cases.hop.send(headers, "127.0.0.1", 3).await;
    let traces: std::collections::HashSet<_> = sent.iter().map(|call| call.trace.clone()).collect();
    let parents: std::collections::HashSet<_> = sent.iter().map(|call| call.parent.clone()).collect();
    assert_eq!((sent.len(), traces.len(), parents.len()), (3, 1, 3), "{sent:#?}");
    assert!(!parents.contains(PARENT));
    let spans = cases.hop.spans();
    for parent in &parents {
        assert!(spans.iter().any(|span| span.span_id.to_string() == *parent), "{parent} was recorded");
    }
    traces.into_iter().next().unwrap()
}

#[tokio::test]
async fn several_calls_are_of_one_trace_and_have_parents_of_their_own() {
    let cases = Cases::start().await;
    assert_eq!(trace_of_three(&cases, VALID).await, TRACE);
    assert_ne!(trace_of_three(&cases, "").await, trace_of_three(&cases, "").await);
    let illegal = VALID.replace("00-", "ff-");
    assert_ne!(trace_of_three(&cases, &illegal).await, TRACE);
}
