//! What a call of a model costs beside the work of the client that speaks to the provider.
//!
//! A server on this machine answers every request with the same short answer. In each round the client alone (asked for
//! what a primitive needs of it: usage, tool calls, the body), and the
//! flow around the same client with all signals on, ask it in turn; a figure is the median over the rounds of the CPU
//! time of the thread that asks, for one call. The difference is ours. Written to `target/bench/llm.json`.
#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../support/bars.rs"]
mod bars;

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use bars::Bar;
use futures::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatOptions, ChatStreamEvent};
use genai::resolver::{AuthData, Endpoint};
use genai::{Client, ModelIden, ServiceTarget};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tta::export::{FlushError, SpanExporter};
use tta::llm::{ChatRequest, Llm, Local, Models, Provider};
use tta::model::SpanRecord;
use tta::{Telemetry, WorkflowContext};

/// How often each case is measured.
const ROUNDS: usize = 41;
/// How many calls one measurement makes.
const CALLS: u32 = 200;
/// How many microseconds a call may cost beside the client's own work.
const BAR_MICROS: f64 = 5.0;
/// How many chunks a streamed answer has.
const CHUNKS: usize = 32;

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let world = World::new(serve());
    let _guard = Telemetry::new().exporter(Discard).install().unwrap();
    let mut cases: Vec<(&str, Vec<f64>)> = NAMES.iter().map(|name| (*name, Vec::new())).collect();
    for round in 0..=ROUNDS {
        for (name, samples) in &mut cases {
            let micros = measured(&runtime, &world, name);
            // The first round warms up.
            if round > 0 {
                samples.push(micros);
            }
        }
    }
    report(cases);
}

const NAMES: [&str; 6] = [
    "offline answer alone",
    "flow, offline",
    "client alone",
    "flow",
    "client alone, streamed",
    "flow, streamed",
];

/// The CPU time of this thread for one call, in microseconds.
fn measured(runtime: &Runtime, world: &World, name: &str) -> f64 {
    runtime.block_on(async {
        let before = cpu_nanos();
        for _ in 0..CALLS {
            match name {
                "offline answer alone" => {
                    black_box(tta::llm::local::answer(&ChatRequest::user("Why?"), &Local::default()));
                }
                "flow, offline" => {
                    world.offline.run(ChatRequest::user("Why?"), &WorkflowContext::new()).await.unwrap();
                }
                "client alone" => world.client_asks().await,
                "flow" => world.flow_asks().await,
                "client alone, streamed" => world.client_streams().await,
                _ => world.flow_streams().await,
            }
        }
        (cpu_nanos() - before) as f64 / f64::from(CALLS) / 1e3
    })
}

fn report(cases: Vec<(&str, Vec<f64>)>) {
    let medians: Vec<(&str, f64)> =
        cases.into_iter().map(|(name, samples)| (name, bars::median(samples))).collect();
    let of = |wanted: &str| medians.iter().find(|(name, _)| *name == wanted).unwrap().1;
    medians.iter().for_each(|(name, micros)| println!("{name:<28} {micros:>9.2} us a call"));
    let ours = of("flow") - of("client alone");
    let streamed = of("flow, streamed") - of("client alone, streamed");
    let offline = of("flow, offline") - of("offline answer alone");
    let bar = |what: String, micros: f64| {
        Bar::new(
            format!("{what} costs at most {BAR_MICROS} us beside the client's work"),
            format!("{micros:.2} us"),
            micros <= BAR_MICROS,
        )
    };
    let reached = [
        bar("a call of the offline model".to_owned(), offline),
        bar("a call".to_owned(), ours),
        bar(format!("a chunk of a stream of {CHUNKS}"), streamed / CHUNKS as f64),
    ];
    bars::print(&reached);
    let cases: serde_json::Map<_, _> =
        medians.iter().map(|(name, micros)| ((*name).to_owned(), json!(micros))).collect();
    bars::write_json("llm", &json!({ "micros_a_call": cases, "bars": reached }));
}

/// Takes spans and forgets them.
struct Discard;

impl SpanExporter for Discard {
    fn export(&mut self, spans: &[SpanRecord]) {
        black_box(spans);
    }

