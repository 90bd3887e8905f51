//! The census: which gateways there are, and how many pages each holds.

use std::time::Duration;

use scenecast_bus::{BusUrl, Census, GatewayReport, StoreError};
use scenecast_metrics::Metrics;
use scenecast_redis::Redis;
use scenecast_testing::{RedisServer, TestBackend, until};

scenecast_testing::over_each_backend! { #[tokio::test] Gateways: every_gateway_gets_the_last_report_of_each_gateway }

/// Two gateways in one census.
struct Gateways {
    here: Census,
    there: Census,
    _backend: TestBackend,
}

impl Gateways {
    fn over(backend: TestBackend) -> Self {
        let (here, there) = match backend.url() {
            BusUrl::Memory => {
                let here = Census::in_memory();
                let there = here.another();
                (here, there)
            }
            BusUrl::Redis(address) => {
                let connect = || Census::over(&Redis::connect(&address, &Metrics::new()));
                (connect(), connect())
            }
        };
        Self { here, there, _backend: backend }
    }
}

fn census_at(server: &RedisServer) -> Census {
    Census::over(&Redis::connect(&server.url().parse().unwrap(), &Metrics::new()))
}

fn holding(held: usize) -> GatewayReport {
    GatewayReport { held, version: "1".to_owned(), leaving: false }
}

/// How many pages each gateway holds, in ascending order.
async fn held_pages(census: &mut Census, report: &GatewayReport) -> Vec<usize> {
    let reports = census.report(report).await.unwrap();
    let mut held: Vec<_> = reports.into_values().map(|report| report.unwrap().held).collect();
    held.sort_unstable();
    held
}

async fn every_gateway_gets_the_last_report_of_each_gateway(gateways: Gateways) {
    let Gateways { mut here, mut there, _backend } = gateways;
    assert_eq!(held_pages(&mut here, &holding(7)).await, [7]);
    assert_eq!(held_pages(&mut there, &holding(300)).await, [7, 300]);
    assert_eq!(held_pages(&mut here, &holding(8)).await, [8, 300]);
    let leaving = GatewayReport { leaving: true, ..holding(2) };
    let reports = there.report(&leaving).await.unwrap();
    assert!(reports.values().any(|report| *report == Some(leaving.clone())), "{reports:?}");
}

#[tokio::test]
async fn a_silent_gateway_is_no_longer_counted_and_later_removed() {
    let Gateways { mut here, mut there, .. } = Gateways::over(TestBackend::memory().await);
    tokio::time::pause();
    held_pages(&mut there, &holding(300)).await;
    for seconds in 0..60 {
        let expected = if seconds < 15 { vec![7, 300] } else { vec![7] };
        assert_eq!(held_pages(&mut here, &holding(7)).await, expected, "after {seconds} s");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let mut newcomer = here.another();
    assert_eq!(held_pages(&mut newcomer, &holding(0)).await, [0, 7], "the silent gateway is removed");
    assert_eq!(held_pages(&mut there, &holding(300)).await, [0, 7, 300], "it is counted again once it reports");
}

#[tokio::test]
async fn a_report_of_an_unknown_version_is_counted_but_not_read() {
    let server = RedisServer::start().await;
    let mut census = census_at(&server);
    for (gateway, entry) in [("future", "1 [7, 8]"), ("garbage", "\u{1}")] {
        server.cli(&["HSET", "census:gateways", gateway, entry]).await.unwrap();
    }
    let reports = census.report(&holding(7)).await.unwrap();
    assert_eq!(reports.len(), 3, "{reports:?}");
    assert_eq!(reports["future"], None);
    assert_eq!(reports["garbage"], None);
}

#[tokio::test]
async fn while_redis_is_away_the_census_returns_an_error() {
    let mut server = RedisServer::start().await;
    let mut census = census_at(&server);
    held_pages(&mut census, &holding(7)).await;
    server.stop().await;
    assert!(matches!(census.report(&holding(7)).await, Err(StoreError::Undecided(_))));
    server.restart_empty().await;
    server.cli(&["SET", "census:gateways", "a string"]).await.unwrap();
    until("the census refuses a value that isn't a hash", async || {
        matches!(census.report(&holding(7)).await, Err(StoreError::Malformed { .. }))
    })
    .await;
}
