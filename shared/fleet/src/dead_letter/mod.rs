//! Dead letters: the copy that carries its failure.

mod copy;

pub use copy::{DeadLetterCopy, copy};
