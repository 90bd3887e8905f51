//! Eight processes whose access token becomes invalid at the same time.

use futures_util::future::join_all;

use super::*;

const STABLE_TOKEN: &str = "/cgi-bin/stable_token";
const CREATE: &str = "/cgi-bin/qrcode/create";
const CALLBACKS: usize = 8;

/// Opens this many scenes at each callback, all at once.
async fn open_everywhere(cluster: &Cluster, times: usize) {
    let opening = (0..CALLBACKS * times).map(|n| cluster.open_at(n % CALLBACKS));
    for (status, opened) in join_all(opening).await {
        assert_eq!(status, 200, "{opened}");
        assert!(opened.starts_with("{\"qr\":"), "{opened}");
    }
}

#[tokio::test]
async fn eight_processes_fetch_a_token_once_and_replace_an_invalid_one_once() {
    let cluster = Cluster::start(0, CALLBACKS).await;
    open_everywhere(&cluster, 5).await;
    assert_eq!(cluster.simulator.calls(STABLE_TOKEN).total(), 1);

    for expiry in 1..=3 {
        cluster.simulator.expire_tokens();
        open_everywhere(&cluster, 5).await;
        assert_eq!(cluster.simulator.calls(STABLE_TOKEN).total(), 1 + expiry, "one fetch for each expiry");
    }
    let log = cluster.simulator.call_log();
    let generations: Vec<_> = log
        .iter()
        .filter(|call| call.path == CREATE && call.result == "ok")
        .map(|call| call.token.as_ref().expect("it takes one").generation)
        .collect();
    assert!(generations.is_sorted(), "nobody uses an old token after a new one: {generations:?}");
    assert_eq!(generations.len(), 4 * 5 * CALLBACKS);
    let refused = cluster.simulator.calls(CREATE).with("42001");
    assert!(refused <= 3 * 5 * u64::try_from(CALLBACKS).unwrap(), "each call is tried once more: {refused}");
}
