//! A browser that asks and asks and doesn't read what it is answered: it is cut off, and goes on elsewhere.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::{
    Here,
    board::Shown,
    page::{Tab, Waiting},
};
use crate::{
    browser::Frame,
    hostile::websocket::{FIN, PING, Raw, TEXT, frame_of},
};

/// What its ledger calls it when it is.
pub(super) const CUT: &str = "cut";
/// Before it asks for a scene again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Between two questions. Of those that come together only the last is answered.
const ASKS_EVERY: Duration = Duration::from_millis(1);

/// One scene: opened at `deaf_to`, and waited for at the others once that doesn't wait any more.
pub(super) async fn visit(here: Arc<Here>, address: Ipv4Addr, deaf_to: SocketAddr) {
    let mut tab = Tab::at(here.clone(), address);
    let waiting = loop {
        match until_cut(&here, &tab.state, deaf_to).await {
            Some(waiting) => break waiting,
            None => tokio::time::sleep(AGAIN_AFTER).await,
        }
    };
    tab.log_in(Some(waiting)).await;
}

/// None if it gets no scene.
async fn until_cut(here: &Here, state: &str, gateway: SocketAddr) -> Option<Waiting> {
    // With little room at its end, for the kernel to keep less of what it doesn't read.
    let mut page = Raw::connect_narrow(gateway).await.ok()?;
    let open = json!({ "open": { "account": here.venue.account, "state": state } });
    page.send(&frame_of(FIN | TEXT, open.to_string().as_bytes())).await;
    let (_, opened) = page.frame().await?;
    let opened: Frame = serde_json::from_slice(&opened).ok()?;
    let scene = opened.scene.parse().ok()?;
    let waiting = Waiting::on(scene, &opened);
    here.board.show(Shown { scene, url: opened.qr.url });
    let question = frame_of(FIN | PING, &[b'?'; 125]);
    while page.send(&question).await {
        tokio::time::sleep(ASKS_EVERY).await;
    }
    here.ledger().has_problem(CUT);
    Some(waiting)
}
