//! What the outputs of branches are put into.

use super::branch::Branch;
use crate::error::{Error, ErrorKind, Result};

/// The outputs of branches, in order.
pub struct Outputs<'a, 'b> {
    branches: std::slice::IterMut<'a, Branch<'b>>,
}

impl<'a, 'b> Outputs<'a, 'b> {
    pub(super) fn of(branches: &'a mut [Branch<'b>]) -> Self {
        Self { branches: branches.iter_mut() }
    }

    fn next<O: 'static>(&mut self) -> Option<O> {
        self.branches.next()?.take_output()
    }

    fn next_settled<O: 'static>(&mut self) -> Option<Result<O>> {
        let branch = self.branches.next()?;
        if let Some(output) = branch.take_output() {
            return Some(Ok(output));
        }
        let error = std::mem::replace(branch, Branch::Ended).into_error();
        Some(Err(error.unwrap_or_else(|| Error::new(ErrorKind::Cancelled, "the branch was cancelled"))))
    }
}

/// A type into which the outputs of branches are put: a tuple of two to twelve, or a vector.
#[diagnostic::on_unimplemented(message = "the outputs of parallel branches cannot be put into `{Self}`")]
pub trait Gather: Send + 'static {
    /// The same with the result of each branch in the place of its output.
    type Settled: Send + 'static;

    #[doc(hidden)]
    fn gather(outputs: &mut Outputs<'_, '_>) -> Self;

    #[doc(hidden)]
    fn settle(outputs: &mut Outputs<'_, '_>) -> Self::Settled;
}

impl<O: Send + 'static> Gather for Vec<O> {
    type Settled = Vec<Result<O>>;

    fn gather(outputs: &mut Outputs<'_, '_>) -> Self {
        std::iter::from_fn(|| outputs.next()).collect()
    }

    fn settle(outputs: &mut Outputs<'_, '_>) -> Self::Settled {
        std::iter::from_fn(|| outputs.next_settled()).collect()
    }
}

macro_rules! gather_tuple {
    ($($output:ident)*) => {
        impl<$($output: Send + 'static),*> Gather for ($($output,)*) {
            type Settled = ($(Result<$output>,)*);

            fn gather(outputs: &mut Outputs<'_, '_>) -> Self {
                ($(outputs.next::<$output>().expect("every branch has ended with an output"),)*)
            }

            fn settle(outputs: &mut Outputs<'_, '_>) -> Self::Settled {
                ($(outputs.next_settled::<$output>().expect("there are as many branches as outputs"),)*)
            }
        }
    };
}

gather_tuple!(A B);
gather_tuple!(A B C);
gather_tuple!(A B C D);
gather_tuple!(A B C D E);
gather_tuple!(A B C D E F);
gather_tuple!(A B C D E F G);
gather_tuple!(A B C D E F G H);
gather_tuple!(A B C D E F G H J);
gather_tuple!(A B C D E F G H J K);
gather_tuple!(A B C D E F G H J K L);
gather_tuple!(A B C D E F G H J K L M);
