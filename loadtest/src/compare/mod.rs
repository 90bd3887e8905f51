//! What became better or worse between two results of one plan.
//!
//! | module | what it is for |
//! |---|---|
//! | `cli` | `scenecast-loadtest compare` |
//! | `words` | a comparison in words, and its exit code |
//! | `comparison` | which metrics are compared, and what became of each |
//! | `comparable` | which results can be compared at all |
//! | `bootstrap` | how sure a change is |
//!
//! See docs/decisions/093-changes-are-judged-by-the-bootstrap-over-seconds.md.

mod bootstrap;
mod cli;
mod comparable;
mod comparison;
#[cfg(test)]
mod comparison_tests;
mod words;

pub use cli::{CompareCli, run};
pub use comparable::NotComparableError;
pub use comparison::{CompareError, RunComparison};
