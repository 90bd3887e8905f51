//! How many threads do a process's work.
//!
//! A login that changes threads waits for each to wake up, and all of its pod's logins pay for the locks between them. So a
//! pod has one thread, unless its configuration says otherwise.
//!
//! See docs/decisions/098-a-pod-has-one-thread.md.

use std::{num::NonZeroUsize, thread::available_parallelism};

use serde::Deserialize;
use tokio::runtime::{Builder, Runtime};

/// The most threads of a process: more cores than most machines have.
const MOST: usize = 256;

/// How many threads do a process's work: 1 to 256. One by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "usize")]
pub struct Threads(NonZeroUsize);

impl Threads {
    /// One for each core that the process may use.
    pub fn all_cores() -> Self {
        Self(available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }

    /// A runtime with these threads. `first` is one with a single thread, for those whom that is enough.
    pub(crate) fn runtime(self, first: Runtime) -> Runtime {
        if self.0 == NonZeroUsize::MIN {
            return first;
        }
        let built = Builder::new_multi_thread().worker_threads(self.0.get()).enable_all().build();
        built.expect("the system gives threads to a process that starts")
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self(NonZeroUsize::MIN)
    }
}

impl TryFrom<usize> for Threads {
    type Error = &'static str;

    fn try_from(threads: usize) -> Result<Self, Self::Error> {
        let threads = NonZeroUsize::new(threads).filter(|threads| threads.get() <= MOST);
        threads.map(Self).ok_or("must be 1 to 256")
    }
}

/// A runtime with a single thread: the one that runs it.
pub(crate) fn single_thread() -> Runtime {
    let built = Builder::new_current_thread().enable_all().build();
    built.expect("the system gives descriptors to a process that starts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_1_to_256_threads() {
        for (threads, is_possible) in [(0, false), (1, true), (256, true), (257, false), (usize::MAX, false)] {
            assert_eq!(Threads::try_from(threads).is_ok(), is_possible, "{threads}");
        }
    }

    #[test]
    fn a_runtime_has_as_many_threads_as_it_was_given() {
        for threads in [1, 3] {
            let runtime = Threads::try_from(threads).unwrap().runtime(single_thread());
            assert_eq!(runtime.metrics().num_workers(), threads);
        }
    }
}
