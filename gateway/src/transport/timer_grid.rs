//! Deadlines that needn't be exact, such as those of pings, fall on a grid that all pages share. So the process wakes once
//! for many pages, and not once for each: that was most of what an idle page cost.
//!
//! See docs/decisions/103-what-may-be-lost-is-noticed-rather-than-searched.md.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// The distance of the grid's lines. All pings of a full pod that fall on one line take less than a millisecond.
const GRID: Duration = Duration::from_millis(100);

static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The first line of the grid at this time or after it.
pub(crate) fn on_grid(deadline: Instant) -> Instant {
    on_grid_from(*ORIGIN, deadline)
}

fn on_grid_from(origin: Instant, deadline: Instant) -> Instant {
    let beyond = deadline.saturating_duration_since(origin).as_nanos() % GRID.as_nanos();
    if beyond == 0 {
        return deadline;
    }
    let beyond = Duration::from_nanos(u64::try_from(beyond).expect("it is less than a second"));
    deadline + GRID.saturating_sub(beyond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_comes_a_little_later_together_with_others() {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_millis(ms);
        for (deadline, line) in [(0, 0), (1, 100), (99, 100), (100, 100), (101, 200), (25_042, 25_100)] {
            assert_eq!(on_grid_from(origin, at(deadline)), at(line), "{deadline} ms");
        }
        assert_eq!(on_grid_from(at(50), origin), origin, "before the grid begins");
    }
}
