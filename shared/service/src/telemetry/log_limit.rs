//! Keeps what goes wrong thousands of times a second from filling the log: metrics count it.
//!
//! A writer and not a filter: a filter of tracing's that looks at each event, beside one that looks at its kind, leaves
//! a rejected event's state behind for the next one.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tracing::{Level, Metadata, callsite::Identifier};
use tracing_subscriber::fmt::{MakeWriter, writer::OptionalWriter};

/// So many warnings or errors of one kind are logged in a second, and as many at once.
const A_SECOND: u32 = 10;

/// Leaves out warnings and errors that are too many of their kind: of one place in the code, or of all libraries that
/// use the `log` crate together.
pub(crate) struct LogLimiter<M> {
    to: M,
    logged: DefaultKeyedRateLimiter<Identifier>,
}

impl<M> LogLimiter<M> {
    /// What is left goes there.
    pub(crate) fn to(to: M) -> Self {
        let a_second = A_SECOND.try_into().expect("it isn't 0");
        Self { to, logged: RateLimiter::keyed(Quota::per_second(a_second)) }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for LogLimiter<M> {
    type Writer = OptionalWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OptionalWriter::some(self.to.make_writer())
    }

    fn make_writer_for(&'a self, kind: &Metadata<'_>) -> Self::Writer {
        if *kind.level() > Level::WARN || self.logged.check_key(&kind.callsite()).is_ok() {
            OptionalWriter::some(self.to.make_writer_for(kind))
        } else {
            OptionalWriter::none()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    /// What is logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn of_a_thousand_warnings_of_one_kind_ten_are_logged_and_all_that_is_no_warning() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(LogLimiter::to(move || writer.clone())).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..1000 {
                tracing::warn!("Redis is away");
                tracing::info!("somebody is logged in");
            }
            tracing::warn!("something else is wrong");
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let times = |words| log.lines().filter(|line| line.contains(words)).count();
        // A test that is slow may see the next second's.
        assert!((10..100).contains(&times("Redis is away")), "{}", times("Redis is away"));
        assert_eq!((times("somebody is logged in"), times("something else is wrong")), (1000, 1));
    }
}
