//! The site's backend. It redeems the grants of its pages, and repeats a request until it gets a final answer.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use reqwest::{StatusCode, header::RETRY_AFTER};
use scenecast_scene::{OpenId, SceneId};
use scenecast_service::config::defaults;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::ready_pods::ReadyPods;
use crate::ledger::Redemption;

/// The time limit for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The pause before a repeat, if the answer names none.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_millis(500);
/// How many grants are redeemed again at a time.
const REDEEM_AGAIN_AT_ONCE: usize = 16;

#[derive(Debug)]
pub struct SiteBackend {
    callbacks: ReadyPods,
    api_key: String,
    http: reqwest::Client,
    /// What may be redeemed again; `None` if nothing is kept for that.
    redeemed: Option<Mutex<Vec<(PageGrant, Instant)>>>,
}

/// A grant that a page gave to the backend.
#[derive(Debug, Clone)]
pub(crate) struct PageGrant {
    pub(crate) scene: SceneId,
    pub(crate) grant: String,
    /// The state with which the page opened its scene.
    pub(crate) state: Option<String>,
}

#[derive(Deserialize)]
struct RedeemedBody {
    openid: OpenId,
}

#[derive(Deserialize)]
struct ProblemBody {
    code: String,
}

/// The answer to one redeem request.
enum RedeemAnswer {
    Final(Redemption),
    /// The callback could not decide, for the reason with this code. Repeat after this pause.
    RetryAfter(String, Duration),
}

impl SiteBackend {
    /// A backend that redeems at the internal listeners of these callbacks.
    pub fn new(callbacks: ReadyPods, api_key: String) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build();
        let http = http.expect("the TLS library starts");
        Self { callbacks, api_key, http, redeemed: Some(Mutex::default()) }
    }

    /// The same, but it keeps nothing of what it redeemed, and so can't redeem it again. For long loads.
    pub(crate) fn forgetting(self) -> Self {
        Self { redeemed: None, ..self }
    }

    /// Redeems a grant as a new login: under a new idempotency key, repeated until the grant expires.
    pub(crate) async fn redeem(&self, grant: &PageGrant) -> Redemption {
        let idempotency_key = format!("{:032x}", rand::random::<u128>());
        let began = Instant::now();
        let ends = began + defaults::grant_life().duration();
        let mut last_code = "unanswered".to_owned();
        // Also while it waits for a callback: there may never be one again.
        while let Ok(answer) = timeout_at(ends, self.request(grant, &idempotency_key)).await {
            let pause = match answer {
                Ok(RedeemAnswer::Final(redemption)) => {
                    if let (Redemption::Of(_), Some(redeemed)) = (&redemption, &self.redeemed) {
                        redeemed.lock().push((grant.clone(), began));
                    }
                    return redemption;
                }
                Ok(RedeemAnswer::RetryAfter(code, pause)) => {
                    last_code = code;
                    pause
                }
                Err(_) => DEFAULT_RETRY_AFTER,
            };
            tokio::time::sleep(pause).await;
        }
        Redemption::Refused(last_code)
    }

    /// Redeems every grant that may still be valid once more, each under another idempotency key, and passes the
    /// results to `note`.
    pub(crate) async fn redeem_again(&self, note: impl Fn(SceneId, Redemption)) {
        let Some(redeemed) = &self.redeemed else { return };
        let mut grants = std::mem::take(&mut *redeemed.lock());
        grants.retain(|(_, redeemed)| redeemed.elapsed() < defaults::grant_life().duration());
        stream::iter(grants)
            .for_each_concurrent(REDEEM_AGAIN_AT_ONCE, async |(grant, _)| {
                note(grant.scene, self.redeem(&grant).await);
            })
            .await;
    }

    async fn request(&self, grant: &PageGrant, idempotency_key: &str) -> Result<RedeemAnswer, reqwest::Error> {
        let url = format!("http://{}/v1/redeem", self.callbacks.pick().await);
        let body = json!({ "grant": grant.grant, "state": grant.state });
        let request = self.http.post(url).bearer_auth(&self.api_key).header("idempotency-key", idempotency_key);
        let answer = request.json(&body).send().await?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        if status.is_success() {
            return Ok(RedeemAnswer::Final(Redemption::Of(answer.json::<RedeemedBody>().await?.openid)));
        }
        let code = answer.json::<ProblemBody>().await?.code;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
            return Ok(RedeemAnswer::RetryAfter(code, seconds.map_or(DEFAULT_RETRY_AFTER, Duration::from_secs)));
        }
        Ok(RedeemAnswer::Final(Redemption::Refused(code)))
    }
}
