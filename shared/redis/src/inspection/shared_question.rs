//! One question to a server for many that ask at the same time. No I/O.
//!
//! The answer has to be of a moment after each call began. So a call that comes while a question is under way waits for the
//! next one, with all others that do.
//!
//! ```text
//!  call 1 ──question 1──────▶ answer
//!     call 2 ────waits───────▶ question 2 ─────▶ answer
//!        call 3 ───waits─────▶ waits ──────────▶ the same
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, MutexGuard};

/// Questions to one server, one at a time.
#[derive(Debug, Default)]
pub(crate) struct SharedQuestion {
    begun: AtomicU64,
    /// The number of the last one that was answered.
    answered: Mutex<u64>,
}

/// The right to ask. Nobody else asks until it is dropped.
#[derive(Debug)]
pub(crate) struct BegunQuestion<'a> {
    answered: MutexGuard<'a, u64>,
    number: u64,
}

impl SharedQuestion {
    /// Begins a question, unless one is under way.
    pub(crate) fn try_begin(&self) -> Option<BegunQuestion<'_>> {
        self.answered.try_lock().ok().map(|answered| self.begin(answered))
    }

    /// Returns once a question was answered that began after this call. Asks it unless another call does. Of an error only
    /// the call learns that asked; the others ask again.
    pub(crate) async fn ask<E>(&self, question: impl AsyncFnOnce() -> Result<(), E>) -> Result<(), E> {
        let before = self.begun.load(Ordering::SeqCst);
        let answered = self.answered.lock().await;
        if *answered > before {
            return Ok(());
        }
        let begun = self.begin(answered);
        question().await?;
        begun.answered();
        Ok(())
    }

    fn begin<'a>(&self, answered: MutexGuard<'a, u64>) -> BegunQuestion<'a> {
        BegunQuestion { answered, number: self.begun.fetch_add(1, Ordering::SeqCst) + 1 }
    }
}

impl BegunQuestion<'_> {
    /// It was answered, for all that have waited for it.
    pub(crate) fn answered(mut self) {
        *self.answered = self.number;
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, convert::Infallible, rc::Rc};

    use futures_util::{FutureExt, future::join_all};
    use tokio::sync::Semaphore;

    use super::*;

    /// A question that is answered when somebody adds a permit.
    #[derive(Default)]
    struct Asked {
        questions: Cell<usize>,
        answers: Option<Semaphore>,
    }

    impl Asked {
        async fn ask(&self) -> Result<(), Infallible> {
            self.questions.set(self.questions.get() + 1);
            self.answers.as_ref().unwrap().acquire().await.unwrap().forget();
            Ok(())
        }
    }

    fn asked() -> Rc<Asked> {
        Rc::new(Asked { answers: Some(Semaphore::new(0)), ..Asked::default() })
    }

    #[tokio::test]
    async fn calls_share_a_question_that_begins_after_them() {
        let (shared, asked) = (SharedQuestion::default(), asked());
        let mut first = Box::pin(shared.ask(async || asked.ask().await));
        assert!(first.as_mut().now_or_never().is_none());
        let mut others = Box::pin(join_all((0..100).map(|_| shared.ask(async || asked.ask().await))));
        assert!(others.as_mut().now_or_never().is_none());
        asked.answers.as_ref().unwrap().add_permits(1);
        first.await.unwrap();
        assert!(others.as_mut().now_or_never().is_none(), "the first question began before them");
        asked.answers.as_ref().unwrap().add_permits(1);
        assert!(others.await.iter().all(Result::is_ok));
        assert_eq!(asked.questions.get(), 2);
    }

    #[tokio::test]
    async fn one_that_asks_at_once_answers_none_that_came_meanwhile() {
        let (shared, asked) = (SharedQuestion::default(), asked());
        let begun = shared.try_begin().unwrap();
        assert!(shared.try_begin().is_none(), "one is under way");
        let mut other = Box::pin(shared.ask(async || asked.ask().await));
        assert!(other.as_mut().now_or_never().is_none());
        begun.answered();
        assert!(other.as_mut().now_or_never().is_none(), "it asks itself");
        asked.answers.as_ref().unwrap().add_permits(1);
        other.await.unwrap();
        assert_eq!(asked.questions.get(), 1);
    }

    #[tokio::test]
    async fn a_question_that_failed_or_was_given_up_answers_nobody() {
        let (shared, asked) = (SharedQuestion::default(), asked());
        let mut given_up = Box::pin(shared.ask(async || asked.ask().await));
        assert!(given_up.as_mut().now_or_never().is_none());
        let mut other = Box::pin(shared.ask(async || asked.ask().await));
        assert!(other.as_mut().now_or_never().is_none());
        drop(given_up);
        asked.answers.as_ref().unwrap().add_permits(1);
        other.await.unwrap();
        assert_eq!(asked.questions.get(), 2);
        assert_eq!(shared.ask(async || Err("lost")).await, Err("lost"));
        asked.answers.as_ref().unwrap().add_permits(1);
        shared.ask(async || asked.ask().await).await.unwrap();
        assert_eq!(asked.questions.get(), 3);
    }
}
