//! A ramp in stages: so many pages open, wait, and then more open. It shows how many pages a cluster holds, and where that
//! ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::login_plan::PlanError;

/// The longest hold between two stages, in seconds.
const LONGEST_HOLD: f64 = 86_400.0;

/// How many pages are open at the end of each stage of a ramp. The last stage has all pages of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageStages {
    totals: Vec<u32>,
    /// How long the pages of a stage wait before the next one, in seconds.
    hold_seconds: f64,
}

impl PageStages {
    /// A ramp in one go.
    pub fn none(pages: u32) -> Self {
        Self { totals: vec![pages], hold_seconds: 0.0 }
    }

    /// Stages before the last one, which has all `pages`.
    pub fn new(before: &[u32], hold_seconds: f64, pages: u32) -> Result<Self, PlanError> {
        let totals: Vec<u32> = before.iter().copied().chain([pages]).collect();
        let rises = totals.windows(2).all(|two| two[0] < two[1]);
        if totals[0] == 0 || !rises {
            let problem = format!("{before:?} has to rise from above 0 to below the {pages} pages of the plan");
            return Err(PlanError::new("page-stages", problem));
        }
        if !(0.0..=LONGEST_HOLD).contains(&hold_seconds) {
            return Err(PlanError::new("stage-hold", format!("{hold_seconds} is not a number from 0 to 86400")));
        }
        Ok(Self { totals, hold_seconds })
    }

    /// How many pages are open at the end of each stage.
    pub fn totals(&self) -> &[u32] {
        &self.totals
    }

    /// How many stages there are, at least one.
    pub fn count(&self) -> u32 {
        u32::try_from(self.totals.len()).unwrap_or(u32::MAX)
    }

    /// How long the pages of a stage wait before the next one.
    pub fn hold(&self) -> Duration {
        Duration::from_secs_f64(self.hold_seconds)
    }

    /// How long all stages wait together.
    pub fn holds(&self) -> Duration {
        self.hold() * (self.count() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_rise_to_all_pages_and_wait_between() {
        let stages = PageStages::new(&[10, 30], 2.0, 100).unwrap();
        assert_eq!((stages.totals(), stages.count(), stages.holds()), (&[10, 30, 100][..], 3, Duration::from_secs(4)));
        assert_eq!(PageStages::none(5).totals(), [5]);
        assert_eq!(PageStages::none(5).holds(), Duration::ZERO);
    }

    #[test]
    fn stages_that_do_not_rise_are_refused() {
        for (before, hold, says) in [
            (&[0][..], 1.0, "page-stages: [0] has to rise"),
            (&[5, 5], 1.0, "page-stages: "),
            (&[7, 5], 1.0, "page-stages: "),
            (&[100], 1.0, "below the 100 pages"),
            (&[5], -1.0, "stage-hold: -1"),
            (&[5], f64::NAN, "stage-hold: NaN"),
        ] {
            let refused = PageStages::new(before, hold, 100).unwrap_err().to_string();
            assert!(refused.starts_with(says) || refused.contains(says), "{refused}");
        }
    }
}
