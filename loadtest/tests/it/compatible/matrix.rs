//! Every kind of page logs in: in every encryption mode, by followers and others, and at the same pods or at different
//! ones.

use strum::VariantArray;

use super::*;

async fn logs_in(cluster: &Cluster, flow: Flow, [shows_at, waits_at, delivered_to]: [usize; 3], who: &WeChatUser) {
    let case = format!("{flow:?}, shown at {shows_at}, waiting at {waits_at}, delivered to {delivered_to}, {who}");
    cluster.deliver_to(vec![delivered_to]);
    let mut page = CompatiblePage::begin(cluster, flow, shows_at, waits_at).await;
    assert!(page.phone.log_in(who).await.unwrap().is_login(), "{case}");
    let (name, grant) = page.logged_in(waits_at).await;
    assert!(name.is_none_or(|name| !name.is_empty()), "{case}");
    if let Some(grant) = grant {
        assert_eq!(page.redeem(&grant).await["openid"], page.phone.openid(who), "{case}");
    }
}

async fn every_flow_logs_in(mode: EncryptionMode) {
    let cluster = Cluster::start_as(Setup { gateways: 2, callbacks: 2, mode, ..Setup::default() }).await;
    let mut people = (1..).map(WeChatUser::nth);
    for &flow in Flow::VARIANTS {
        for pods in [[0, 0, 0], [0, 1, 1]] {
            // A follower, and a user who doesn't follow yet.
            for who in people.by_ref().take(2) {
                logs_in(&cluster, flow, pods, &who).await;
            }
        }
    }
}

#[tokio::test]
async fn every_flow_logs_in_in_plain_mode() {
    every_flow_logs_in(EncryptionMode::Plain).await;
}

#[tokio::test]
async fn every_flow_logs_in_in_compatible_mode() {
    every_flow_logs_in(EncryptionMode::Compatible).await;
}

#[tokio::test]
async fn every_flow_logs_in_in_safe_mode() {
    every_flow_logs_in(EncryptionMode::Safe).await;
}
