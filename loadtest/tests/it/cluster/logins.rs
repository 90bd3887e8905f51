//! Logins that have to work at any pods.

use super::*;

#[tokio::test]
async fn any_callback_serves_a_page_of_any_gateway() {
    let cluster = Cluster::start(2, 2).await;
    for gateway in 0..2 {
        for callback in 0..2 {
            cluster.deliver_to(vec![callback]);
            let (mut page, opened) = open(&cluster, gateway).await;
            let who = u64::try_from(10 * gateway + callback).unwrap();
            shows(&scan(&cluster, who, &opened).await, LOGGED_IN);
            let confirmed = frame(&mut page, "confirmed").await;
            assert!(!confirmed.name.is_empty() && confirmed.avatar.starts_with("data:"));
            assert_eq!(closed(&mut page).await, (1000, String::new()));

            let (status, login) = redeem(&cluster, 1 - callback, &confirmed.grant).await;
            assert_eq!(status, 200, "{login}");
            let openid = cluster.simulator.openid(&WeChatUser::nth(who), &cluster.account).unwrap();
            assert_eq!(login["openid"], openid.as_str());
            assert_eq!(login["account"], "demo");
            assert_eq!(login["profile"]["name"], confirmed.name);
        }
    }
    for (stage, expected) in [("opened", 4.0), ("confirmed", 4.0), ("redeemed", 4.0), ("handed_over", 4.0)] {
        let name = format!("scenecast_scenes_total{{stage=\"{stage}\"}}");
        let mut sum = 0.0;
        for n in 0..2 {
            sum += metric(cluster.gateway_admin(n), &name).await + metric(cluster.callback_admin(n), &name).await;
        }
        assert!((sum - expected).abs() < f64::EPSILON, "{stage}: {sum}");
    }
}

#[tokio::test]
async fn only_the_page_that_was_scanned_logs_in() {
    let cluster = Cluster::start(1, 1).await;
    let (mut scanned, opened) = open(&cluster, 0).await;
    let (mut other, opened_by_other) = open(&cluster, 0).await;
    scan(&cluster, 1, &opened).await;
    frame(&mut scanned, "confirmed").await;
    cancel(&cluster, 0, &opened_by_other).await;
    frame(&mut other, "cancelled").await;
}

#[tokio::test]
async fn a_page_resumes_at_another_gateway_after_its_own_was_killed() {
    let mut cluster = Cluster::start(2, 1).await;
    let (mut page, opened) = open(&cluster, 0).await;
    cluster.gateway(0).kill().await;
    assert_eq!(page.next_message().await, PageMessage::Broken);
    let mut page = resume(&cluster, 1, &opened).await;
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    frame(&mut page, "confirmed").await;
}

#[tokio::test]
async fn a_page_that_was_away_gets_its_login_when_it_resumes() {
    let cluster = Cluster::start(2, 1).await;
    let (page, opened) = open(&cluster, 0).await;
    drop(page);
    shows(&scan(&cluster, 1, &opened).await, LOGGED_IN);
    let mut page = resume(&cluster, 1, &opened).await;
    let confirmed = frame(&mut page, "confirmed").await;
    assert_eq!(closed(&mut page).await.0, 1000);

    let mut again = connect(&cluster, 0).await;
    again.resume(&opened.key, confirmed.seq).await.unwrap();
    assert_eq!(frame(&mut again, "resumed").await.state, "confirmed");
    assert_eq!(closed(&mut again).await.0, 1000);
}

#[tokio::test]
async fn a_second_phone_is_refused_and_changes_nothing() {
    let cluster = Cluster::start(1, 2).await;
    let (mut page, opened) = open(&cluster, 0).await;
    scan(&cluster, 1, &opened).await;
    shows(&scan(&cluster, 2, &opened).await, TAKEN);
    let confirmed = frame(&mut page, "confirmed").await;
    let first = cluster.simulator.openid(&WeChatUser::nth(1), &cluster.account).unwrap();
    assert_eq!(redeem(&cluster, 0, &confirmed.grant).await.1["openid"], first.as_str());
}

#[tokio::test]
async fn a_delivery_to_both_callbacks_at_once_logs_in_once() {
    let cluster = Cluster::start(1, 2).await;
    let mut faults = cluster.simulator.faults();
    faults.duplicate_deliveries = true;
    cluster.simulator.set_faults(faults);
    let (mut page, opened) = open(&cluster, 0).await;
    let outcome = scan(&cluster, 1, &opened).await;
    assert_eq!(outcome.attempts.len(), 2);
    shows(&outcome, LOGGED_IN);
    frame(&mut page, "confirmed").await;
    assert_eq!(closed(&mut page).await.0, 1000);
    let name = "scenecast_scenes_total{stage=\"confirmed\"}";
    let confirmed = metric(cluster.callback_admin(0), name).await + metric(cluster.callback_admin(1), name).await;
    assert!((confirmed - 1.0).abs() < f64::EPSILON, "{confirmed}");
}

#[tokio::test]
async fn a_page_that_gives_up_is_not_logged_in() {
    let cluster = Cluster::start(1, 1).await;
    let (mut page, opened) = open(&cluster, 0).await;
    cancel(&cluster, 0, &opened).await;
    frame(&mut page, "cancelled").await;
    assert_eq!(closed(&mut page).await.0, 1000);
    shows(&scan(&cluster, 1, &opened).await, EXPIRED);
}

#[tokio::test]
async fn no_process_logs_a_secret() {
    let cluster = Cluster::start(1, 1).await;
    let (mut page, opened) = open(&cluster, 0).await;
    scan(&cluster, 1, &opened).await;
    let confirmed = frame(&mut page, "confirmed").await;
    redeem(&cluster, 0, &confirmed.grant).await;
    let openid = cluster.simulator.openid(&WeChatUser::nth(1), &cluster.account).unwrap();
    let logs = cluster.logs().join("\n");
    assert!(logs.contains(&opened.scene), "the logs name the scene");
    let private = [opened.key.as_str(), &confirmed.grant, openid.as_str(), "the session's state"];
    for secret in private.into_iter().chain(scenecast_loadtest::cluster::SECRETS) {
        assert!(!logs.contains(secret), "{secret} in the logs");
    }
}
