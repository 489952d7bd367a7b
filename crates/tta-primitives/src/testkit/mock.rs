//! Steps that do as a test says.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tta_model::Text;

use crate::clock;
use crate::context::WorkflowContext;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::primitive::{Description, Primitive};

/// A step whose answers are scripted and whose calls are recorded. Clones share both.
///
/// ```
/// use tta_primitives::testkit::Mock;
/// use tta_primitives::{Error, WorkflowContext};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> tta_primitives::Result<()> {
/// let charge = Mock::new("charge").fails(Error::failed("try again")).returns("charged");
/// let (flow, cx) = (charge.flow(), WorkflowContext::new());
/// assert!(flow.run(7, &cx).await.is_err());
/// assert_eq!(flow.run(7, &cx).await?, "charged");
/// charge.assert_calls(2);
/// assert_eq!(charge.inputs(), [7, 7]);
/// # Ok(()) }
/// ```
pub struct Mock<I, O> {
    name: Text,
    shared: Arc<Mutex<Script<I, O>>>,
}

struct Script<I, O> {
    answers: VecDeque<Answer<O>>,
    otherwise: Option<Otherwise<I, O>>,
    /// What the next answer that is added waits for.
    delay: Duration,
    inputs: Vec<I>,
    /// How many calls have ended.
    ended: usize,
}

type Otherwise<I, O> = Arc<dyn Fn(&I, usize) -> Result<O> + Send + Sync>;

struct Answer<O> {
    delay: Duration,
    result: Result<O>,
}

impl<I, O> Mock<I, O>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    /// Makes a step without answers: every call fails until it is given some.
    #[must_use]
    pub fn new(name: impl Into<Text>) -> Self {
        let (answers, inputs) = (VecDeque::new(), Vec::new());
        let script = Script { answers, otherwise: None, delay: Duration::ZERO, inputs, ended: 0 };
        Self { name: name.into(), shared: Arc::new(Mutex::new(script)) }
    }

    /// Answers the next call with an output.
    #[must_use]
    pub fn returns(self, output: O) -> Self {
        self.answer(Ok(output))
    }

    /// Answers the next call with an error.
    #[must_use]
    pub fn fails(self, error: Error) -> Self {
        self.answer(Err(error))
    }

    /// Lets the answer that is added next take so long.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.lock().delay = delay;
        self
    }

    /// Answers every call beyond the script with a function of the input and the number of the call, from 1.
    #[must_use]
    pub fn otherwise(self, answer: impl Fn(&I, usize) -> Result<O> + Send + Sync + 'static) -> Self {
        self.lock().otherwise = Some(Arc::new(answer));
        self
    }

    /// The flow to put in the place of a step.
    #[must_use]
    pub fn flow(&self) -> Flow<I, O> {
        Flow::new(Scripted { mock: self.clone() })
    }

    /// How often it was called.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().inputs.len()
    }

    /// How many calls are under way or were cancelled.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        let script = self.lock();
        script.inputs.len() - script.ended
    }

    /// With what it was called.
    #[must_use]
    pub fn inputs(&self) -> Vec<I> {
        self.lock().inputs.clone()
    }

    /// Asserts how often it was called.
    ///
    /// # Panics
    /// If it was called more or less often.
    #[track_caller]
    pub fn assert_calls(&self, expected: usize) {
        let calls = self.calls();
        assert!(calls == expected, "`{}` was called {calls} times, not {expected}", self.name);
    }

    fn answer(self, result: Result<O>) -> Self {
        {
            let mut script = self.lock();
            let delay = std::mem::take(&mut script.delay);
            script.answers.push_back(Answer { delay, result });
        }
        self
    }

    fn next(&self, input: I) -> Answer<O> {
        let (otherwise, number) = {
            let mut script = self.lock();
            script.inputs.push(input.clone());
            if let Some(answer) = script.answers.pop_front() {
                return answer;
            }
            (script.otherwise.clone(), script.inputs.len())
        };
        let no_answer = || Err(Error::failed(format!("mock `{}` has no answer to call {number}", self.name)));
        let result = otherwise.map_or_else(no_answer, |answer| answer(&input, number));
        Answer { delay: Duration::ZERO, result }
    }
}

impl<I, O> Mock<I, O> {
    fn lock(&self) -> MutexGuard<'_, Script<I, O>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The step of a mock.
struct Scripted<I, O> {
    mock: Mock<I, O>,
}

impl<I, O> Primitive for Scripted<I, O>
where
    I: Clone + Send + Sync + 'static,
    O: Send + 'static,
{
    type In = I;
    type Out = O;

    async fn run(&self, input: I, _cx: &WorkflowContext) -> Result<O> {
        let Answer { delay, result } = self.mock.next(input);
        if !delay.is_zero() {
            clock::sleep(delay).await;
        }
        self.mock.lock().ended += 1;
        result
    }

    fn describe(&self) -> Description {
        Description::new(self.mock.name.clone())
    }
}

impl<I, O> Clone for Mock<I, O> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<I, O> fmt::Debug for Mock<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mock({}, {} calls)", self.name, self.lock().inputs.len())
    }
}
