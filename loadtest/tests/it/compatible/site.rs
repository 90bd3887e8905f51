//! What the site's backend gets: forms about followers, and whether a user is registered.

use std::collections::BTreeMap;

use scenecast_loadtest::webhook_receiver::{ReceivedWebhook, WebhookReceiver};

use super::*;

fn fields(received: &ReceivedWebhook) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&received.body).into_owned().collect()
}

#[tokio::test]
async fn a_backend_that_takes_forms_learns_who_follows_by_the_id_that_the_page_chose() {
    let backend = WebhookReceiver::start().await.unwrap();
    let callback_settings = format!(
        "[accounts.demo.webhooks]\nformat = 'form'\nsecret.current = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n\
         followed_url = '{0}follow'\nunfollowed_url = '{0}unfollow'\n",
        backend.url()
    );
    let cluster = Cluster::start_as(Setup { gateways: 2, callbacks: 2, callback_settings, ..Setup::default() }).await;
    let (chen, openid) = {
        let chen = WeChatUser::persona("chen").unwrap();
        let openid = cluster.simulator.openid(&chen, &cluster.account).unwrap();
        (chen, openid.as_str().to_owned())
    };
    let mut page = CompatiblePage::begin(&cluster, Flow::PathSocket, 0, 1).await;
    page.phone.log_in(&chen).await.unwrap();
    page.logged_in(1).await;
    cluster.simulator.unfollow(&chen, &cluster.account).await.unwrap();
    cluster.simulator.send(&chen, &cluster.account, PhoneAction::Follow { event_key: None }).await.unwrap();

    let posted = within("all three are posted", backend.wait_for(3)).await;
    let forms = |path: &str| posted.iter().filter(|post| post.uri.path() == path).map(fields).collect::<Vec<_>>();
    let ids: Vec<_> = forms("/follow").into_iter().map(|form| form["equipmentType"].clone()).collect();
    assert!(ids.contains(&page.id().to_owned()) && ids.contains(&"0".to_owned()), "{ids:?}");
    assert!(forms("/follow").iter().all(|form| form["phoneIme"] == openid && form["state"] == "1"));
    let left = BTreeMap::from([("phoneIme".to_owned(), openid), ("state".to_owned(), "0".to_owned())]);
    assert_eq!(forms("/unfollow"), [left]);
}

#[tokio::test]
async fn a_page_that_polls_with_a_ticket_learns_whether_the_user_is_registered() {
    let cluster = cluster().await;
    let ann = WeChatUser::persona("ann").unwrap();
    // First the user is not registered (1), then registered (0).
    for state in [1, 0] {
        let mut page = CompatiblePage::begin(&cluster, Flow::TicketPolling, 0, 1).await;
        page.phone.log_in(&ann).await.unwrap();
        assert_eq!(page.poll_ticket(0).await["data"]["state"], state);
        // The answer stays the same until the grant is redeemed.
        let grant = page.logged_in(1).await.1.unwrap();
        let openid = page.redeem(&grant).await["openid"].as_str().unwrap().to_owned();
        assert_eq!(page.ask_ticket(0).await["code"], 10024);

        let path = format!("/v1/accounts/demo/users/{openid}/registration");
        let url = format!("http://{}{path}", cluster.callback_internal(0));
        let put = reqwest::Client::new().put(url).bearer_auth(API_KEY).json(&json!({ "registered": true }));
        assert_eq!(put.send().await.unwrap().status(), 204);
    }
}
