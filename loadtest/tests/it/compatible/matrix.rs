//! Every flow, in each message mode, by people who follow already and people who don't, whichever pods
//! it meets.

use super::*;

async fn logs_in(cluster: &Cluster, flow: Flow, [shows_at, waits_at, told_at]: [usize; 3], who: &Person) {
    let case = format!("{flow:?}, shown at {shows_at}, waiting at {waits_at}, WeChat at {told_at}, {who}");
    cluster.deliver_to(vec![told_at]);
    let mut page = Page::begin(cluster, flow, shows_at, waits_at).await;
    assert!(page.phone.log_in(who).await.unwrap().is_login(), "{case}");
    let (name, grant) = page.told(waits_at).await;
    assert!(name.is_none_or(|name| !name.is_empty()), "{case}");
    if let Some(grant) = grant {
        assert_eq!(page.redeem(&grant).await["openid"], page.phone.openid(who), "{case}");
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
