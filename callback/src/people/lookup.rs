//! Who the people of an account are: from our record, or else from what WeChat tells.

use std::time::Duration;

use scenecast_scene::{
    AccountName, Language, OpenId, Person, Profile,
    time::{millis, unix_now_ms},
};
use scenecast_wechat::{ApiError, ErrorCode, UserInfo};
use tracing::Instrument;

use super::profile::{profile, stored_profile};
use crate::{
    stores::{User, Users},
    wechat::{CallError, OfficialAccountApi},
};

/// How long we use what WeChat told before we ask again.
const PROFILE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks up the people of one account. Clones share the records.
#[derive(Clone)]
pub(crate) struct People {
    pub(crate) account: AccountName,
    pub(crate) api: OfficialAccountApi,
    pub(crate) users: Users,
    /// How long a login waits for WeChat's answer. WeChat is never asked if it is zero.
    pub(crate) wait: Duration,
    /// The language of generated names.
    pub(crate) language: Language,
}

impl People {
    /// Who this is. A login never fails because WeChat doesn't answer within the wait. A look-up that takes longer goes
    /// on, and the next login uses its answer.
    pub(crate) async fn person(&self, openid: &OpenId, user: Option<&User>) -> Person {
        let is_fresh = |at: u64| unix_now_ms().saturating_sub(at) < millis(PROFILE_LIFE);
        let info = match user.and_then(|user| user.wechat_profile.as_ref()) {
            Some(stored) if is_fresh(stored.at) => None,
            _ if self.wait.is_zero() => None,
            _ => self.look_up(openid).await,
        };
        let unionid = info.as_ref().and_then(|info| info.unionid.clone());
        Person {
            account: self.account.clone(),
            openid: openid.clone(),
            unionid: unionid.or_else(|| user?.unionid.clone()),
            profile: match info {
                Some(info) => profile(openid, &info, self.language),
                None => self.stored_profile(openid, user),
            },
        }
    }

    /// How a person is shown, by our record only.
    pub(crate) fn stored_profile(&self, openid: &OpenId, user: Option<&User>) -> Profile {
        stored_profile(openid, user, self.language)
    }

    async fn look_up(&self, openid: &OpenId) -> Option<UserInfo> {
        let people = self.clone();
        let openid = openid.clone();
        let asking = tokio::spawn(async move { people.ask_wechat(openid).await }.in_current_span());
        tokio::time::timeout(self.wait, asking).await.ok()?.ok()?
    }

    async fn ask_wechat(self, openid: OpenId) -> Option<UserInfo> {
        let info = match self.api.user_info(&openid).await {
            Ok(info) => info,
            // WeChat would answer the same next time. So we keep an empty answer, and don't ask again today.
            Err(CallError::Answer(error)) if is_final(&error) => {
                tracing::warn!(
                    account = %self.account, who = openid.short(), %error,
                    "WeChat tells nothing about a person; the person gets a generated name"
                );
                UserInfo::default()
            }
            Err(CallError::NotMade(_)) => return None,
            Err(error) => {
                tracing::warn!(
                    account = %self.account, who = openid.short(), %error,
                    "could not ask WeChat about a person; the next login asks again"
                );
                return None;
            }
        };
        // The login doesn't wait until the record is written.
        tokio::spawn(self.keep(openid, info.clone()).in_current_span());
        Some(info)
    }

    async fn keep(self, openid: OpenId, info: UserInfo) {
        let now = unix_now_ms();
        let kept = self.users.upsert(&self.account, &openid, now, |user| {
            let profile = Profile { name: info.nickname.clone(), avatar: info.headimgurl.clone() };
            user.set_profile(info.unionid.clone(), profile, now);
        });
        if let Err(error) = kept.await {
            tracing::warn!(
                account = %self.account, who = openid.short(), %error,
                "could not store what WeChat told about a person; the next login asks WeChat again"
            );
        }
    }
}

fn is_final(error: &ApiError) -> bool {
    let ApiError::Refused { code, .. } = error else { return false };
    matches!(code, ErrorCode::Forbidden | ErrorCode::NoSuchPerson | ErrorCode::Mistake | ErrorCode::Other(_))
}
