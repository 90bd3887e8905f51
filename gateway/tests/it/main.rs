//! A gateway as browsers meet it, over real sockets. What needs a callback is tested with one, in
//! `loadtest` and `deploy/standalone`.

#![expect(clippy::unwrap_used, reason = "a fixture that can't go on fails its test")]

mod compatible;
mod events;
mod hostile;
mod http;
mod leaving;
mod limits;
mod polls;
mod silent;
mod sockets;
mod stream;
mod together;
mod world;

use std::time::Duration;

use reqwest::Method;
use scenecast_gateway::config::Limits;
use scenecast_loadtest::browser::{Frame, Heard, Page};
use scenecast_shared::{bus::Bus, scene::Number, testing::until};
use stream::{Next, Stream};
use world::{LIFE, ORIGIN, Scene, WINDOW, World, account, confirm, log_in, scan};

/// How long a test waits for what has to happen.
const PATIENCE: Duration = Duration::from_secs(10);

async fn hear(page: &mut Page) -> Heard {
    tokio::time::timeout(PATIENCE, page.hear()).await.expect("an answer within 10 s")
}

async fn frame(page: &mut Page) -> Frame {
    match hear(page).await {
        Heard::Frame(frame) => *frame,
        other => panic!("instead of a frame: {other:?}"),
    }
}

async fn close_code(page: &mut Page) -> u16 {
    match hear(page).await {
        Heard::Closed(code, _) => code,
        other => panic!("instead of a close: {other:?}"),
    }
}

/// What a page shows for the phone to pick.
fn number() -> Number {
    "42".parse().unwrap()
}
