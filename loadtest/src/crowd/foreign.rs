//! Pages that were written for another server, on the path socket: each waits where it is, and is lost if that goes
//! before its scene ends.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use reqwest::StatusCode;
use serde::Deserialize;
use tokio::{task::JoinSet, time::timeout};

use super::{Here, Phones, board::Shown, page::now, site::Handed};
use crate::visitor::{Said, Socket, Visitor};

/// Whoever sees no code has the page load its picture again after this.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a page may take until it shows a code, …
const SHOWN_WITHIN: Duration = Duration::from_secs(30);
/// … and a login until its grant is to be had.
const RESULT_WITHIN: Duration = Duration::from_secs(30);

/// Some of them at one gateway.
#[derive(Debug)]
pub struct Foreign {
    here: Arc<Here>,
    codes: Vec<Shown>,
    pages: JoinSet<bool>,
}

impl Foreign {
    pub(super) async fn gather(here: &Arc<Here>, gateway: SocketAddr, pages: u32, phones: &Phones) -> Self {
        let (mut codes, mut waiting) = (vec![], JoinSet::new());
        for nth in 0..pages {
            let page = Page::open(nth, gateway).await;
            let looking = async {
                loop {
                    match phones.read(&page.picture(gateway).await) {
                        Some(code) => return code,
                        None => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
                    }
                }
            };
            let code = timeout(SHOWN_WITHIN, looking).await.expect("a page of a compatible route shows a code");
            waiting.spawn(page.logs_in(here.clone(), code.clone()));
            codes.push(code);
        }
        Self { here: here.clone(), codes, pages: waiting }
    }

    /// Somebody scans each of them.
    pub fn are_scanned(&mut self, phones: &Phones) {
        for code in self.codes.drain(..) {
            phones.scan_one(&self.here, code);
        }
    }

    /// How many were there until they had logged in, once none waits any more.
    pub async fn logged_in(self) -> usize {
        self.pages.join_all().await.into_iter().filter(|logged_in| *logged_in).count()
    }
}

/// One of them.
struct Page {
    browser: Visitor,
    id: String,
    socket: Socket,
}

impl Page {
    /// Waits at this gateway.
    async fn open(nth: u32, gateway: SocketAddr) -> Self {
        let (browser, id) = (Visitor::default(), format!("17{nth:08}"));
        let socket = browser.connect(&format!("ws://{gateway}/wx/websocket/{id}")).await;
        let socket = socket.expect("a gateway that is ready takes connections");
        Self { browser, id, socket }
    }

    /// What it shows.
    async fn picture(&self, gateway: SocketAddr) -> String {
        let picture = self.browser.get(&format!("http://{gateway}/wx/qrcode/{}", self.id)).await.text().await;
        picture.unwrap_or_default()
    }

    /// Whether it was there until its login came, and its scene was over then.
    async fn logs_in(mut self, here: Arc<Here>, Shown { scene, .. }: Shown) -> bool {
        // All that it learns there is a name.
        let Said::Text(_) = self.socket.hear().await else { return false };
        here.ledger().heard(scene, now());
        let is_over = self.socket.hear().await == Said::Closed(1000);
        if let Some(grant) = self.result(&here).await {
            let redemption = here.venue.site.redeem(&Handed { scene, grant, state: None }).await;
            here.ledger().redeemed(scene, redemption);
        }
        is_over
    }

    /// The grant, which any gateway gives to its browser; as long as none does, it is asked for again.
    async fn result(&self, here: &Here) -> Option<String> {
        let asking = async {
            loop {
                match self.ask_for_result(here).await {
                    Some(grant) => return grant,
                    None => tokio::time::sleep(LOOK_AGAIN_AFTER).await,
                }
            }
        };
        timeout(RESULT_WITHIN, asking).await.ok()
    }

    async fn ask_for_result(&self, here: &Here) -> Option<String> {
        #[derive(Deserialize)]
        struct Login {
            #[serde(rename = "phoneIme")]
            grant: String,
        }
        let gateway = here.venue.gateways.pick().await;
        let answer = self.browser.get(&format!("http://{gateway}/wx/result/{}", self.id)).await;
        if answer.status() != StatusCode::OK {
            return None;
        }
        Some(answer.json::<Login>().await.ok()?.grant)
    }
}
