//! A request with spans.

use bytes::Bytes;

use super::{Group, Malformed, Rejected, Rejection, SpanRef, envelope, span};

/// The spans of an OTLP `ExportTraceServiceRequest`, scanned and checked, in the bytes that came.
///
/// # Examples
///
/// ```
/// use tta_server::Traces;
/// let traces = Traces::scan(Vec::new().into())?;
/// assert_eq!(traces.len(), 0);
/// assert!(Traces::scan(vec![0xff; 7].into()).is_err());
/// # Ok::<(), tta_server::Malformed>(())
/// ```
#[derive(Debug)]
pub struct Traces {
    pub(crate) body: Bytes,
    pub(crate) groups: Vec<Group>,
    pub(crate) spans: Vec<SpanRef>,
    /// The hashes of the attributes of all spans, one span after the other.
    pub(crate) attributes: Vec<u64>,
    rejected: Rejected,
}

impl Traces {
    /// Scans a request in protobuf.
    ///
    /// A span is rejected, and the others stay, when an id has the wrong length or is zero, start or end is missing, a
    /// text is not UTF-8, or a decoder would not read it. A span that ends before it starts, as after a clock was set back,
    /// is kept and took no time.
    ///
    /// # Errors
    ///
    /// When the frame around the spans is no protobuf.
    ///
    /// # Cost
    ///
    /// About a microsecond a span with 20 attributes, and no allocation a span.
    pub fn scan(body: Bytes) -> Result<Self, Malformed> {
        let mut groups = Vec::new();
        let (mut spans, mut attributes) = (Vec::new(), Vec::new());
        let mut rejected = Rejected::default();
        envelope::walk(&body, |group, records| {
            let mut place = None;
            while let Some(raw) = records()? {
                let before = attributes.len();
                match group.and_then(|_| span::scan(&body, raw, &mut attributes)) {
                    Ok(found) => {
                        let attributes_end = attributes.len() as u32;
                        spans.push(SpanRef {
                            group: place_of(group, &mut place, &mut groups),
                            attributes_end,
                            ..found
                        });
                    }
                    Err(why) => {
                        attributes.truncate(before);
                        rejected.add(why);
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { body, groups, spans, attributes, rejected })
    }

    /// How many spans are to be stored.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is nothing to store.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// What is left out.
    #[must_use]
    pub fn rejected(&self) -> &Rejected {
        &self.rejected
    }
}

/// The place of a group, which is taken only when it has a record: a request may have millions of empty ones.
pub(super) fn place_of(
    group: Result<&Group, Rejection>,
    place: &mut Option<u32>,
    groups: &mut Vec<Group>,
) -> u32 {
    *place.get_or_insert_with(|| {
        groups.extend(group.copied());
        groups.len() as u32 - 1
    })
}

/// Checks that an id of a log record or link is whole where it is given.
pub(super) fn optional_id<const N: usize>(bytes: &[u8], otherwise: Rejection) -> Result<[u8; N], Rejection> {
    match bytes {
        [] => Ok([0; N]),
        _ => bytes.try_into().map_err(|_| otherwise),
    }
}
