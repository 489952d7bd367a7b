//! stub
use tta_model::{SpanContext, TraceId, w3c::TraceState};
#[derive(Clone, Debug)]
pub enum Sampler { AlwaysOn, AlwaysOff }
pub struct Decision { pub sampled: bool, pub state: TraceState }
impl Sampler {
    pub fn decide(&self, parent: Option<&SpanContext>, _t: TraceId) -> Decision {
        Decision { sampled: match parent { Some(p) => p.flags.is_sampled(), None => matches!(self, Self::AlwaysOn) }, state: parent.map(|p| p.state.clone()).unwrap_or_default() }
    }
}
