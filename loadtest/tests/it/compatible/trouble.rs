//! What goes wrong on the way: each flow meets all of it.

use scenecast_loadtest::simulator::Failure;
use scenecast_shared::{scene::TOMBSTONE_MS, time::unix_now_ms};

use super::*;

/// What the phone shows when the page waits no more, …
const EXPIRED: &str = "This code has expired. Please get a new one on the page.";
/// … and when a code that was typed is none, or none any more.
const CODE_UNKNOWN: &str =
    "This code is wrong or has expired. Please get a new one on the page, and type that in a while.";

/// The keys of all scenes in Redis.
async fn scenes(cluster: &Cluster) -> Vec<String> {
    let keys = cluster.redis.cli(&["KEYS", "wx:*"]).await.unwrap();
    keys.lines().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn a_message_that_both_callbacks_get_at_once_tells_the_page_once() {
    let cluster = cluster().await;
    let mut faults = cluster.simulator.faults();
    faults.duplicate_deliveries = true;
    cluster.simulator.set_faults(faults);
    for (flow, who) in Flow::of_official_accounts().zip((1..).step_by(2).map(Person::nth)) {
        let mut page = Page::begin(&cluster, flow, 0, 1).await;
        let done = page.phone.log_in(&who).await.unwrap();
        assert_eq!(done, Done { shown: Screen::Reply(LOGGED_IN.to_owned()), attempts: 2 }, "{flow:?}");
        page.told(1).await;
        if let Flow::PathSocket | Flow::QrOnOpen = flow {
            assert_eq!(page.hear().await, Said::Closed(1000), "{flow:?}");
        }
    }
}

#[tokio::test]
async fn whoever_is_late_is_told_so_and_logs_nobody_in() {
    let cluster = cluster().await;
    let ann = Person::persona("ann").unwrap();
    for flow in Flow::of_official_accounts() {
        let page = Page::begin(&cluster, flow, 0, 1).await;
        for scene in scenes(&cluster).await {
            cluster.redis.cli(&["HSET", &scene, "expires", "1"]).await.unwrap();
        }
        let says = if flow == Flow::TypedCode { CODE_UNKNOWN } else { EXPIRED };
        let done = page.phone.log_in(&ann).await.unwrap();
        assert_eq!(done.shown, Screen::Reply(says.to_owned()), "{flow:?}");
    }
}

#[tokio::test]
async fn a_code_is_good_for_as_long_as_its_page_waits() {
    let cluster = cluster().await;
    let ann = Person::persona("ann").unwrap();
    for (flow, life) in [(Flow::PathSocket, 3600), (Flow::QrOnOpen, 120), (Flow::TicketPolling, 3600)] {
        let page = Page::begin(&cluster, flow, 0, 1).await;
        cluster.simulator.advance(Duration::from_secs(life - 10));
        assert!(page.phone.log_in(&ann).await.unwrap().is_login(), "{flow:?}");
        cluster.simulator.advance(Duration::from_secs(11));
        assert_eq!(page.phone.log_in(&ann).await, Err(CannotDo::ExpiredCode), "{flow:?}");
    }
}

/// Has the page's scene end soon.
async fn shorten(cluster: &Cluster, page: &mut Page) {
    page.cut_off();
    let soon = unix_now_ms() + 2000;
    let (soon, forgotten) = (soon.to_string(), (soon + TOMBSTONE_MS).to_string());
    for scene in scenes(cluster).await {
        cluster.redis.cli(&["HSET", &scene, "expires", &soon]).await.unwrap();
        cluster.redis.cli(&["PEXPIREAT", &scene, &forgotten]).await.unwrap();
    }
    page.come_back(1).await;
}

#[tokio::test]
async fn a_page_whose_time_is_over_waits_no_more_or_shows_another_code() {
    let cluster = cluster().await;
    let mut page = Page::begin(&cluster, Flow::PathSocket, 0, 1).await;
    shorten(&cluster, &mut page).await;
    assert_eq!(page.hear().await, Said::Closed(1000));

    let mut page = Page::begin(&cluster, Flow::TypedCode, 0, 1).await;
    shorten(&cluster, &mut page).await;
    page.refresh().await;
    assert!(page.phone.log_in(&Person::nth(1)).await.unwrap().is_login());
    page.told(1).await;
}

#[tokio::test]
async fn by_https_the_cookie_is_for_this_host_alone() {
    let cluster = cluster().await;
    let url = format!("http://{}/login/code", cluster.gateway_address(0));
    let asked = reqwest::Client::new().get(url).header("x-forwarded-proto", "https").send().await.unwrap();
    let cookie = asked.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-scenecast.") && cookie.contains("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_page_that_was_cut_off_in_the_middle_is_told_at_another_pod() {
    let cluster = cluster().await;
    for (flow, who) in Flow::ALL.into_iter().filter(|flow| flow.comes_back()).zip((1..).map(Person::nth)) {
        let mut page = Page::begin(&cluster, flow, 0, 0).await;
        page.cut_off();
        assert!(page.phone.log_in(&who).await.unwrap().is_login(), "{flow:?}");
        page.come_back(1).await;
        page.told(1).await;
    }
}

#[tokio::test]
async fn whoever_unfollowed_follows_again_and_logs_in() {
    let cluster = cluster().await;
    let dora = Person::persona("dora").unwrap();
    for flow in Flow::of_official_accounts() {
        let mut page = Page::begin(&cluster, flow, 0, 1).await;
        assert!(page.phone.log_in(&dora).await.unwrap().is_login(), "{flow:?}");
        page.told(1).await;
        cluster.simulator.unfollow(&dora, &cluster.account).await.unwrap();
    }
}

#[tokio::test]
async fn when_redis_has_lost_everything_waiting_pages_can_still_log_in() {
    let mut cluster = cluster().await;
    let mut pages = vec![];
    for flow in Flow::ALL {
        pages.push((flow, Page::begin(&cluster, flow, 0, 1).await));
    }
    cluster.redis.restart_empty().await;
    for ((flow, mut page), who) in pages.into_iter().zip((1..).step_by(2).map(Person::nth)) {
        if flow == Flow::TypedCode {
            page.refresh().await;
        }
        // Where nothing is held, a poll finds out.
        let phone = page.phone.clone();
        let what = format!("{flow:?} can log in");
        let logs_in = until(&what, async || phone.log_in(&who).await.unwrap().is_login());
        tokio::join!(page.told(1), logs_in);
    }
}

#[tokio::test]
async fn a_page_may_wait_long_before_it_asks_for_its_code() {
    let mut cluster = cluster().await;
    let mut page = Page::new(&cluster, Flow::PathSocket);
    page.come_back(1).await;
    // Now rather than within half a minute, the gateway looks for the scenes that pages wait for.
    cluster.redis.restart().await;
    until("its scene is there", async || !scenes(&cluster).await.is_empty()).await;
    page.show(0).await;
    assert!(page.phone.log_in(&Person::nth(1)).await.unwrap().is_login());
    page.told(1).await;
    let mut opened = 0.0;
    for admin in [cluster.gateway_admin(1), cluster.callback_admin(0)] {
        opened += metric(admin, "scenecast_scenes_total{stage=\"opened\"}").await;
    }
    assert!((opened - 1.0).abs() < f64::EPSILON, "{opened}");
}

#[tokio::test]
async fn a_page_is_sent_its_code_once_there_is_one() {
    let cluster = cluster().await;
    cluster.simulator.fail_calls("/cgi-bin/qrcode/create", 1, Failure::Code(-1));
    let mut page = Page::begin(&cluster, Flow::QrOnOpen, 0, 1).await;
    page.phone.log_in(&Person::nth(1)).await.unwrap();
    page.told(1).await;
}

#[tokio::test]
async fn a_gateway_that_is_told_to_end_keeps_its_pages_while_it_can() {
    let setup =
        Setup { gateways: 2, callbacks: 2, gateway_settings: "compatible = 10\n".to_owned(), ..Setup::default() };
    let mut cluster = Cluster::start_as(setup).await;
    let mut left_over = Page::begin(&cluster, Flow::PathSocket, 1, 0).await;
    let mut pages = vec![];
    for flow in Flow::ALL.into_iter().filter(|flow| !flow.polls()) {
        pages.push(Page::begin(&cluster, flow, 1, 0).await);
    }
    let address = cluster.gateway_address(0);
    cluster.gateway(0).terminate();
    until("it accepts no more", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    for (mut page, who) in pages.into_iter().zip((1..).step_by(2).map(Person::nth)) {
        assert!(page.phone.log_in(&who).await.unwrap().is_login());
        page.told(1).await;
    }
    assert_eq!(left_over.hear().await, Said::Closed(1012));
    assert_eq!(cluster.gateway(0).ended().await.code(), Some(0));
}

#[tokio::test]
async fn who_has_to_confirm_does_so_while_the_page_waits() {
    let setup = Setup { gateways: 2, callbacks: 2, confirmation: "tap", ..Setup::default() };
    let cluster = Cluster::start_as(setup).await;
    for (flow, who) in Flow::of_official_accounts().zip((1..).map(Person::nth)) {
        let mut page = Page::begin(&cluster, flow, 0, 0).await;
        assert!(!page.phone.log_in(&who).await.unwrap().is_login(), "{flow:?}: it is only asked");
        if flow.comes_back() {
            page.cut_off();
            page.come_back(1).await;
        }
        cluster.simulator.say(&who, &cluster.account, "1").await.unwrap();
        page.told(1).await;
    }
}

#[tokio::test]
async fn a_page_whose_login_was_declined_waits_no_more_or_shows_another_code() {
    let setup = Setup { gateways: 2, callbacks: 2, confirmation: "tap", ..Setup::default() };
    let cluster = Cluster::start_as(setup).await;
    for (flow, who) in [Flow::PathSocket, Flow::QrOnOpen, Flow::TypedCode].into_iter().zip((1..).map(Person::nth)) {
        let mut page = Page::begin(&cluster, flow, 0, 1).await;
        page.phone.log_in(&who).await.unwrap();
        cluster.simulator.say(&who, &cluster.account, "0").await.unwrap();
        if flow == Flow::TypedCode {
            page.refresh().await;
            page.phone.log_in(&who).await.unwrap();
            cluster.simulator.say(&who, &cluster.account, "1").await.unwrap();
            page.told(1).await;
        } else {
            assert_eq!(page.hear().await, Said::Closed(1000), "{flow:?}");
        }
    }
}
