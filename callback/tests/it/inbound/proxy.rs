//! nginx before the callbacks, with the configuration that we ship. WeChat takes any error status as the end of a
//! delivery, so nginx must never answer in a callback's place.

use std::{net::SocketAddr, path::Path, time::Duration};

use scenecast_callback::config::CallbackLimits;
use scenecast_simulator::{CallbackAnswer, DeliveryOutcome};
use scenecast_testing::Nginx;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use crate::world::{CallbackWorld, TestConfig, name, reply};

const LOGGED_IN: &str = "You are logged in. Please go back to the page.";

/// An address at which nothing listens.
async fn unused() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// nginx before two callbacks, to which WeChat delivers.
async fn proxied(world: &CallbackWorld, callbacks: [SocketAddr; 2]) -> Nginx {
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx/callback.conf"));
    let address = unused().await;
    let [first, second] = callbacks;
    let config = shipped
        .unwrap()
        .replace("listen 80;", &format!("listen {address};"))
        .replace("10.0.0.1:8081", &first.to_string())
        .replace("10.0.0.2:8081", &second.to_string());
    let nginx = Nginx::start(|_| config).await;
    let url = format!("http://{address}/wechat/demo").parse().unwrap();
    world.simulator.set_callbacks(&name("demo"), vec![url]).unwrap();
    nginx
}

fn answers(outcome: &DeliveryOutcome) -> Vec<&CallbackAnswer> {
    outcome.attempts.iter().map(|attempt| &attempt.answer).collect()
}

#[tokio::test]
async fn a_full_callback_is_silent_through_nginx_and_the_login_comes_with_the_next_delivery() {
    let world = CallbackWorld::with(None, |settings: &mut TestConfig| {
        settings.limits = CallbackLimits::new(1.try_into().unwrap());
    })
    .await;
    let _nginx = proxied(&world, [world.pod().public; 2]).await;
    let (scene, qr_url) = world.open().await;
    let held = TcpStream::connect(world.pod().public).await.unwrap();
    // The first attempt is over after WeChat's five seconds, and the second begins at once.
    let (outcome, ()) = tokio::join!(world.scan("bo", &qr_url), async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(held);
    });
    assert_eq!(answers(&outcome)[0], &CallbackAnswer::Late, "no 502");
    assert_eq!(reply(&outcome), LOGGED_IN);
    assert_eq!((outcome.attempts.len(), world.events(scene).await.len()), (2, 1));
}

/// A callback that dies as soon as it has a delivery.
async fn dying() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut delivery, _)) = listener.accept().await {
            let _ = delivery.read(&mut [0; 1024]).await;
        }
    });
    address
}

#[tokio::test]
async fn when_a_callback_dies_nginx_gives_the_delivery_to_the_next() {
    let world = CallbackWorld::new().await;
    for dead in [dying().await, unused().await] {
        let _nginx = proxied(&world, [dead, world.pod().public]).await;
        // nginx takes the servers in turn.
        for who in ["ann", "bo"] {
            let (_, qr_url) = world.open().await;
            let outcome = world.scan(who, &qr_url).await;
            assert_eq!((reply(&outcome), outcome.attempts.len()), (LOGGED_IN, 1));
        }
    }
}

#[tokio::test]
async fn when_no_callback_is_left_nginx_is_silent() {
    let world = CallbackWorld::new().await;
    let (_, qr_url) = world.open().await;
    let _nginx = proxied(&world, [dying().await, unused().await]).await;
    let outcome = world.scan("bo", &qr_url).await;
    assert_eq!(answers(&outcome), [&CallbackAnswer::Late; 3], "no 502");
}
