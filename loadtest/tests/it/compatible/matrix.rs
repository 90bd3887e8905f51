//! Every flow, in each message mode, by people who follow already and people who don't, whichever pods
//! it meets.

use super::*;

async fn logs_in(cluster: &Cluster, flow: Flow, [shows_at, waits_at, told_at]: [usize; 3], who: &Person) {
    let case = format!("{flow:?}, shown at {shows_at}, waiting at {waits_at}, WeChat at {told_at}, {who}");
    cluster.deliver_to(vec![told_at]);
    let mut page = Page::begin(cluster, flow, shows_at, waits_at).await;
    let outcome = page.log_in(cluster, who).await.unwrap();
    assert!(outcome.is_none_or(|outcome| matches!(outcome.shown, Screen::Reply(_))), "{case}");
    let (name, grant) = page.told(cluster, waits_at).await;
    // The page with a typed code is told no name.
    assert_eq!(name.is_empty(), flow == Flow::TypedCode, "{case}");
    if let Some(grant) = grant {
        let login = page.redeem(cluster, &grant).await;
        assert_eq!(login["openid"], page.openid(cluster, who), "{case}");
    }
}

async fn every_flow_logs_in(mode: Mode) {
    let cluster = Cluster::start_as(Setup { gateways: 2, callbacks: 2, mode, ..Setup::default() }).await;
    let mut people = (1..).map(Person::nth);
    for flow in Flow::ALL {
        for pods in [[0, 0, 0], [0, 1, 1]] {
            // One who follows already, and one who doesn't.
            for who in people.by_ref().take(2) {
                logs_in(&cluster, flow, pods, &who).await;
            }
        }
    }
}

#[tokio::test]
async fn every_flow_logs_in_in_plain_mode() {
    every_flow_logs_in(Mode::Plain).await;
}

#[tokio::test]
async fn every_flow_logs_in_in_compatible_mode() {
    every_flow_logs_in(Mode::Compatible).await;
}

#[tokio::test]
async fn every_flow_logs_in_in_safe_mode() {
    every_flow_logs_in(Mode::Safe).await;
}
