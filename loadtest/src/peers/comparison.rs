//! What a comparison found: its JSON, and the figures that are compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::contestant::Contestant;
use crate::results::{HostInfo, ToolInfo};

/// What the field `format` of every comparison says.
pub const PEERS_FORMAT: &str = "scenecast-loadtest-peers";
/// The version of the format that this program writes.
pub const PEERS_VERSION: u32 = 1;

/// What a reader has to know of every comparison.
pub const FAIRNESS: &str = "A peer's push is one HTTP request that publishes one message of the same size. Peers check no \
    signature, decrypt and parse no XML, know nobody, and give no grant. A login of Scenecast has all of these in it; its \
    grant isn't redeemed here.";

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerComparison {
    /// Always [`PEERS_FORMAT`].
    pub format: String,
    /// Always [`PEERS_VERSION`].
    pub version: u32,
    /// When it began, in unix milliseconds.
    pub began_unix_ms: u64,
    pub tool: ToolInfo,
    pub host: HostInfo,
    /// The share of the machine's processors that others used just before it began, from 0 to 1.
    pub busy_share_before: f64,
    pub load: ComparedLoad,
    pub contestants: Vec<ContestantResult>,
    /// Who could not be had or measured.
    pub absent: Vec<AbsentContestant>,
    /// Always [`FAIRNESS`].
    pub fairness: String,
    /// False if it was interrupted.
    pub is_complete: bool,
}

/// What everybody was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedLoad {
    pub sockets: u32,
    pub opens_per_second: f64,
    /// Pushes (or logins) a second.
    pub rate: f64,
    /// How long they are pushed, in seconds.
    pub seconds: f64,
    /// How long all pages waited before their memory was looked at. Some servers still work on what opened.
    pub settle_seconds: f64,
    /// How often everybody was measured.
    pub rounds: u32,
    /// The size of a pushed message.
    pub payload_bytes: u32,
    /// The limit of p99 for a capacity, in milliseconds.
    pub capacity_p99_ms: f64,
}

/// Everything that was found of one contestant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContestantResult {
    pub contestant: Contestant,
    pub version: String,
    /// Settings that matter, by name.
    pub settings: BTreeMap<String, String>,
    /// One for each round.
    pub samples: Vec<ComparisonSample>,
    /// `None` if it was not searched for.
    pub capacity: Option<FoundCapacity>,
}

/// What one run of one contestant measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparisonSample {
    /// Resident memory that each page added to the process that holds it.
    pub rss_bytes_per_page: f64,
    /// CPU time of all processes under test a page that opened, in microseconds.
    pub cpu_us_per_open: f64,
    /// CPU time of all processes under test a push or login, in microseconds.
    pub cpu_us_per_push: f64,
    /// The same by process.
    pub cpu_us_per_push_of: BTreeMap<String, f64>,
    /// From the planned instant to the page.
    pub p50_ms: f64,
    /// From the planned instant to the page.
    pub p99_ms: f64,
    /// How many pushes or logins were planned.
    pub planned: u64,
    /// How many of them reached their page.
    pub delivered: u64,
    /// How many phones were told that they are logged in, and their page never was. (For a peer: messages that were taken
    /// and never arrived.)
    pub lost: u64,
    /// How often a page could not open. It tries again.
    pub failed_opens: u64,
    /// Why, with counts.
    pub problems: BTreeMap<String, u64>,
    /// Whether the generator was the limit, so that the times are not those of the contestant.
    pub is_generator_limited: bool,
}

/// The highest rate at which p99 stayed below the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FoundCapacity {
    /// Pushes or logins a second; `None` if no rate passed.
    pub per_second: Option<f64>,
    /// Whether nothing higher was tried.
    pub is_cut_off: bool,
    /// How many logins or messages were accepted and lost, over all rates. A rate that is too high makes them late, and never
    /// lost.
    #[serde(default)]
    pub lost: u64,
    /// Whether the generator was the limit at a rate that failed, so that the contestant might take more.
    #[serde(default)]
    pub is_generator_limited: bool,
}

/// Who is missing in the table, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentContestant {
    pub contestant: Contestant,
    pub why: String,
}

/// A figure that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum Figure {
    BytesPerPage,
    CpuPerPush,
    P50,
    P99,
    CpuPerOpen,
    /// The only one of which more is better.
    Capacity,
}

/// The median of several samples, and their range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
}

impl Spread {
    /// `None` without values.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(*values.get(middle.checked_sub(1)?)?, values[middle]),
            _ => values[middle],
        };
        Some(Self { least: *values.first()?, median, most: *values.last()? })
    }
}

impl ContestantResult {
    /// What was measured of this figure; `None` if nothing was.
    pub fn spread(&self, figure: Figure) -> Option<Spread> {
        let of = |value: fn(&ComparisonSample) -> f64| Spread::of(self.samples.iter().map(value).collect());
        match figure {
            Figure::BytesPerPage => of(|sample| sample.rss_bytes_per_page),
            Figure::CpuPerPush => of(|sample| sample.cpu_us_per_push),
            Figure::P50 => of(|sample| sample.p50_ms),
            Figure::P99 => of(|sample| sample.p99_ms),
            Figure::CpuPerOpen => of(|sample| sample.cpu_us_per_open),
            Figure::Capacity => Spread::of(vec![self.capacity?.per_second?]),
        }
    }
}

impl PeerComparison {
    /// Scenecast's median divided by that of the best peer. `None` if one of them has no such figure.
    pub fn ratio_to_best_peer(&self, figure: Figure) -> Option<f64> {
        let median = |result: &ContestantResult| result.spread(figure).map(|spread| spread.median);
        let ours = self.contestants.iter().find(|result| !result.contestant.is_peer()).and_then(median)?;
        let peers = self.contestants.iter().filter(|result| result.contestant.is_peer()).filter_map(median);
        let best = match figure {
            Figure::Capacity => peers.max_by(f64::total_cmp),
            _ => peers.min_by(f64::total_cmp),
        }?;
        (best > 0.0).then(|| ours / best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_median_and_the_range() {
        let spread = |values: &[f64]| Spread::of(values.to_vec()).map(|it| (it.least, it.median, it.most));
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(spread(&[4.0, 1.0]), Some((1.0, 2.5, 4.0)));
        assert_eq!(spread(&[9.0, 1.0, 2.0]), Some((1.0, 2.0, 9.0)));
    }

    #[test]
    fn the_best_peer_is_another_one_for_each_figure() {
        let comparison = super::super::sample::comparison();
        let ratio = |figure| comparison.ratio_to_best_peer(figure).map(|ratio| (ratio * 100.0).round() / 100.0);
        // Nchan needs least CPU, ws least memory; ws takes most.
        assert_eq!(ratio(Figure::CpuPerPush), Some(2.0));
        assert_eq!(ratio(Figure::BytesPerPage), Some(0.5));
        assert_eq!(ratio(Figure::Capacity), Some(0.75));
        let without_peers = PeerComparison { contestants: comparison.contestants[..1].to_vec(), ..comparison };
        assert_eq!(without_peers.ratio_to_best_peer(Figure::P50), None);
    }
}
