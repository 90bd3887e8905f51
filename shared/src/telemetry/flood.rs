//! Keeps what goes wrong thousands of times a second from filling the log: metrics count it.

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tracing::{
    Event, Level, Metadata, Subscriber, callsite::Identifier, level_filters::LevelFilter, subscriber::Interest,
};
use tracing_subscriber::layer::{Context, Filter};

/// So many warnings or errors of one kind are logged in a second, and as many at once.
const A_SECOND: u32 = 10;

/// Leaves out warnings and errors that are too many of their kind: of one place in the code, or of all libraries that
/// use the `log` crate together.
pub(super) struct Flood {
    logged: DefaultKeyedRateLimiter<Identifier>,
}

impl Default for Flood {
    fn default() -> Self {
        let a_second = A_SECOND.try_into().expect("it isn't 0");
        Self { logged: RateLimiter::keyed(Quota::per_second(a_second)) }
    }
}

impl<S: Subscriber> Filter<S> for Flood {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    // What isn't said here is taken for "it depends", and everything in the process is asked about each time then.
    fn callsite_enabled(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let kind = event.metadata();
        *kind.level() > Level::WARN || self.logged.check_key(&kind.callsite()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::{Layer, layer::SubscriberExt};

    use super::*;

    /// The levels of what is logged.
    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Logged {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn of_a_thousand_warnings_of_one_kind_ten_are_logged_and_all_that_is_no_warning() {
        let logged = Logged::default();
        let subscriber = tracing_subscriber::registry().with(logged.clone().with_filter(Flood::default()));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..1000 {
                tracing::warn!("Redis is away");
                tracing::info!("somebody is logged in");
            }
            tracing::warn!("something else is wrong");
        });
        let logged = logged.0.lock().unwrap();
        let of = |level| logged.iter().filter(|logged| **logged == level).count();
        // A test that is slow may see the next second's.
        assert!((11..100).contains(&of(Level::WARN)), "{}", of(Level::WARN));
        assert_eq!(of(Level::INFO), 1000);
    }
}
