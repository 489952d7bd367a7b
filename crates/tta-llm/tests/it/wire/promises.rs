//! What holds for every provider alike.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use serde_json::Value as Json;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tta_llm::{CallFailure, ChatRequest, ChatStream, Chunk, FailureClass, Llm, Usage};
use tta_primitives::testkit::Tape;
use tta_primitives::{Error, ErrorKind, Retry, WorkflowContext};

use super::check::{End, Ended};
use super::dialect::{Dialect, USAGE};
use super::server::{Reply, Server, Step};

/// Makes a test of each promise for a provider.
macro_rules! promises {
    ($dialect:expr) => {
        promises!(@ $dialect;
            an_answer, a_streamed_answer, a_slash_at_the_end, a_header_of_ones_own,
            rate_limits_say_for_how_long, a_retry_waits_as_long_as_it_is_asked, refusals_have_classes,
            an_error_within_a_stream, an_error_at_the_beginning_of_a_stream, a_stream_that_is_cut,
            a_stream_without_an_end, an_answer_that_is_cut, what_is_not_json, a_frame_that_is_not_json,
            json_of_another_form, a_page_for_people, a_redirect, a_first_token_that_is_held_back,
            a_stream_that_is_dropped, a_stream_that_is_dropped_before_it_begins, a_call_that_is_dropped,
            time_limits, a_long_answer,
            a_long_stream, nobody_there
        );
    };
    (@ $dialect:expr; $($promise:ident),*) => {
        $(#[tokio::test]
        async fn $promise() {
            crate::wire::promises::$promise(&$dialect).await;
        })*
    };
}

pub(crate) fn ask() -> ChatRequest {
    ChatRequest::user("What is a saga?")
}

/// A run of its own.
pub(crate) struct Run {
    pub(crate) tape: Tape,
    pub(crate) cx: WorkflowContext,
}

impl Run {
    pub(crate) fn new() -> Self {
        let tape = Tape::new();
        let cx = tape.context();
        Self { tape, cx }
    }

    #[track_caller]
    pub(crate) fn ended(&self, ended: &Ended<'_>) {
        ended.check(&self.tape, &self.cx);
    }
}

/// Asserts that an error is of a class, of this provider, and says so to recovery.
#[track_caller]
pub(crate) fn is_failure(error: &Error, dialect: &Dialect, class: FailureClass) {
    let failure = CallFailure::of(error).unwrap_or_else(|| panic!("{error}"));
    assert_eq!(failure.class, class, "{error}");
    assert_eq!((&*failure.provider, &*failure.model), (dialect.name, dialect.model));
    assert_eq!(error.is_retryable(), class.is_retryable(), "{error}");
}

/// The error of a call.
pub(crate) async fn refused(run: &Run, llm: &Llm) -> Error {
    llm.chat().run(ask(), &run.cx).await.unwrap_err()
}

/// What came of a stream, and how it ended.
pub(crate) async fn drained(stream: &mut ChatStream) -> (String, Result<tta_llm::ChatResponse, Error>) {
    let mut said = String::new();
    loop {
        match stream.next().await.expect("a stream has an end") {
            Ok(Chunk::Text(text)) => said.push_str(&text),
            Ok(Chunk::Thought(_)) => {}
            Ok(Chunk::Finished(response)) => {
                assert!(stream.next().await.is_none());
                return (said, Ok(*response));
            }
            Err(error) => {
                assert!(stream.next().await.is_none());
                return (said, Err(error));
            }
        }
    }
}

fn nothing(dialect: &Dialect, class: FailureClass) -> Ended<'_> {
    Ended {
        provider: dialect.name,
        end: End::Failed(class),
        usage: Usage::default(),
        finish: None,
        chunks: None,
    }
}

/// A stream that failed after one piece.
fn broken_after<'a>(dialect: &'a Dialect, class: FailureClass, text: &str) -> Ended<'a> {
    let usage = dialect.partial(&ask(), text);
    Ended { usage, chunks: Some(1), ..nothing(dialect, class) }
}

