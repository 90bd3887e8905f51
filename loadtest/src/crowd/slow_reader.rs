//! A page that sends pings and never reads the answers. The gateway cuts it off, and it resumes its scene elsewhere.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use scenecast_browsers::{
    login_page::PageFrame,
    raw_websocket::{FIN, PING, RawWebSocket, TEXT, frame_of},
};
use serde_json::json;

use super::{
    login_tab::{LoginTab, WaitingScene},
    shown_codes::ShownCode,
    state::CrowdState,
};

/// The ledger counts a page that was cut off as this problem.
pub(super) const CUT: &str = "cut";
/// The pause before a page tries again to open a scene.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The time between two pings. The gateway answers only the last of several that arrive together.
const PING_INTERVAL: Duration = Duration::from_millis(1);

/// Opens a scene at `gateway`, is cut off there, and waits for the login at the crowd's gateways.
pub(super) async fn run(state: Arc<CrowdState>, address: Ipv4Addr, gateway: SocketAddr) {
    let mut tab = LoginTab::new(state.clone(), address);
    let scene = loop {
        match wait_until_cut(&state, &tab.session, gateway).await {
            Some(scene) => break scene,
            None => tokio::time::sleep(RETRY_AFTER).await,
        }
    };
    tab.log_in(Some(scene)).await;
}

/// Opens a scene and pings until the gateway closes the connection; `None` if no scene could be opened.
async fn wait_until_cut(state: &CrowdState, session: &str, gateway: SocketAddr) -> Option<WaitingScene> {
    // A small receive buffer, so that the kernel keeps little of what the page doesn't read.
    let mut page = RawWebSocket::connect_narrow(gateway).await.ok()?;
    let open = json!({ "open": { "account": state.config.account, "state": session } });
    page.send(&frame_of(FIN | TEXT, open.to_string().as_bytes())).await;
    let (_, opened) = page.frame().await?;
    let opened: PageFrame = serde_json::from_slice(&opened).ok()?;
    let scene = opened.scene.parse().ok()?;
    let waiting = WaitingScene::new(scene, &opened);
    state.codes.add(ShownCode { scene, url: opened.qr.url });
    let ping = frame_of(FIN | PING, &[b'?'; 125]);
    while page.send(&ping).await {
        tokio::time::sleep(PING_INTERVAL).await;
    }
    state.ledger().count_problem(CUT);
    Some(waiting)
}
