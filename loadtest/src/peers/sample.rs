//! A comparison as numbers, for tests.

use std::collections::BTreeMap;

use super::{
    comparison::{
        AbsentContestant, ComparedLoad, ComparisonSample, ContestantResult, FAIRNESS, FoundCapacity, PEERS_FORMAT,
        PEERS_VERSION, PeerComparison,
    },
    contestant::Contestant,
};
use crate::results::{HostInfo, ToolInfo};

/// Scenecast, Nchan and ws, measured twice; Centrifugo could not be had.
pub(super) fn comparison() -> PeerComparison {
    let result = |contestant, bytes: f64, cpu: f64, p50, capacity| {
        let sample = |factor: f64| ComparisonSample {
            rss_bytes_per_page: bytes * factor,
            cpu_us_per_open: cpu * factor,
            cpu_us_per_push: cpu * factor,
            cpu_us_per_push_of: BTreeMap::from([("redis".to_owned(), cpu * factor / 4.0)]),
            p50_ms: p50,
            p99_ms: p50 * 10.0,
            planned: 10_000,
            delivered: 10_000,
            lost: 0,
            failed_opens: 0,
            problems: BTreeMap::new(),
            is_generator_limited: false,
        };
        ContestantResult {
            contestant,
            version: "1.2.3".to_owned(),
            settings: BTreeMap::from([("workers".to_owned(), "1".to_owned())]),
            samples: vec![sample(0.9), sample(1.1)],
            capacity: Some(FoundCapacity { per_second: Some(capacity), ..FoundCapacity::default() }),
        }
    };
    PeerComparison {
        format: PEERS_FORMAT.to_owned(),
        version: PEERS_VERSION,
        began_unix_ms: 1_796_000_000_000,
        tool: ToolInfo { version: "0.2.0".to_owned(), build: "release".to_owned(), ..ToolInfo::default() },
        host: HostInfo { system: "Linux 6.1".to_owned(), cpus: 2, ..HostInfo::default() },
        busy_share_before: 0.02,
        load: ComparedLoad {
            sockets: 19_000,
            opens_per_second: 3000.0,
            rate: 2000.0,
            seconds: 5.0,
            settle_seconds: 5.0,
            rounds: 2,
            payload_bytes: 200,
            capacity_p99_ms: 50.0,
        },
        contestants: vec![
            result(Contestant::Scenecast, 2_600.0, 440.0, 0.8, 6000.0),
            result(Contestant::Nchan, 11_000.0, 220.0, 0.2, 7000.0),
            result(Contestant::Ws, 5_200.0, 230.0, 0.25, 8000.0),
        ],
        absent: vec![AbsentContestant { contestant: Contestant::Centrifugo, why: "go is not installed".to_owned() }],
        fairness: FAIRNESS.to_owned(),
        is_complete: true,
    }
}