pub(crate) async fn an_answer(dialect: &Dialect) {
    let server = Server::start([Reply::json(200, &(dialect.answer)("  A saga undoes.\n"))]).await;
    let run = Run::new();
    let response = dialect.at(&server).chat().run(ask(), &run.cx).await.unwrap();
    assert_eq!(response.text, "  A saga undoes.\n");
    assert_eq!((&*response.provider, response.usage), (dialect.name, USAGE));
    // 100 tokens at 3, 20 at 0.30 and 30 at 15 micro-dollars.
    assert_eq!(response.cost.unwrap().0, 300 + 6 + 450);
    assert_eq!(response.finish_reason.as_str(), "stop");
    let request = server.only();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", dialect.path));
    assert_eq!(request.header("content-type"), Some("application/json"));
    run.ended(&Ended {
        provider: dialect.name,
        end: End::Answered,
        usage: USAGE,
        finish: Some("stop"),
        chunks: None,
    });
}

pub(crate) async fn a_streamed_answer(dialect: &Dialect) {
    let server = Server::start([dialect.streamed(&["A saga", " undoes", " größer 🎉"])]).await;
    let run = Run::new();
    let mut stream = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    let (said, response) = drained(&mut stream).await;
    let response = response.unwrap();
    assert_eq!(
        (said.as_str(), response.text.as_str()),
        ("A saga undoes größer 🎉", "A saga undoes größer 🎉")
    );
    assert_eq!((response.usage, response.cost.unwrap().0), (USAGE, 756));
    assert_eq!(response.finish_reason.as_str(), "stop");
    let request = server.only();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", dialect.stream_path));
    run.ended(&Ended {
        provider: dialect.name,
        end: End::Answered,
        usage: USAGE,
        finish: Some("stop"),
        chunks: Some(3),
    });
}

pub(crate) async fn a_slash_at_the_end(dialect: &Dialect) {
    let server = Server::start([Reply::json(200, &(dialect.answer)("Yes."))]).await;
    let llm = dialect.llm((dialect.provider)(&format!("{}/", server.url)));
    llm.chat().run(ask(), &WorkflowContext::new()).await.unwrap();
    assert_eq!(server.only().target, dialect.path);
}

pub(crate) async fn a_header_of_ones_own(dialect: &Dialect) {
    let replies = [Reply::json(200, &(dialect.answer)("Yes.")), dialect.streamed(&["Yes."])];
    let server = Server::start(replies).await;
    let llm = dialect.llm((dialect.provider)(&server.url).header("X-Team", "blue"));
    llm.chat().run(ask(), &WorkflowContext::new()).await.unwrap();
    llm.stream().run(ask(), &WorkflowContext::new()).await.unwrap().response().await.unwrap();
    let headers: Vec<_> =
        server.received().iter().map(|sent| sent.header("x-team").map(str::to_owned)).collect();
    assert_eq!(headers, [Some("blue".to_owned()), Some("blue".to_owned())]);
}

pub(crate) async fn rate_limits_say_for_how_long(dialect: &Dialect) {
    let (status, body) = (dialect.rate_limited)();
    assert_eq!(status, 429);
    let limited = |name: &str, value: String| Reply::json(status, &body).header(name, value);
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1_000));
    let server = Server::start([
        limited("Retry-After", "20".into()),
        limited("retry-after-ms", "1500".into()).header("retry-after", "2"),
        limited("retry-after", date),
    ])
    .await;
    let llm = dialect.at(&server);
    for expect in [20.0, 1.5, 1_000.0] {
        let run = Run::new();
        let error = refused(&run, &llm).await;
        is_failure(&error, dialect, FailureClass::RateLimit);
        assert_eq!(
            (error.kind(), CallFailure::of(&error).unwrap().status),
            (ErrorKind::RateLimited, Some(429))
        );
        let wait = error.retry_after().unwrap().as_secs_f64();
        // A date has whole seconds, and some time has passed.
        assert!(wait <= expect && (wait == expect || wait > 500.0), "{wait} should be {expect}");
        run.ended(&nothing(dialect, FailureClass::RateLimit));
    }
}

pub(crate) async fn a_retry_waits_as_long_as_it_is_asked(dialect: &Dialect) {
    let wait = Duration::from_millis(50);
    let limited = || {
        let (status, body) = (dialect.rate_limited)();
        Reply::json(status, &body).header("retry-after-ms", "50")
    };
    let replies =
        [limited(), Reply::json(200, &(dialect.answer)("Yes.")), limited(), dialect.streamed(&["Yes."])];
    let server = Server::start(replies).await;
    let (llm, retry) = (dialect.at(&server), Retry::constant(2, Duration::from_millis(1)));
    let run = Run::new();
    let began = Instant::now();
    let response = llm.chat().retry(retry.clone()).run(ask(), &run.cx).await.unwrap();
    assert!(began.elapsed() >= wait);
    assert_eq!((response.usage, run.cx.spent()), (USAGE, response.cost.unwrap()));
    let began = Instant::now();
    let stream = llm.stream().retry(retry).run(ask(), &run.cx).await.unwrap();
    assert!(began.elapsed() >= wait);
    let streamed = stream.response().await.unwrap();
    assert_eq!(run.cx.spent().0, response.cost.unwrap().0 + streamed.cost.unwrap().0);
    assert_eq!(server.received().len(), 4);
}

