//! Spans as lines, and spans in memory.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tta_model::{EventRecord, SpanId, SpanRecord, SpanStatus, TraceFlags, TraceId, Value};
use tta_observability::export::SpanExporter as _;
use tta_observability::export::console::ConsoleExporter;
use tta_observability::export::memory::MemoryExporter;

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn span() -> SpanRecord {
    SpanRecord {
        trace_id: TraceId::new(1).expect("not zero"),
        span_id: SpanId::new(2).expect("not zero"),
        parent_span_id: SpanId::new(3),
        parent_is_remote: false,
        flags: TraceFlags::SAMPLED,
        state: Default::default(),
        name: "work".into(),
        kind: Default::default(),
        start_unix_nanos: 1_000_000,
        end_unix_nanos: 13_500_123,
        attributes: vec![("n".into(), Value::from(1i64)), ("said".into(), Value::from("two\nlines"))],
        events: vec![EventRecord {
            name: "tried".into(),
            time_unix_nanos: 2_000_000,
            attributes: Vec::new(),
        }],
        links: Vec::new(),
        status: SpanStatus::Error("it broke".into()),
        dropped_attributes: 0,
        dropped_events: 0,
    }
}

#[test]
fn a_span_is_one_line() {
    let shared = Shared::default();
    let mut console = ConsoleExporter::new(shared.clone());
    console.export(&[span()]);
    assert_eq!(console.flush(Duration::ZERO), Ok(()));
    let written = String::from_utf8(shared.0.lock().expect("not poisoned").clone()).expect("text");
    assert_eq!(
        written,
        "   12.5ms  error  work  \"it broke\"  n=1  said=\"two\\nlines\"  [tried]  \
         trace=00000000000000000000000000000001 span=0000000000000002 parent=0000000000000003\n",
    );
}

#[test]
fn lines_that_cannot_be_written_are_told_once() {
    let mut console = ConsoleExporter::new(Full);
    console.export(&[span(), span()]);
    let error = console.flush(Duration::ZERO).expect_err("there is no room");
    assert_eq!(error.unsent, 2);
    assert_eq!(console.flush(Duration::ZERO), Ok(()));
}

#[test]
fn memory_is_bounded_and_counts_what_it_leaves_out() {
    let memory = MemoryExporter::with_capacity(3);
    let mut given_away = memory.clone();
    given_away.export(&[span(), span()]);
    given_away.export(&[span(), span()]);
    assert_eq!((memory.spans().len(), memory.left_out()), (3, 1));
    assert_eq!(memory.take(), [span(), span(), span()]);
    given_away.export(&[span()]);
    assert_eq!((memory.spans().len(), memory.left_out()), (1, 1));
}
