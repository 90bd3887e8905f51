//! How far a clock is from another one. A start at one instant, and seconds that lie over each other, need that; nothing
//! is timed across machines.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// Above this a run is refused, unless it is forced: its seconds would not be the same seconds.
pub const MAX_CLOCK_OFFSET: Duration = Duration::from_millis(50);

/// How far the clock of the coordinator's Redis is ahead of a worker's, in microseconds; negative if it is behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    pub ahead_us: i64,
    /// The true offset is at most this much more or less: half of the round trip.
    pub uncertainty_us: u64,
}

impl ClockOffset {
    /// What is known after an answer: `theirs` is the other clock's time, asked for at `ours` and answered this much later.
    pub fn of(ours: Duration, theirs: Duration, round_trip: Duration) -> Self {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        Self {
            ahead_us: micros(theirs).saturating_sub(micros(ours.saturating_add(round_trip / 2))),
            uncertainty_us: u64::try_from((round_trip / 2).as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Whether the clocks may be further apart than a run allows.
    pub fn is_too_far(self) -> bool {
        let most = self.ahead_us.unsigned_abs().saturating_add(self.uncertainty_us);
        Duration::from_micros(most) > MAX_CLOCK_OFFSET
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [most, by] = [self.uncertainty_us, self.ahead_us.unsigned_abs()].map(Duration::from_micros);
        let direction = if self.ahead_us < 0 { "behind" } else { "ahead" };
        write!(f, "{:.1} ms {direction} ± {:.1} ms", by.as_secs_f64() * 1e3, most.as_secs_f64() * 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_offset_is_taken_at_the_middle_of_the_round_trip() {
        let offset = ClockOffset::of(ms(1000), ms(1030), ms(20));
        assert_eq!((offset.ahead_us, offset.uncertainty_us), (20_000, 10_000));
        assert_eq!(offset.to_string(), "20.0 ms ahead ± 10.0 ms");
        assert_eq!(ClockOffset::of(ms(1000), ms(990), ms(4)).to_string(), "12.0 ms behind ± 2.0 ms");
    }

    #[test]
    fn what_may_be_beyond_50_ms_is_too_far() {
        for (theirs, round_trip, too_far) in
            [(1000, 0, false), (1050, 0, false), (1051, 0, true), (949, 0, true), (1030, 60, false), (1000, 102, true)]
        {
            let offset = ClockOffset::of(ms(1000), ms(theirs), ms(round_trip));
            assert_eq!(offset.is_too_far(), too_far, "{offset}");
        }
        assert!(ClockOffset::of(ms(1), Duration::MAX, Duration::MAX).is_too_far());
    }
}
