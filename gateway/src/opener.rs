//! The gateway's calls to a callback: it may write no scene itself.

use std::time::{Duration, Instant};

use scenecast_shared::{
    config::HttpUrl,
    internal,
    scene::{Claims, Page, Rotating, SceneId},
    serve::Problem,
    time::{millis, unix_now},
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// How long a call may take; WeChat's part of it is a few tenths of a second.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const ANSWER_AT_MOST: usize = 256 * 1024;

/// Calls any callback pod. Clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Opener {
    calls: Calls,
    lost: mpsc::UnboundedSender<Lost>,
}

#[derive(Debug, Clone)]
struct Calls {
    http: reqwest::Client,
    base: HttpUrl,
    secrets: Rotating,
}

/// A scene that Redis has lost.
#[derive(Debug)]
struct Lost {
    claims: Claims,
    page: Page,
    ends: Instant,
}

impl Opener {
    /// `base` is the address of the callbacks' internal listener.
    pub(crate) fn new(base: HttpUrl, secrets: Rotating) -> Self {
        let http = reqwest::Client::builder()
            .timeout(CALL_LIMIT)
            .connect_timeout(Duration::from_secs(2))
            // Sooner than the callback closes what isn't used.
            .pool_idle_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client without certificates of its own can be built");
        let calls = Calls { http, base, secrets };
        let (lost, queue) = mpsc::unbounded_channel();
        tokio::spawn(calls.clone().open_again(queue));
        Self { calls, lost }
    }

    /// Opens a scene; answers what its page shows.
    pub(crate) async fn open(&self, open: &internal::Open) -> Result<internal::Opened, Problem> {
        let answer = self.calls.post(internal::OPEN_PATH, open).await?;
        serde_json::from_slice(&answer).map_err(|_| unavailable("the callback's answer can't be read"))
    }

    /// Gives a scene up.
    pub(crate) async fn cancel(&self, scene: SceneId) -> Result<(), Problem> {
        self.calls.post(internal::CANCEL_PATH, &internal::Cancel { scene }).await.map(drop)
    }

    /// Has a lost scene opened again, together with others, as soon as that is possible.
    pub(crate) fn reopen(&self, claims: Claims, page: Page, ends: Instant) {
        // It fails only when the process ends.
        let _ = self.lost.send(Lost { claims, page, ends });
    }
}

impl Calls {
    async fn post(&self, path: &str, body: &impl Serialize) -> Result<Vec<u8>, Problem> {
        let body = serde_json::to_vec(body).expect("internal calls have string keys only");
        let signature = internal::sign(&self.secrets, unix_now(), path, &body);
        let request = self.http.post(self.base.with(path)).header(internal::HEADER, signature).body(body);
        let mut response = request.send().await.map_err(|error| {
            tracing::warn!(error = %error.without_url(), "no answer from the callback");
            unavailable("the callback gives no answer")
        })?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            answer.extend_from_slice(&chunk);
            if answer.len() > ANSWER_AT_MOST {
                return Err(unavailable("the callback's answer is too long"));
            }
        }
        if status.is_success() { Ok(answer) } else { Err(pass_on(status.as_u16(), &answer)) }
    }

    /// Opens lost scenes again, many a call, until it works or their time is over.
    async fn open_again(self, mut queue: mpsc::UnboundedReceiver<Lost>) {
        let mut lost = Vec::new();
        while queue.recv_many(&mut lost, internal::REOPEN_CHUNK).await > 0 {
            let mut pause = Duration::from_millis(100);
            loop {
                let now = Instant::now();
                lost.retain(|lost| lost.ends > now);
                let reopens: Vec<_> = lost
                    .iter()
                    .map(|Lost { claims, page, ends }| internal::Reopen {
                        scene: claims.scene,
                        account: claims.account.clone(),
                        binding: claims.binding,
                        page: page.clone(),
                        life_ms: millis(*ends - now),
                    })
                    .collect();
                match self.post(internal::REOPEN_PATH, &reopens).await {
                    Ok(_) => {
                        tracing::info!(
                            scenes = reopens.len(),
                            "pages wait for scenes that Redis didn't have; they are open"
                        );
                        break;
                    }
                    Err(problem) if problem.retry_after.is_none() => {
                        tracing::error!(
                            code = problem.code,
                            scenes = reopens.len(),
                            "lost scenes can't be opened again"
                        );
                        break;
                    }
                    Err(_) => tokio::time::sleep(pause).await,
                }
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            lost.clear();
        }
    }
}

fn unavailable(detail: &str) -> Problem {
    Problem::unavailable("callback_unavailable", detail, Duration::from_secs(2))
}

/// A callback's problem, as the page may know it.
fn pass_on(status: u16, answer: &[u8]) -> Problem {
    #[derive(Deserialize)]
    struct Answer {
        code: String,
    }
    let code = serde_json::from_slice::<Answer>(answer).map(|answer| answer.code).unwrap_or_default();
    internal::Refused::from_code(&code).map_or_else(
        || {
            tracing::error!(status, code, "the callback refused an internal call");
            unavailable("the callback refused")
        },
        internal::Refused::problem,
    )
}
