//! `>>` and `|`.
//!
//! The types that meet are parameters of the operators themselves, so that a misfit is one error at the
//! step that does not fit.

use std::ops::{BitOr, Shr};

use super::{Each, Flow, Many, Single, Steps, node_of};
use crate::compose::{Parallel, Sequential};

impl<I, M, O, S, T> Shr<Flow<M, O, T>> for Flow<I, M, S>
where
    I: Send + 'static,
    M: Send + 'static,
    O: Send + 'static,
{
    type Output = Flow<I, O>;

    /// First this flow, then the next one with its output.
    fn shr(self, next: Flow<M, O, T>) -> Flow<I, O> {
        Flow::new(Sequential::chain(&self, &next))
    }
}

macro_rules! two_branches {
    ($first:ident) => {
        impl<I, A, B, T> BitOr<Flow<I, B, T>> for Flow<I, A, $first>
        where
            I: Clone + Send + Sync + 'static,
            A: Send + 'static,
            B: Send + 'static,
        {
            type Output = Flow<I, (A, B), Many>;

            /// Both flows at once, on clones of the input.
            fn bitor(self, other: Flow<I, B, T>) -> Self::Output {
                Flow::of_node(node_of(Parallel::<I, (A, B)>::of(vec![self.node, other.node])))
            }
        }
    };
}

two_branches!(Single);
two_branches!(Each);
two_branches!(Steps);

macro_rules! one_more_branch {
    ($($branch:ident)*) => {
        impl<I, $($branch,)* Z, T> BitOr<Flow<I, Z, T>> for Flow<I, ($($branch,)*), Many>
        where
            I: Clone + Send + Sync + 'static,
            $($branch: Send + 'static,)*
            Z: Send + 'static,
        {
            type Output = Flow<I, ($($branch,)* Z), Many>;

            /// One branch more.
            fn bitor(self, other: Flow<I, Z, T>) -> Self::Output {
                let branches = Parallel::<I, ($($branch,)*)>::with_branch(&self.node, other.node);
                Flow::of_node(node_of(Parallel::<I, ($($branch,)* Z)>::of(branches)))
            }
        }
    };
}

one_more_branch!(A B);
one_more_branch!(A B C);
one_more_branch!(A B C D);
one_more_branch!(A B C D E);
one_more_branch!(A B C D E F);
one_more_branch!(A B C D E F G);
one_more_branch!(A B C D E F G H);
one_more_branch!(A B C D E F G H J);
one_more_branch!(A B C D E F G H J K);
one_more_branch!(A B C D E F G H J K L);
