//! `baggage` goes on to allowed hosts, whole and in order, and to nobody else.

use tta::propagation::AllowedHosts;

use super::hop::Hop;

/// The name of the header.
const NAME: &str = "baggage";

struct Cases {
    hop: Hop,
}

impl Cases {
    /// A service that may send baggage to one of the two names of this machine.
    async fn start() -> Self {
        Self { hop: Hop::start(AllowedHosts::of(["127.0.0.1"]).unwrap()).await }
    }

    async fn check_headers(&self, headers: impl AsRef<[u8]>, expect: Option<&str>) {
        let shown = String::from_utf8_lossy(headers.as_ref()).into_owned();
        let sent = self.hop.send(headers, "127.0.0.1", 1).await;
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].baggage.as_deref(), expect, "{shown}");
    }

    async fn check(&self, value: &str, expect: Option<&str>) {
        self.check_headers(format!("{NAME}: {value}"), expect).await;
    }

    async fn check_kept(&self, value: &str) {
        self.check(value, Some(value)).await;
    }
}

#[tokio::test]
async fn members_go_on_as_they_came() {
    let cases = Cases::start().await;
    cases.check_headers("", None).await;
    cases.check_kept("key1=value1").await;
    cases.check_kept("key1=value1,key2=value2,key3=value3").await;
    cases.check_kept("b=1,a=2").await;
    cases.check_kept("Key=1,key=2").await;
    cases.check_kept("key=").await;
    cases.check_kept("key=a=b==").await;
    cases.check_kept("!#$%&'*+-.^_`|~=1").await;
    cases.check_headers("BagGage: key=1", Some("key=1")).await;
}

#[tokio::test]
async fn white_space_and_empty_members_are_taken_out() {
    let cases = Cases::start().await;
    cases.check("key1 \t=\t value1 , \tkey2 = value2", Some("key1=value1,key2=value2")).await;
    cases.check("key1=1,,key2=2,", Some("key1=1,key2=2")).await;
    cases.check("", None).await;
    cases.check(" , ,", None).await;
}

#[tokio::test]
async fn several_headers_are_one() {
    let cases = Cases::start().await;
    cases.check_headers("baggage: a=1,b=2\nbaggage: c=3", Some("a=1,b=2,c=3")).await;
    cases.check_headers("baggage: a=1\nbaggage: ", Some("a=1")).await;
    // Of a name that comes twice, the last one counts.
    cases.check("a=1,b=2,a=3", Some("b=2,a=3")).await;
    cases.check_headers("baggage: a=1\nbaggage: a=2", Some("a=2")).await;
}

#[tokio::test]
async fn encoded_values_stay_encoded() {
    let cases = Cases::start().await;
    cases.check_kept("userId=Am%C3%A9lie").await;
    cases.check_kept("key=%20%22%2C%3B%5C%25").await;
    cases.check_kept("key=%F0%9F%98%BC").await;
    // What needs no encoding loses it.
    cases.check("key=%41%3d", Some("key=A=")).await;
    let all: String = ('!'..='~').filter(|char| !"\"%,;\\".contains(*char)).collect();
    cases.check_kept(&format!("key={all}")).await;
}

#[tokio::test]
async fn properties_are_kept() {
    let cases = Cases::start().await;
    cases.check_kept("key=value;property1;property2").await;
    cases.check_kept("key=value;property=1;property=2").await;
    cases.check_kept("a=1;p=%20,b=2;q").await;
    cases.check("key=value ;\tp1 ; p2 = 2 ;", Some("key=value;p1;p2=2")).await;
}

#[tokio::test]
async fn a_malformed_member_goes_and_the_others_stay() {
    let cases = Cases::start().await;
    for wrong in
        ["key", "=1", "k y=1", "k(y=1", "k\"=1", "key=a b", "key=a\\b", "key=\"1\"", "key=ä", "key=1;p p"]
    {
        cases.check(wrong, None).await;
        cases.check(&format!("a=1,{wrong},b=2"), Some("a=1,b=2")).await;
    }
    cases.check_headers(b"baggage: a=1\nbaggage: b=\xff\nbaggage: c=3", Some("a=1,c=3")).await;
}