    fn flush(&mut self, _timeout: Duration) -> Result<(), FlushError> {
        Ok(())
    }
}

fn cpu_nanos() -> i64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The client and the flow, which ask the same server.
struct World {
    client: Client,
    target: ServiceTarget,
    llm: Llm,
    chat: tta::Flow<ChatRequest, tta::llm::ChatResponse>,
    stream: tta::Flow<ChatRequest, tta::llm::ChatStream>,
    offline: tta::Flow<ChatRequest, tta::llm::ChatResponse>,
}

impl World {
    fn new(server: SocketAddr) -> Self {
        let url = format!("http://{server}/v1/");
        let provider = Provider::openai_compatible("openai", url.clone());
        let llm = Models::builder().provider(provider).build().model("openai/gpt-4o-mini").unwrap();
        let web = reqwest::Client::builder().tcp_nodelay(true).build().unwrap();
        let client = Client::builder().with_reqwest(web).build().unwrap();
        let target = ServiceTarget {
            endpoint: Endpoint::from_owned(url),
            auth: AuthData::from_single("none"),
            model: ModelIden::new(AdapterKind::OpenAI, "gpt-4o-mini"),
        };
        let offline = Models::offline().model("local/textrank").unwrap().chat();
        Self { client, target, chat: llm.chat(), stream: llm.stream(), llm, offline }
    }

    async fn client_asks(&self) {
        let request = genai::chat::ChatRequest::from_user("Why?");
        // With the copy of the body, out of which tokens are read that the client does not tell.
        let options = ChatOptions::default().with_capture_usage(true).with_capture_raw_body(true);
        self.client.exec_chat(self.target.clone(), request, Some(&options)).await.unwrap();
    }

    async fn flow_asks(&self) {
        let response = self.chat.run(ChatRequest::user("Why?"), &WorkflowContext::new()).await.unwrap();
        assert_eq!((response.usage.total_tokens(), response.model == *self.llm.name()), (12, true));
    }

    async fn client_streams(&self) {
        let request = genai::chat::ChatRequest::from_user("Why?");
        let options = ChatOptions::default().with_capture_usage(true).with_capture_tool_calls(true);
        let response =
            self.client.exec_chat_stream(self.target.clone(), request, Some(&options)).await.unwrap();
        let mut stream = response.stream;
        let mut said = String::new();
        while let Some(event) = stream.next().await {
            if let ChatStreamEvent::Chunk(chunk) = event.unwrap() {
                said.push_str(&chunk.content);
            }
        }
        assert!(!said.is_empty());
    }

    async fn flow_streams(&self) {
        let stream = self.stream.run(ChatRequest::user("Why?"), &WorkflowContext::new()).await.unwrap();
        assert_eq!(stream.response().await.unwrap().usage.output_tokens, 5);
    }
}

/// A server on a thread of its own.
fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let app = Router::new().route("/v1/chat/completions", post(answer));
            axum::serve(listener, app).await.unwrap();
        });
    });
    receiver.recv().unwrap()
}

async fn answer(body: String) -> impl axum::response::IntoResponse {
    if body.contains("\"stream\":true") {
        return ([(CONTENT_TYPE, "text/event-stream")], streamed());
    }
    let answer = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Because." }, "finish_reason": "stop" }],
        "usage": USAGE.with(Clone::clone),
    });
    ([(CONTENT_TYPE, "application/json")], answer.to_string())
}

thread_local! {
    static USAGE: serde_json::Value = json!({ "prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12 });
}

fn streamed() -> String {
    let frame = |delta: serde_json::Value, finish: Option<&str>| {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        format!("data: {}\n\n", json!({ "id": "chatcmpl-1", "model": "gpt-4o-mini", "choices": [choice] }))
    };
    let mut frames: String = (0..CHUNKS).map(|_| frame(json!({ "content": "so " }), None)).collect();
    frames.push_str(&frame(json!({}), Some("stop")));
    let usage = json!({ "id": "chatcmpl-1", "model": "gpt-4o-mini", "choices": [], "usage": USAGE.with(Clone::clone) });
    frames + &format!("data: {usage}\n\ndata: [DONE]\n\n")
}
