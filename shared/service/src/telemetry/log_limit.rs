//! Limits the rate of log lines, so that a failure that happens thousands of times a second doesn't fill the log.
//! Metrics count such failures.
//!
//! This is a log writer and not a `tracing` filter, because filters can't be combined so: if a filter that decides by
//! event stands beside one that decides by call site, the state of a rejected event leaks into the next event.

use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tracing::{Level, Metadata, callsite::Identifier};
use tracing_subscriber::fmt::{MakeWriter, writer::OptionalWriter};

/// How many warnings and errors of one call site are logged in a second; also the largest burst.
const LINES_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("it isn't 0");

/// Drops warnings and errors beyond the rate of their call site. All libraries that use the `log` crate count as one
/// call site.
pub(crate) struct LogLimiter<M> {
    writer: M,
    rates: DefaultKeyedRateLimiter<Identifier>,
}

impl<M> LogLimiter<M> {
    /// Lines within the rate go to `writer`.
    pub(crate) fn new(writer: M) -> Self {
        Self { writer, rates: RateLimiter::keyed(Quota::per_second(LINES_PER_SECOND)) }
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for LogLimiter<M> {
    type Writer = OptionalWriter<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        OptionalWriter::some(self.writer.make_writer())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        if *metadata.level() > Level::WARN || self.rates.check_key(&metadata.callsite()).is_ok() {
            OptionalWriter::some(self.writer.make_writer_for(metadata))
        } else {
            OptionalWriter::none()
        }
    }
}

#[cfg(test)]
mod tests {
    use scenecast_testing::LogText;

    use super::*;

    #[test]
    fn warnings_are_limited_by_call_site_and_other_levels_are_not_limited() {
        let log = LogText::default();
        let subscriber = tracing_subscriber::fmt().with_writer(LogLimiter::new(log.clone())).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..1000 {
                tracing::warn!("Redis is away");
                tracing::info!("somebody is logged in");
            }
            tracing::warn!("something else is wrong");
        });
        let log = log.text();
        let count = |text| log.lines().filter(|line| line.contains(text)).count();
        // A slow test may see the lines of the next second, too.
        assert!((10..100).contains(&count("Redis is away")), "{}", count("Redis is away"));
        assert_eq!(count("somebody is logged in"), 1000);
        assert_eq!(count("something else is wrong"), 1);
    }
}
