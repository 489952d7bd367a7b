//! Reads the body of a request: so many bytes and no more, in so much time and no more.
//!
//! A few bytes of gzip can stand for gigabytes. So the limit counts what comes out, and what comes out is counted while it
//! does: a bomb is refused when it reaches the limit, and never lies in memory as a whole.

use std::io::{self, Write};
use std::time::Duration;

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::load::Lease;
use super::{Cause, Limits, Refusal};

/// How much compressed data is unpacked at once: it becomes a few milliseconds of work at most.
const GULP: usize = 4 << 10;
/// How much room is made before anything came, whatever the sender says will come.
const FIRST_ROOM: usize = 1 << 20;
/// How long a sender that is refused may go on sending, so that it comes to read the answer.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How the bytes of a body are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
}

/// Reads a body to its end.
///
/// # Errors
///
/// When it is too large, too slow, broken, or more than can be taken at the moment.
pub(crate) async fn collect<B>(body: B, packing: Packing, limits: &Limits, lease: Lease) -> Read
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut body = body;
    let deadline = Instant::now() + limits.body_timeout;
    let read = timeout_at(deadline, read(&mut body, packing, limits, lease));
    let result = read.await.unwrap_or_else(|_| {
        let patience = limits.body_timeout.as_secs();
        Err(Refusal::new(Cause::TooSlow, format!("the body was not complete after {patience} seconds")))
    });
    if let Err(refusal) = &result
        && !matches!(refusal.cause, Cause::TooSlow | Cause::Interrupted)
    {
        let _ = timeout(LAST_WORDS, drain(&mut body, limits.max_bytes)).await;
    }
    result
}

type Read = Result<(Bytes, Lease), Refusal>;

async fn read<B>(body: &mut B, packing: Packing, limits: &Limits, lease: Lease) -> Read
where
    B: Body<Data = Bytes> + Unpin,
{
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if packing == Packing::Plain && told > limits.max_bytes {
        return Err(Refusal::too_large(limits.max_bytes));
    }
    let mut unpacker = Unpacker::new(packing, Sink::new(told, limits.max_bytes, lease));
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Err(Refusal::new(Cause::Interrupted, "the body ended before it was complete"));
        };
        let Ok(mut data) = frame.into_data() else { continue };
        while data.has_remaining() {
            let gulp = if packing == Packing::Plain { data.len() } else { data.len().min(GULP) };
            unpacker.write(&data.split_to(gulp))?;
            if data.has_remaining() {
                tokio::task::yield_now().await;
            }
        }
    }
    let sink = unpacker.finish()?;
    Ok((sink.out.into(), sink.lease))
}

/// Throws away what a refused sender still sends: one that is cut off while it sends never reads why.
async fn drain<B>(body: &mut B, most: usize)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut seen = 0;
    while seen < most
        && let Some(Ok(frame)) = body.frame().await
    {
        seen += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Unpacks one message that is there as a whole, as gRPC packs them.
///
/// # Errors
///
/// When it is broken, or larger than the limit once unpacked.
pub(crate) async fn unpack(packed: &[u8], limits: &Limits, lease: Lease) -> Read {
    let mut unpacker =
        Unpacker::new(Packing::Gzip, Sink::new(packed.len().saturating_mul(2), limits.max_bytes, lease));
    for gulp in packed.chunks(GULP) {
        unpacker.write(gulp)?;
        tokio::task::yield_now().await;
    }
    let sink = unpacker.finish()?;
    Ok((sink.out.into(), sink.lease))
}

/// Where the bytes go, as long as there is room.
struct Sink {
    out: Vec<u8>,
    most: usize,
    lease: Lease,
    refusal: Option<Refusal>,
}

impl Sink {
    fn new(told: usize, most: usize, lease: Lease) -> Self {
        Self { out: Vec::with_capacity(told.min(FIRST_ROOM).min(most)), most, lease, refusal: None }
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Refusal> {
        if self.out.len() + data.len() > self.most {
            return Err(Refusal::too_large(self.most));
        }
        self.lease.grow(data.len())?;
        self.out.extend_from_slice(data);
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.take(data).map_err(|refusal| {
            self.refusal = Some(refusal);
            io::Error::other("refused")
        })?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Unpacker {
    Plain(Sink),
    Gzip(Box<MultiGzDecoder<Sink>>),
}

impl Unpacker {
    fn new(packing: Packing, sink: Sink) -> Self {
        match packing {
            Packing::Plain => Self::Plain(sink),
            Packing::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(sink))),
        }
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Plain(sink) => sink.take(data),
            Self::Gzip(decoder) => {
                decoder.write_all(data).map_err(|error| explain(decoder.get_mut().refusal.take(), &error))
            }
        }
    }

    fn finish(self) -> Result<Sink, Refusal> {
        match self {
            Self::Plain(sink) => Ok(sink),
            Self::Gzip(mut decoder) => {
                let ended = decoder.try_finish();
                let refusal = decoder.get_mut().refusal.take();
                ended.map_err(|error| explain(refusal, &error))?;
                decoder.finish().map_err(|error| explain(None, &error))
            }
        }
    }
}

fn explain(refusal: Option<Refusal>, error: &io::Error) -> Refusal {
    refusal.unwrap_or_else(|| Refusal::new(Cause::Malformed, format!("the body is not valid gzip: {error}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::receive::load::Load;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).and_then(|()| encoder.finish()).expect("memory takes everything")
    }

    async fn check(packed: &[u8], expect: Result<usize, Cause>) {
        let load = Arc::new(Load::new(5_000, 1));
        let limits = Limits { max_bytes: 1_000, ..Limits::default() };
        let lease = load.enter().expect("there is room");
        let body = http_body_util::Full::new(Bytes::copy_from_slice(packed));
        let read = collect(body, Packing::Gzip, &limits, lease).await;
        let found = read.as_ref().map(|(bytes, _)| bytes.len()).map_err(|refusal| refusal.cause);
        assert_eq!(found, expect);
        drop(read);
        let unpacked = unpack(packed, &limits, load.enter().expect("there is room")).await;
        assert_eq!(unpacked.map(|(bytes, _)| bytes.len()).map_err(|refusal| refusal.cause), expect);
    }

    #[tokio::test]
    async fn the_limit_counts_what_comes_out() {
        check(&gzip(&[7; 1_000]), Ok(1_000)).await;
        check(&gzip(&[7; 1_001]), Err(Cause::TooLarge)).await;
        check(&gzip(&vec![0; 10 << 20]), Err(Cause::TooLarge)).await;
        let two = [gzip(b"one"), gzip(b"two")].concat();
        check(&two, Ok(6)).await;
    }

    #[tokio::test]
    async fn broken_gzip_is_malformed() {
        let whole = gzip(b"a body that is long enough to be cut");
        check(&whole[..whole.len() - 3], Err(Cause::Malformed)).await;
        check(&whole[..whole.len() / 2], Err(Cause::Malformed)).await;
        check(b"no gzip at all", Err(Cause::Malformed)).await;
    }
}
