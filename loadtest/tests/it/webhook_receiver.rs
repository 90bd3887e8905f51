//! The receiver of webhooks over HTTP.

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect::Policy};
use scenecast_loadtest::webhook_receiver::{ReceiverBehaviour, WebhookReceiver};

fn client() -> Client {
    Client::builder().no_proxy().redirect(Policy::none()).build().unwrap()
}

#[tokio::test]
async fn it_keeps_requests_and_waits_for_a_number_of_them() {
    let receiver = WebhookReceiver::start().await.unwrap();
    let one = receiver.url().join("hooks/one?a=b").unwrap();
    let client = client();
    let waiting = tokio::spawn({
        let receiver = receiver.clone();
        async move { receiver.wait_for(2).await }
    });
    for body in ["first", "second"] {
        let posted = client.post(one.clone()).header("webhook-id", body).body(body).send().await.unwrap();
        assert_eq!(posted.status(), StatusCode::OK);
    }
    let received = waiting.await.unwrap();
    assert_eq!(received.iter().map(|it| it.id().unwrap()).collect::<Vec<_>>(), ["first", "second"]);
    assert_eq!((received[0].method.as_str(), received[0].uri.to_string()), ("POST", "/hooks/one?a=b".to_owned()));
    assert_eq!(received[1].body, "second");
    assert!(received[0].at <= received[1].at);
}

#[tokio::test]
async fn it_behaves_as_told_and_keeps_every_request() {
    let receiver = WebhookReceiver::start().await.unwrap();
    let client = client();
    let post = || client.post(receiver.url().clone()).timeout(Duration::from_millis(200)).send();
    receiver.behave(ReceiverBehaviour::Status(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(post().await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
    receiver.behave(ReceiverBehaviour::Redirect("https://example.com/".parse().unwrap()));
    assert_eq!(post().await.unwrap().headers()["location"], "https://example.com/");
    receiver.behave(ReceiverBehaviour::Slow(Duration::from_millis(10)));
    assert_eq!(post().await.unwrap().status(), StatusCode::OK);
    receiver.behave(ReceiverBehaviour::Hang);
    assert!(post().await.unwrap_err().is_timeout());
    assert_eq!(receiver.received().len(), 4);
}