pub(crate) async fn refusals_have_classes(dialect: &Dialect) {
    use FailureClass as Class;
    let refusals = [
        ((dialect.broken)(), Class::Server),
        ((dialect.overloaded)(), Class::Overload),
        ((dialect.unauthorized)(), Class::Auth),
        ((dialect.too_long)(), Class::ContextLength),
    ];
    for ((status, body), class) in refusals {
        let server = Server::start([Reply::json(status, &body)]).await;
        let llm = dialect.at(&server);
        let run = Run::new();
        let error = refused(&run, &llm).await;
        is_failure(&error, dialect, class);
        assert_eq!(CallFailure::of(&error).unwrap().status, Some(status));
        run.ended(&nothing(dialect, class));
        let run = Run::new();
        let error = llm.stream().run(ask(), &run.cx).await.unwrap_err();
        is_failure(&error, dialect, class);
        assert_eq!(CallFailure::of(&error).unwrap().status, Some(status));
        run.ended(&Ended { chunks: Some(0), ..nothing(dialect, class) });
    }
}

pub(crate) async fn an_error_within_a_stream(dialect: &Dialect) {
    let (frame, class) = (dialect.failing)();
    let frames: Vec<String> = dialect.half("A saga").into_iter().chain([frame]).collect();
    let server = Server::start([Reply::frames(dialect.mime, &frames)]).await;
    let run = Run::new();
    let mut stream = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    let (said, end) = drained(&mut stream).await;
    assert_eq!(said, "A saga");
    is_failure(&end.unwrap_err(), dialect, class);
    run.ended(&broken_after(dialect, class, "A saga"));
}

pub(crate) async fn an_error_at_the_beginning_of_a_stream(dialect: &Dialect) {
    let (frame, class) = (dialect.failing)();
    let server = Server::start([Reply::frames(dialect.mime, &[frame])]).await;
    let run = Run::new();
    let error = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap_err();
    is_failure(&error, dialect, class);
    run.ended(&Ended { chunks: Some(0), ..nothing(dialect, class) });
}

/// A stream of one piece that then does something else.
async fn breaks(dialect: &Dialect, then: Vec<Step>, class: FailureClass) {
    let mut steps: Vec<Step> = dialect.half("A saga").into_iter().map(Step::send).collect();
    steps.extend(then);
    let server = Server::start([Reply::steps(dialect.mime, steps)]).await;
    let run = Run::new();
    let mut stream = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    let (said, end) = drained(&mut stream).await;
    assert_eq!(said, "A saga");
    is_failure(&end.unwrap_err(), dialect, class);
    run.ended(&broken_after(dialect, class, "A saga"));
}

pub(crate) async fn a_stream_that_is_cut(dialect: &Dialect) {
    breaks(dialect, vec![Step::Cut], FailureClass::Network).await;
}

pub(crate) async fn a_stream_without_an_end(dialect: &Dialect) {
    breaks(dialect, Vec::new(), FailureClass::Network).await;
}

pub(crate) async fn a_frame_that_is_not_json(dialect: &Dialect) {
    let good = (dialect.piece)("more");
    let bad = good.replacen('{', "{{", 1);
    breaks(dialect, vec![Step::send(bad)], FailureClass::Malformed).await;
}

/// An answer that cannot be used, of which nothing is known.
async fn fails(dialect: &Dialect, reply: Reply, class: FailureClass) -> Error {
    let server = Server::start([reply]).await;
    let run = Run::new();
    let error = refused(&run, &dialect.at(&server)).await;
    is_failure(&error, dialect, class);
    run.ended(&nothing(dialect, class));
    error
}

/// A stream that does not begin.
async fn does_not_begin(dialect: &Dialect, reply: Reply, class: FailureClass) -> Error {
    let server = Server::start([reply]).await;
    let run = Run::new();
    let error = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap_err();
    is_failure(&error, dialect, class);
    run.ended(&Ended { chunks: Some(0), ..nothing(dialect, class) });
    error
}

