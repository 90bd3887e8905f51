//! What can go wrong, for every kind of page.

use scenecast_scene::{TOMBSTONE_MS, time::unix_now_ms};
use scenecast_simulator::CallFailure;

use strum::VariantArray;

use super::*;

/// What the phone shows for a code whose scene is over.
const EXPIRED: &str = "This code has expired. Please get a new one on the page.";
/// What the phone shows for a typed code that is unknown or has expired.
const CODE_UNKNOWN: &str =
    "This code is wrong or has expired. Please get a new one on the page, and type that in a while.";

/// The keys of all scenes in Redis.
async fn scenes(cluster: &Cluster) -> Vec<String> {
    let keys = cluster.redis.cli(&["KEYS", "wx:*"]).await.unwrap();
    keys.lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_delivery_to_both_callbacks_at_once_logs_the_page_in_once() {
    let cluster = cluster().await;
    let mut faults = cluster.simulator.faults();
    faults.duplicate_deliveries = true;
    cluster.simulator.set_faults(faults);
    for (flow, who) in Flow::of_official_accounts().zip((1..).step_by(2).map(WeChatUser::nth)) {
        let mut page = CompatiblePage::begin(&cluster, flow, 0, 1).await;
        let done = page.phone.log_in(&who).await.unwrap();
        assert_eq!(done, Done { shown: PhoneScreen::Reply(LOGGED_IN.to_owned()), attempts: 2 }, "{flow:?}");
        page.logged_in(1).await;
        if let Flow::PathSocket | Flow::QrOnOpen = flow {
            assert_eq!(page.next_message().await, SocketMessage::Closed(1000), "{flow:?}");
        }
    }
}

#[tokio::test]
async fn a_late_user_is_told_that_the_code_expired_and_logs_nobody_in() {
    let cluster = cluster().await;
    let ann = WeChatUser::persona("ann").unwrap();
    for flow in Flow::of_official_accounts() {
        let page = CompatiblePage::begin(&cluster, flow, 0, 1).await;
        for scene in scenes(&cluster).await {
            cluster.redis.cli(&["HSET", &scene, "expires", "1"]).await.unwrap();
        }
        let expected = if flow == Flow::TypedCode { CODE_UNKNOWN } else { EXPIRED };
        let done = page.phone.log_in(&ann).await.unwrap();
        assert_eq!(done.shown, PhoneScreen::Reply(expected.to_owned()), "{flow:?}");
    }
}

#[tokio::test]
async fn a_code_is_valid_as_long_as_its_page_waits() {
    let cluster = cluster().await;
    let ann = WeChatUser::persona("ann").unwrap();
    for (flow, life) in [(Flow::PathSocket, 3600), (Flow::QrOnOpen, 120), (Flow::TicketPolling, 3600)] {
        let page = CompatiblePage::begin(&cluster, flow, 0, 1).await;
        cluster.simulator.advance(Duration::from_secs(life - 10));
        assert!(page.phone.log_in(&ann).await.unwrap().is_login(), "{flow:?}");
        cluster.simulator.advance(Duration::from_secs(11));
        assert_eq!(page.phone.log_in(&ann).await, Err(ActionError::ExpiredCode), "{flow:?}");
    }
}

/// Makes the page's scene end in two seconds.
async fn end_soon(cluster: &Cluster, page: &mut CompatiblePage) {
    page.disconnect();
    let soon = unix_now_ms() + 2000;
    let forgotten = (soon + TOMBSTONE_MS).to_string();
    let soon = soon.to_string();
    for scene in scenes(cluster).await {
        cluster.redis.cli(&["HSET", &scene, "expires", &soon]).await.unwrap();
        cluster.redis.cli(&["PEXPIREAT", &scene, &forgotten]).await.unwrap();
    }
    page.connect(1).await;
}

#[tokio::test]
async fn a_page_whose_scene_expired_is_closed_or_shows_a_new_code() {
    let cluster = cluster().await;
    let mut page = CompatiblePage::begin(&cluster, Flow::PathSocket, 0, 1).await;
    end_soon(&cluster, &mut page).await;
    assert_eq!(page.next_message().await, SocketMessage::Closed(1000));

    let mut page = CompatiblePage::begin(&cluster, Flow::TypedCode, 0, 1).await;
    end_soon(&cluster, &mut page).await;
    page.refresh().await;
    assert!(page.phone.log_in(&WeChatUser::nth(1)).await.unwrap().is_login());
    page.logged_in(1).await;
}

#[tokio::test]
async fn over_https_the_cookie_is_for_this_host_only() {
    let cluster = cluster().await;
    let url = format!("http://{}/login/code", cluster.gateway_address(0));
    let asked = reqwest::Client::new().get(url).header("x-forwarded-proto", "https").send().await.unwrap();
    let cookie = asked.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-scenecast.") && cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_disconnected_page_gets_its_login_at_another_gateway() {
    let cluster = cluster().await;
    for (flow, who) in
        Flow::VARIANTS.iter().copied().filter(|flow| flow.can_reconnect()).zip((1..).map(WeChatUser::nth))
    {
        let mut page = CompatiblePage::begin(&cluster, flow, 0, 0).await;
        page.disconnect();
        assert!(page.phone.log_in(&who).await.unwrap().is_login(), "{flow:?}");
        page.connect(1).await;
        page.logged_in(1).await;
    }
}

#[tokio::test]
async fn a_user_who_unfollowed_follows_again_and_logs_in() {
    let cluster = cluster().await;
    let dora = WeChatUser::persona("dora").unwrap();
    for flow in Flow::of_official_accounts() {
        let mut page = CompatiblePage::begin(&cluster, flow, 0, 1).await;
        assert!(page.phone.log_in(&dora).await.unwrap().is_login(), "{flow:?}");
        page.logged_in(1).await;
        cluster.simulator.unfollow(&dora, &cluster.account).await.unwrap();
    }
}

#[tokio::test]
async fn when_redis_has_lost_everything_waiting_pages_can_still_log_in() {
    let mut cluster = cluster().await;
    let mut pages = vec![];
    for &flow in Flow::VARIANTS {
        pages.push((flow, CompatiblePage::begin(&cluster, flow, 0, 1).await));
    }
    cluster.redis.restart_empty().await;
    for ((flow, mut page), who) in pages.into_iter().zip((1..).step_by(2).map(WeChatUser::nth)) {
        if flow == Flow::TypedCode {
            page.refresh().await;
        }
        // Without a connection only a poll finds out that the scene is lost.
        let phone = page.phone.clone();
        let what = format!("{flow:?} can log in");
        let logs_in = until(&what, async || phone.log_in(&who).await.unwrap().is_login());
        tokio::join!(page.logged_in(1), logs_in);
    }
}

#[tokio::test]
async fn a_page_may_wait_long_before_it_loads_its_code() {
    let mut cluster = cluster().await;
    let mut page = CompatiblePage::new(&cluster, Flow::PathSocket);
    page.connect(1).await;
    // The restart makes the gateway look for its pages' scenes now instead of within half a minute.
    cluster.redis.restart().await;
    until("its scene is there", async || !scenes(&cluster).await.is_empty()).await;
    page.show(0).await;
    assert!(page.phone.log_in(&WeChatUser::nth(1)).await.unwrap().is_login());
    page.logged_in(1).await;
    let mut opened = 0.0;
    for admin in [cluster.gateway_admin(1), cluster.callback_admin(0)] {
        opened += metric(admin, "scenecast_scenes_total{stage=\"opened\"}").await;
    }
    assert!((opened - 1.0).abs() < f64::EPSILON, "{opened}");
}

#[tokio::test]
async fn a_page_gets_its_code_as_soon_as_there_is_one() {
    let cluster = cluster().await;
    cluster.simulator.fail_calls("/cgi-bin/qrcode/create", 1, CallFailure::Code(-1));
    let mut page = CompatiblePage::begin(&cluster, Flow::QrOnOpen, 0, 1).await;
    page.phone.log_in(&WeChatUser::nth(1)).await.unwrap();
    page.logged_in(1).await;
}

#[tokio::test]
async fn a_draining_gateway_keeps_its_pages_as_long_as_it_can() {
    let setup =
        Setup { gateways: 2, callbacks: 2, gateway_settings: "compatible = 10\n".to_owned(), ..Setup::default() };
    let mut cluster = Cluster::start_as(setup).await;
    let mut left_over = CompatiblePage::begin(&cluster, Flow::PathSocket, 1, 0).await;
    let mut pages = vec![];
    for flow in Flow::VARIANTS.iter().copied().filter(|flow| !flow.polls()) {
        pages.push(CompatiblePage::begin(&cluster, flow, 1, 0).await);
    }
    let address = cluster.gateway_address(0);
    cluster.gateway(0).terminate();
    until("it accepts no connections", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    for (mut page, who) in pages.into_iter().zip((1..).step_by(2).map(WeChatUser::nth)) {
        assert!(page.phone.log_in(&who).await.unwrap().is_login());
        page.logged_in(1).await;
    }
    assert_eq!(left_over.next_message().await, SocketMessage::Closed(1012));
    assert_eq!(cluster.gateway(0).ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_user_confirms_while_the_page_waits() {
    let setup = Setup { gateways: 2, callbacks: 2, confirmation: "tap", ..Setup::default() };
    let cluster = Cluster::start_as(setup).await;
    for (flow, who) in Flow::of_official_accounts().zip((1..).map(WeChatUser::nth)) {
        let mut page = CompatiblePage::begin(&cluster, flow, 0, 0).await;
        assert!(!page.phone.log_in(&who).await.unwrap().is_login(), "{flow:?}: it is only asked");
        if flow.can_reconnect() {
            page.disconnect();
            page.connect(1).await;
        }
        cluster.simulator.say(&who, &cluster.account, "1").await.unwrap();
        page.logged_in(1).await;
    }
}

/// Waits until a scene has been cancelled at the first callback, which is the only one.
async fn cancelled(cluster: &Cluster) {
    metric_becomes(cluster.callback_admin(0), "scenecast_scenes_total{stage=\"cancelled\"}", 1.0).await;
}

#[tokio::test]
async fn when_a_page_that_cannot_come_back_is_gone_the_phone_is_told() {
    for is_scanned_before in [true, false] {
        let setup = Setup { gateways: 2, callbacks: 1, confirmation: "tap", ..Setup::default() };
        let cluster = Cluster::start_as(setup).await;
        let ann = WeChatUser::persona("ann").unwrap();
        let mut page = CompatiblePage::begin(&cluster, Flow::QrOnOpen, 0, 1).await;
        if is_scanned_before {
            page.phone.log_in(&ann).await.unwrap();
        }
        page.disconnect();
        cancelled(&cluster).await;
        let told = if is_scanned_before {
            cluster.simulator.say(&ann, &cluster.account, "1").await.unwrap().shown
        } else {
            page.phone.log_in(&ann).await.unwrap().shown
        };
        let PhoneScreen::Reply(told) = told else { panic!("no reply: {told:?}") };
        assert!(told.contains("Please get a new one on the page"), "{told}");
    }
}

#[tokio::test]
async fn when_a_page_that_cannot_come_back_is_drained_the_phone_is_told() {
    let setup = Setup { gateways: 2, gateway_settings: "compatible = 2\n".to_owned(), ..Setup::default() };
    let mut cluster = Cluster::start_as(setup).await;
    let mut page = CompatiblePage::begin(&cluster, Flow::QrOnOpen, 1, 0).await;
    cluster.gateway(0).terminate();
    assert_eq!(page.next_message().await, SocketMessage::Closed(1012));
    cancelled(&cluster).await;
    assert!(!page.phone.log_in(&WeChatUser::nth(1)).await.unwrap().is_login());
    assert_eq!(cluster.gateway(0).ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_page_whose_login_was_declined_is_closed_or_shows_a_new_code() {
    let setup = Setup { gateways: 2, callbacks: 2, confirmation: "tap", ..Setup::default() };
    let cluster = Cluster::start_as(setup).await;
    for (flow, who) in [Flow::PathSocket, Flow::QrOnOpen, Flow::TypedCode].into_iter().zip((1..).map(WeChatUser::nth)) {
        let mut page = CompatiblePage::begin(&cluster, flow, 0, 1).await;
        page.phone.log_in(&who).await.unwrap();
        cluster.simulator.say(&who, &cluster.account, "0").await.unwrap();
        if flow == Flow::TypedCode {
            page.refresh().await;
            page.phone.log_in(&who).await.unwrap();
            cluster.simulator.say(&who, &cluster.account, "1").await.unwrap();
            page.logged_in(1).await;
        } else {
            assert_eq!(page.next_message().await, SocketMessage::Closed(1000), "{flow:?}");
        }
    }
}
