//! The test kit, tested.

use std::time::Duration;

use tta_primitives::testkit::{Chaos, Mock, Tape, Violation};
use tta_primitives::{Error, ErrorKind, WorkflowContext, step};

#[tokio::test(start_paused = true)]
async fn a_mock_follows_its_script() {
    let mock = Mock::new("call")
        .returns(1)
        .after(Duration::from_secs(3))
        .fails(Error::invalid("second"))
        .otherwise(|input: &&str, call| Ok(input.len() * call));
    let (flow, cx) = (mock.flow(), WorkflowContext::new());
    assert_eq!(flow.run("a", &cx).await.unwrap(), 1);
    let start = tokio::time::Instant::now();
    assert_eq!(flow.run("b", &cx).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    assert_eq!(flow.run("four", &cx).await.unwrap(), 12);
    assert_eq!(mock.inputs(), ["a", "b", "four"]);
    assert_eq!((mock.calls(), mock.unanswered()), (3, 0));
}

#[tokio::test]
async fn a_mock_without_an_answer_says_so() {
    let error = Mock::<i64, i64>::new("call").flow().run(1, &WorkflowContext::new()).await.unwrap_err();
    assert_eq!(error.message(), "mock `call` has no answer to call 1");
}

#[test]
#[should_panic(expected = "`call` was called 0 times, not 1")]
fn a_mock_asserts_its_calls() {
    Mock::<i64, i64>::new("call").assert_calls(1);
}

async fn outcomes(seed: u64) -> String {
    let chaos =
        Chaos::new(seed).fail(0.3).panic(0.1).delay(0.5, Duration::from_secs(1)..Duration::from_secs(2));
    let flow = step("call", |n: u32| async move { Ok(n) }).chaos(chaos);
    let mut outcomes = String::new();
    for n in 0..60 {
        let start = tokio::time::Instant::now();
        let result = flow.run(n, &WorkflowContext::new()).await;
        let delay = start.elapsed();
        assert!(
            delay.is_zero() || (Duration::from_secs(1)..=Duration::from_secs(2)).contains(&delay),
            "{delay:?}"
        );
        outcomes.push(match result.map_err(|error| error.kind()) {
            Ok(_) if delay.is_zero() => '.',
            Ok(_) => 'd',
            Err(ErrorKind::Panic) => 'p',
            Err(kind) => {
                assert_eq!(kind, ErrorKind::Unavailable);
                'f'
            }
        });
    }
    outcomes
}

#[tokio::test(start_paused = true)]
async fn chaos_can_be_repeated() {
    let first = outcomes(1).await;
    assert_eq!(first, outcomes(1).await);
    assert_ne!(first, outcomes(2).await);
    assert!(['.', 'd', 'p', 'f'].iter().all(|outcome| first.contains(*outcome)), "{first}");
}

#[tokio::test]
async fn a_tape_says_what_does_not_fit() {
    let tape = Tape::new();
    let cx = tape.context();
    let forever = step("forever", |n: i64| async move {
        std::future::pending::<()>().await;
        Ok(n)
    });
    let mut run = Box::pin(forever.run(1, &cx));
    assert!(futures::poll!(&mut run).is_pending());
    let open = [
        Violation::Open("workflow.forever.execute".into()),
        Violation::Open("primitive.forever.execute".into()),
    ];
    assert_eq!(tape.check(), open);
    drop(run);
    assert_eq!(tape.check(), []);
}

#[test]
#[should_panic(expected = "and should be")]
fn a_tape_asserts_its_tree() {
    Tape::new().assert_tree("workflow.x.execute");
}
