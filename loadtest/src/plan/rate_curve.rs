//! How many logins a second, over time: stages in each of which the rate changes evenly.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A stretch of time in which the rate goes evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateStage {
    /// Logins a second at its start.
    pub from: f64,
    /// Logins a second at its end.
    pub to: f64,
    /// How long it takes, in seconds.
    pub seconds: f64,
}

/// Stages, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RateCurve(pub Vec<RateStage>);

impl RateStage {
    /// How many logins it has, which need not be a whole number.
    fn logins(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.seconds
    }

    /// When this many logins of the stage have begun, in seconds from its start.
    fn when(&self, logins: f64) -> f64 {
        let slope = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * slope * logins).max(0.0).sqrt();
        // In this form nothing cancels out where the slope is small or none.
        let sum = self.from + root;
        if sum > 0.0 { (2.0 * logins / sum).min(self.seconds) } else { self.seconds }
    }
}

impl RateCurve {
    /// The same rate for this many seconds.
    pub fn constant(rate: f64, seconds: f64) -> Self {
        Self(vec![RateStage { from: rate, to: rate, seconds }])
    }

    /// How long all stages take.
    pub fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.0.iter().map(|stage| stage.seconds).sum())
    }

    /// How many logins all stages have, which need not be a whole number.
    pub fn logins(&self) -> f64 {
        self.0.iter().map(RateStage::logins).sum()
    }

    /// The highest rate, in logins a second.
    pub fn peak(&self) -> f64 {
        self.0.iter().flat_map(|stage| [stage.from, stage.to]).fold(0.0, f64::max)
    }

    /// When this many logins have begun, from the start of the first stage; `None` if there are fewer.
    pub fn when(&self, logins: f64) -> Option<Duration> {
        let mut left = logins;
        let mut start = 0.0;
        for stage in &self.0 {
            let here = stage.logins();
            if left < here {
                return Some(Duration::from_secs_f64(start + stage.when(left)));
            }
            left -= here;
            start += stage.seconds;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In milliseconds.
    fn at(curve: &RateCurve, logins: f64) -> u128 {
        curve.when(logins).unwrap().as_millis()
    }

    #[test]
    fn a_constant_rate_is_even() {
        let curve = RateCurve::constant(4.0, 2.0);
        assert_eq!([0.0, 1.0, 6.0].map(|logins| at(&curve, logins)), [0, 250, 1500]);
        assert_eq!(curve.when(8.0), None);
        assert!((curve.logins() - 8.0).abs() < 1e-9 && (curve.peak() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_that_rises_has_half_of_its_logins_after_seven_tenths_of_its_time() {
        let curve = RateCurve(vec![RateStage { from: 0.0, to: 10.0, seconds: 10.0 }]);
        assert_eq!(at(&curve, 25.0), 7071);
        let falling = RateCurve(vec![RateStage { from: 10.0, to: 0.0, seconds: 10.0 }]);
        assert_eq!(at(&falling, 25.0), 2928);
    }

    #[test]
    fn stages_follow_each_other_and_a_stage_without_logins_is_a_pause() {
        let stage = |from, to, seconds| RateStage { from, to, seconds };
        let curve = RateCurve(vec![stage(1.0, 1.0, 3.0), stage(0.0, 0.0, 5.0), stage(2.0, 2.0, 1.0)]);
        assert_eq!([2.0, 3.0, 4.0].map(|logins| at(&curve, logins)), [2000, 8000, 8500]);
        assert_eq!(curve.duration(), Duration::from_secs(9));
    }
}
