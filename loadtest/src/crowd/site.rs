//! The site's backend: redeems what its pages bring, and asks again as long as the answer may still come.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use reqwest::{StatusCode, header::RETRY_AFTER};
use scenecast_shared::{
    config::defaults,
    scene::{OpenId, SceneId},
};
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::Pods;
use crate::ledger::Redemption;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How soon it is asked again where the answer says nothing of that.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// So many are presented again at a time.
const AT_ONCE: usize = 16;

/// A site's backend.
#[derive(Debug)]
pub struct Site {
    callbacks: Pods,
    api_key: String,
    http: reqwest::Client,
    redeemed: Mutex<Vec<(Handed, Instant)>>,
}

/// What a page brings.
#[derive(Debug, Clone)]
pub(super) struct Handed {
    pub(super) scene: SceneId,
    pub(super) grant: String,
    /// What the page was opened with, if with anything.
    pub(super) state: Option<String>,
}

#[derive(Deserialize)]
struct Redeemed {
    openid: OpenId,
}

#[derive(Deserialize)]
struct Refused {
    code: String,
}

impl Site {
    /// One that redeems at any of these callbacks' internal listeners.
    pub fn new(callbacks: Pods, api_key: String) -> Self {
        let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build();
        let http = http.expect("the TLS library starts");
        Self { callbacks, api_key, http, redeemed: Mutex::default() }
    }

    /// Redeems a grant under an idempotency key of its own: again and again, as long as the grant lives.
    pub(super) async fn redeem(&self, handed: &Handed) -> Redemption {
        let (key, began) = (format!("{:032x}", rand::random::<u128>()), Instant::now());
        let mut last = "unanswered".to_owned();
        while began.elapsed() < defaults::grant_life().duration() {
            let pause = match self.ask(handed, &key).await {
                Ok(Asked::Decided(redemption)) => {
                    if matches!(redemption, Redemption::Of(_)) {
                        let mut redeemed = self.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
                        redeemed.push((handed.clone(), began));
                    }
                    return redemption;
                }
                Ok(Asked::Again(code, pause)) => {
                    last = code;
                    pause
                }
                Err(_) => AGAIN_AFTER,
            };
            tokio::time::sleep(pause).await;
        }
        Redemption::Refused(last)
    }

    /// Presents every grant that may still live once more, under another idempotency key.
    pub(super) async fn presents_again(&self, tell: impl Fn(SceneId, Redemption)) {
        let mut grants = std::mem::take(&mut *self.redeemed.lock().unwrap_or_else(PoisonError::into_inner));
        grants.retain(|(_, redeemed)| redeemed.elapsed() < defaults::grant_life().duration());
        let answers = stream::iter(grants).map(|(handed, _)| async move { (handed.scene, self.redeem(&handed).await) });
        answers
            .for_each_concurrent(AT_ONCE, async |answer| {
                let (scene, redemption) = answer.await;
                tell(scene, redemption);
            })
            .await;
    }

    async fn ask(&self, handed: &Handed, key: &str) -> Result<Asked, reqwest::Error> {
        let url = format!("http://{}/v1/redeem", self.callbacks.pick().await);
        let body = json!({ "grant": handed.grant, "state": handed.state });
        let request = self.http.post(url).bearer_auth(&self.api_key).header("idempotency-key", key).json(&body);
        let answer = request.send().await?;
        let (status, after) = (answer.status(), answer.headers().get(RETRY_AFTER).cloned());
        if status.is_success() {
            return Ok(Asked::Decided(Redemption::Of(answer.json::<Redeemed>().await?.openid)));
        }
        let code = answer.json::<Refused>().await?.code;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = after.and_then(|after| after.to_str().ok()?.parse().ok());
            return Ok(Asked::Again(code, seconds.map_or(AGAIN_AFTER, Duration::from_secs)));
        }
        Ok(Asked::Decided(Redemption::Refused(code)))
    }
}

/// What a callback said.
enum Asked {
    /// So it is.
    Decided(Redemption),
    /// Nothing is decided, for this reason; ask again so much later.
    Again(String, Duration),
}