#[tokio::test]
async fn limits_hold_and_cut_whole_members() {
    let cases = Cases::start().await;
    let members = |count: usize| (0..count).map(|n| format!("key{n}=value")).collect::<Vec<_>>().join(",");
    cases.check_kept(&members(64)).await;
    cases.check(&members(65), Some(&members(64))).await;
    let longest = format!("key={}", "v".repeat(8_188));
    assert_eq!(longest.len(), 8_192);
    cases.check_kept(&longest).await;
    cases.check(&format!("{longest}v"), None).await;
    // A short member still fits where a long one did not.
    cases.check(&format!("a=1,{longest},b=2"), Some("a=1,b=2")).await;
}

#[tokio::test]
async fn baggage_needs_no_trace() {
    let cases = Cases::start().await;
    let malformed = "traceparent: ff-12345678901234567890123456789012-1234567890123456-01";
    cases.check_headers(format!("{malformed}\nbaggage: a=1"), Some("a=1")).await;
    let valid = malformed.replace("ff-", "00-");
    cases.check_headers(format!("{valid}\ntracestate: a=1,a=2\nbaggage: a=1"), Some("a=1")).await;
}

#[tokio::test]
async fn every_call_to_an_allowed_host_gets_it() {
    let hop = Hop::start(AllowedHosts::of(["LOCALHOST."]).unwrap()).await;
    let sent = hop.send("baggage: a=1;p", "localhost", 3).await;
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|call| call.baggage.as_deref() == Some("a=1;p")), "{sent:#?}");
}

/// Whether baggage arrives, where the trace must in any case.
async fn arrives(allowed: AllowedHosts, host: &str) -> bool {
    let hop = Hop::start(allowed).await;
    let trace = "12345678901234567890123456789012";
    let headers = format!("traceparent: 00-{trace}-1234567890123456-01\ntracestate: foo=1\nbaggage: a=1");
    let sent = hop.send(headers, host, 1).await;
    assert_eq!((&*sent[0].trace, sent[0].state.as_deref()), (trace, Some("foo=1")));
    sent[0].baggage.is_some()
}

#[tokio::test]
async fn no_other_host_gets_it() {
    let of = |hosts: &[&str]| AllowedHosts::of(hosts).unwrap();
    assert!(!arrives(AllowedHosts::none(), "127.0.0.1").await, "by default");
    assert!(!arrives(AllowedHosts::none(), "localhost").await, "by default");
    assert!(!arrives(of(&["127.0.0.1"]), "localhost").await, "another name of the same machine");
    assert!(!arrives(of(&["localhost"]), "127.0.0.1").await, "another name of the same machine");
    assert!(!arrives(of(&["*.localhost", "example.com"]), "localhost").await, "the suffix itself");
    // What stands before an at sign is no host.
    assert!(!arrives(of(&["allowed.example"]), "allowed.example@127.0.0.1").await, "a user");
    assert!(arrives(of(&["example.com", "localhost"]), "localhost").await);
}

#[test]
fn what_is_left_out_is_counted() {
    let (_observer, guard) = tta::Telemetry::new().build().unwrap();
    let count = || {
        guard.metrics().snapshot().total(&tta::model::name::metric::TTA_TELEMETRY_BAGGAGE_DROPPED_TOTAL, &[])
    };
    let before = count();
    let headers = [("baggage", "tier=gold,not a member,also;")];
    let cx = tta::propagation::extract_trace_context(&headers[..]).build();
    assert_eq!(cx.baggage().get("tier"), Some("gold"));
    // Other tests of this process may leave members out too.
    assert!(count() >= before + 2.0);
}