pub(crate) async fn an_answer_that_is_cut(dialect: &Dialect) {
    let body = (dialect.answer)("A saga undoes.").to_string();
    fails(dialect, Reply::short("application/json", &body[..body.len() / 2]), FailureClass::Network).await;
}

pub(crate) async fn what_is_not_json(dialect: &Dialect) {
    fails(dialect, Reply::text(200, "application/json", "{\"choices\": ["), FailureClass::Malformed).await;
}

pub(crate) async fn json_of_another_form(dialect: &Dialect) {
    let other: Json = serde_json::json!({"status": "fine"});
    fails(dialect, Reply::json(200, &other), FailureClass::Malformed).await;
}

pub(crate) async fn a_page_for_people(dialect: &Dialect) {
    let page = "<!doctype html>\n<html>\n\n<body>Welcome!</body>\n\n</html>\n";
    let html = || Reply::text(200, "text/html; charset=utf-8", page);
    let error = fails(dialect, html(), FailureClass::Malformed).await;
    assert!(error.to_string().contains("base URL"), "{error}");
    does_not_begin(dialect, html(), FailureClass::Malformed).await;
}

pub(crate) async fn a_redirect(dialect: &Dialect) {
    let elsewhere = Server::start([Reply::json(200, &(dialect.answer)("Stolen."))]).await;
    for status in [302, 307, 308] {
        let location = format!("{}{}", elsewhere.url, dialect.path);
        let redirect = || Reply::text(status, "text/plain", "").header("location", location.clone());
        let error = fails(dialect, redirect(), FailureClass::Malformed).await;
        assert!(error.to_string().contains("elsewhere"), "{error}");
        does_not_begin(dialect, redirect(), FailureClass::Malformed).await;
    }
    assert_eq!(elsewhere.received().len(), 0);
}

pub(crate) async fn a_first_token_that_is_held_back(dialect: &Dialect) {
    let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut steps: Vec<Step> = (dialect.begin)().into_iter().map(Step::send).collect();
    steps.extend([Step::Hold(Arc::clone(&first)), Step::send((dialect.piece)("A"))]);
    steps.extend([Step::Hold(Arc::clone(&second)), Step::send((dialect.piece)(" saga"))]);
    steps.extend((dialect.end)().into_iter().map(Step::send));
    let server = Server::start([Reply::steps(dialect.mime, steps)]).await;
    let run = Run::new();
    let flow = dialect.at(&server).stream();
    let mut asked = Box::pin(flow.run(ask(), &run.cx));
    // The headers are here at once, and the stream is not handed on.
    let early = tokio::time::timeout(Duration::from_millis(50), &mut asked).await;
    assert!(early.is_err());
    first.notify_one();
    let mut stream = asked.await.unwrap();
    // The second token is not here yet: nothing but the first one is waited for.
    assert_eq!(stream.next().await.unwrap().unwrap(), Chunk::Text("A".into()));
    second.notify_one();
    let (said, response) = drained(&mut stream).await;
    assert_eq!((said.as_str(), response.unwrap().text.as_str()), (" saga", "A saga"));
    run.ended(&Ended {
        provider: dialect.name,
        end: End::Answered,
        usage: USAGE,
        finish: Some("stop"),
        chunks: Some(2),
    });
}

pub(crate) async fn a_stream_that_is_dropped(dialect: &Dialect) {
    let gone = Arc::new(Notify::new());
    let mut steps: Vec<Step> = dialect.half("A").into_iter().map(Step::send).collect();
    steps.extend([Step::send((dialect.piece)(" saga")), Step::Gone(Arc::clone(&gone))]);
    let server = Server::start([Reply::steps(dialect.mime, steps)]).await;
    let run = Run::new();
    let mut stream = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap();
    for expect in ["A", " saga"] {
        assert_eq!(stream.next().await.unwrap().unwrap(), Chunk::Text(expect.into()));
    }
    drop(stream);
    // The provider is told, so that it stops as well.
    gone.notified().await;
    let usage = dialect.partial(&ask(), "A saga");
    run.ended(&Ended { provider: dialect.name, end: End::Cancelled, usage, finish: None, chunks: Some(2) });
}

pub(crate) async fn a_stream_that_is_dropped_before_it_begins(dialect: &Dialect) {
    let gone = Arc::new(Notify::new());
    let server = Server::start([Reply::steps(dialect.mime, vec![Step::Gone(Arc::clone(&gone))])]).await;
    let run = Run::new();
    let flow = dialect.at(&server).stream();
    tokio::select! {
        result = flow.run(ask(), &run.cx) => panic!("{result:?}"),
        () = server.arrived() => {}
    }
    gone.notified().await;
    let usage = Usage::default();
    run.ended(&Ended { provider: dialect.name, end: End::Cancelled, usage, finish: None, chunks: Some(0) });
}

