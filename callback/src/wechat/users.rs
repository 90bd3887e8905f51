//! What WeChat tells of the people who log in, remembered for a while.

use std::time::Duration;

use moka::future::Cache;
use scenecast_shared::{
    scene::OpenId,
    wechat::{ApiError, Code, UserInfo},
};
use tracing::Instrument;

use super::{api::Api, client::CallError};

/// How many people are remembered, and for how long.
const REMEMBERED: u64 = 10_000;
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// The people of one account.
#[derive(Clone)]
pub(crate) struct Users {
    api: Api,
    wait: Duration,
    known: Cache<OpenId, UserInfo>,
}

impl Users {
    /// Looks people up with `api`; nobody waits for it longer than `wait`.
    pub(crate) fn new(api: Api, wait: Duration) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { api, wait, known }
    }

    /// What WeChat tells of this person, or nothing if it doesn't within the wait: a login never
    /// fails for it. A look-up that takes longer goes on, for this person's next login.
    pub(crate) async fn look_up(&self, openid: &OpenId) -> UserInfo {
        if self.wait.is_zero() {
            return UserInfo::default();
        }
        if let Some(known) = self.known.get(openid).await {
            return known;
        }
        let (this, openid) = (self.clone(), openid.clone());
        let asking = tokio::spawn(async move { this.ask(openid).await }.in_current_span());
        tokio::time::timeout(self.wait, asking).await.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Forgets this person, as WeChat asks when somebody stops following.
    pub(crate) async fn forget(&self, openid: &OpenId) {
        self.known.invalidate(openid).await;
    }

    async fn ask(&self, openid: OpenId) -> UserInfo {
        let asked = async {
            match self.api.user_info(&openid).await {
                Err(CallError::Answer(error)) if says_the_same_next_time(&error) => {
                    tracing::warn!(who = openid.short(), %error, "WeChat tells nothing of somebody");
                    Ok(UserInfo::default())
                }
                answered => answered,
            }
        };
        match self.known.try_get_with_by_ref(&openid, asked).await {
            Ok(info) => info,
            Err(error) if matches!(*error, CallError::NotMade(_)) => UserInfo::default(),
            Err(error) => {
                let error: &CallError = &error;
                tracing::warn!(who = openid.short(), %error, "could not look somebody up");
                UserInfo::default()
            }
        }
    }
}

fn says_the_same_next_time(error: &ApiError) -> bool {
    let ApiError::Refused { code, .. } = error else { return false };
    matches!(code, Code::Forbidden | Code::NoSuchPerson | Code::Mistake | Code::Other(_))
}
