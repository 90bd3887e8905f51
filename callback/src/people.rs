//! Who the people of an account are: by our record of them, or else by what WeChat tells.

use std::time::Duration;

use scenecast_shared::{
    scene::{AccountName, Language, OpenId, Person, Profile},
    store::{User, Users},
    time::{millis, unix_now_ms},
    wechat::{ApiError, Code, UserInfo},
};
use tracing::Instrument;

use crate::{
    profile::{profile, profile_on_record},
    wechat::{Api, CallError},
};

/// How long what WeChat told is good for.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The people of one account. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) account: AccountName,
    pub(crate) api: Api,
    pub(crate) users: Users,
    /// How long anybody waits for WeChat; nobody ever asks if it is zero.
    pub(crate) wait: Duration,
    /// In which names are generated.
    pub(crate) language: Language,
}

impl People {
    /// Who this is, as known. A login never fails for what WeChat doesn't tell within the wait; a
    /// look-up that takes longer goes on, for the next one.
    pub(crate) async fn person(&self, openid: &OpenId, known: Option<&User>) -> Person {
        let is_fresh = |at: u64| unix_now_ms().saturating_sub(at) < millis(FRESH);
        let told = match known.and_then(|user| user.told.as_ref()) {
            Some(told) if is_fresh(told.at) => None,
            _ if self.wait.is_zero() => None,
            _ => self.look_up(openid).await,
        };
        let unionid = told.as_ref().and_then(|told| told.unionid.clone());
        Person {
            account: self.account.clone(),
            openid: openid.clone(),
            unionid: unionid.or_else(|| known?.unionid.clone()),
            profile: match told {
                Some(told) => profile(openid, &told, self.language),
                None => self.shown(openid, known),
            },
        }
    }

    /// How they are shown, as far as is on record.
    pub(crate) fn shown(&self, openid: &OpenId, known: Option<&User>) -> Profile {
        profile_on_record(openid, known, self.language)
    }

    async fn look_up(&self, openid: &OpenId) -> Option<UserInfo> {
        let (this, openid) = (self.clone(), openid.clone());
        let asking = tokio::spawn(async move { this.ask(openid).await }.in_current_span());
        tokio::time::timeout(self.wait, asking).await.ok()?.ok()?
    }

    async fn ask(self, openid: OpenId) -> Option<UserInfo> {
        let told = match self.api.user_info(&openid).await {
            Ok(told) => told,
            // It will say the same next time.
            Err(CallError::Answer(error)) if says_the_same_next_time(&error) => {
                tracing::warn!(who = openid.short(), %error, "WeChat tells nothing of somebody");
                UserInfo::default()
            }
            Err(CallError::NotMade(_)) => return None,
            Err(error) => {
                tracing::warn!(who = openid.short(), %error, "could not look somebody up");
                return None;
            }
        };
        // Whoever waits for the answer needn't wait for this.
        tokio::spawn(self.keep(openid, told.clone()).in_current_span());
        Some(told)
    }

    async fn keep(self, openid: OpenId, told: UserInfo) {
        let now = unix_now_ms();
        let kept = self.users.meet(&self.account, &openid, now, |user| {
            let profile = Profile { name: told.nickname.clone(), avatar: told.headimgurl.clone() };
            user.profile_told(told.unionid.clone(), profile, now);
        });
        if let Err(error) = kept.await {
            tracing::warn!(who = openid.short(), %error, "could not keep what WeChat told of somebody");
        }
    }
}

fn says_the_same_next_time(error: &ApiError) -> bool {
    let ApiError::Refused { code, .. } = error else { return false };
    matches!(code, Code::Forbidden | Code::NoSuchPerson | Code::Mistake | Code::Other(_))
}