pub(crate) async fn a_call_that_is_dropped(dialect: &Dialect) {
    let gone = Arc::new(Notify::new());
    let server = Server::start([Reply::steps("application/json", vec![Step::Gone(Arc::clone(&gone))])]).await;
    let run = Run::new();
    let flow = dialect.at(&server).chat();
    tokio::select! {
        result = flow.run(ask(), &run.cx) => panic!("{result:?}"),
        () = server.arrived() => {}
    }
    gone.notified().await;
    let usage = Usage::default();
    run.ended(&Ended { provider: dialect.name, end: End::Cancelled, usage, finish: None, chunks: None });
}

pub(crate) async fn time_limits(dialect: &Dialect) {
    let limit = Duration::from_millis(50);
    let server = Server::start([Reply::never()]).await;
    let llm = dialect.llm((dialect.provider)(&server.url).timeout(limit));
    // Headers alone are no answer.
    let silent = Reply::steps("application/json", vec![Step::Gone(Arc::new(Notify::new()))]);
    let begun = Server::start([silent]).await;
    for llm in [&llm, &dialect.llm((dialect.provider)(&begun.url).timeout(limit))] {
        let run = Run::new();
        let error = refused(&run, llm).await;
        is_failure(&error, dialect, FailureClass::Timeout);
        run.ended(&nothing(dialect, FailureClass::Timeout));
    }
    let run = Run::new();
    let error = llm.stream().run(ask(), &run.cx).await.unwrap_err();
    is_failure(&error, dialect, FailureClass::Timeout);
    run.ended(&Ended { chunks: Some(0), ..nothing(dialect, FailureClass::Timeout) });

    let mut steps: Vec<Step> = dialect.half("A saga").into_iter().map(Step::send).collect();
    steps.push(Step::Gone(Arc::new(Notify::new())));
    let server = Server::start([Reply::steps(dialect.mime, steps)]).await;
    // Long enough for a busy machine to send the first piece.
    let llm = dialect.llm((dialect.provider)(&server.url).idle_timeout(Duration::from_millis(300)));
    let run = Run::new();
    let mut stream = llm.stream().run(ask(), &run.cx).await.unwrap();
    let (_, end) = drained(&mut stream).await;
    is_failure(&end.unwrap_err(), dialect, FailureClass::Timeout);
    run.ended(&broken_after(dialect, FailureClass::Timeout, "A saga"));
}

/// Ten megabytes.
const LONG: usize = 10 * 1_024 * 1_024;

pub(crate) async fn a_long_answer(dialect: &Dialect) {
    let text = "saga ".repeat(LONG / 5);
    let server = Server::start([Reply::json(200, &(dialect.answer)(&text))]).await;
    let run = Run::new();
    let response = dialect.at(&server).chat().run(ask(), &run.cx).await.unwrap();
    assert!(response.text == text);
    assert_eq!(response.usage, USAGE);
}

pub(crate) async fn a_long_stream(dialect: &Dialect) {
    let piece = "saga ".repeat(4 * 1_024);
    let pieces = vec![piece.as_str(); LONG / piece.len()];
    let server = Server::start([dialect.streamed(&pieces)]).await;
    let run = Run::new();
    let response = dialect.at(&server).stream().run(ask(), &run.cx).await.unwrap().response().await.unwrap();
    assert!(response.text == pieces.concat());
    let chunks = Some(pieces.len() as i64);
    run.ended(&Ended {
        provider: dialect.name,
        end: End::Answered,
        usage: USAGE,
        finish: Some("stop"),
        chunks,
    });
}

pub(crate) async fn nobody_there(dialect: &Dialect) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let llm = dialect.llm((dialect.provider)(&url));
    let run = Run::new();
    let error = refused(&run, &llm).await;
    is_failure(&error, dialect, FailureClass::Network);
    run.ended(&nothing(dialect, FailureClass::Network));
    let run = Run::new();
    let error = llm.stream().run(ask(), &run.cx).await.unwrap_err();
    is_failure(&error, dialect, FailureClass::Network);
    run.ended(&Ended { chunks: Some(0), ..nothing(dialect, FailureClass::Network) });
}
