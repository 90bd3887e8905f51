//! Parts of a plan as texts on the command line.

use std::str::FromStr;

use crate::plan::{RateCurve, RateStage, ThinkTime, WayIn, WeightedWay};

/// Stages as text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StagesText(pub(super) RateCurve);

/// A think time as text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ThinkText(pub(super) ThinkTime);

/// Transports with weights as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WaysText(pub(super) Vec<WeightedWay>);

/// One number, or two with a dash between them.
fn range(text: &str) -> Option<(f64, f64)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

impl FromStr for StagesText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let stage = |text: &str| {
            let (time, rate) = text.split_once(':')?;
            let (from, to) = range(rate)?;
            Some(RateStage { from, to, seconds: time.trim().strip_suffix('s')?.parse().ok()? })
        };
        let stages = text.split(',').map(|text| {
            stage(text).ok_or_else(|| format!("{text:?} is no stage; one is for example 10s:100 or 10s:0-100"))
        });
        Ok(Self(RateCurve(stages.collect::<Result<_, _>>()?)))
    }
}

impl FromStr for ThinkText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = range(text).ok_or("has to be one number of seconds, or two as in 1-5")?;
        Ok(Self(ThinkTime { from, to }))
    }
}

impl FromStr for WaysText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let way = |text: &str| {
            let (name, weight) = text.split_once('=').unwrap_or((text, "1"));
            let way = WayIn::ALL.into_iter().find(|way| way.name() == name.trim())?;
            Some(WeightedWay { way, weight: weight.trim().parse().ok()? })
        };
        let ways = text.split(',').map(|text| {
            let names = WayIn::ALL.map(WayIn::name).join(", ");
            way(text).ok_or_else(|| format!("{text:?} is no transport with a weight; transports are {names}"))
        });
        Ok(Self(ways.collect::<Result<_, _>>()?))
    }
}
