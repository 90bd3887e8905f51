//! Who the people of an account are: from our record, or else from what WeChat tells.

use std::time::Duration;

use scenecast_scene::{
    AccountName, Language, OpenId, Person, Profile,
    time::{millis, unix_now_ms},
};
use scenecast_wechat::{ApiError, ErrorCode, UserInfo};
use tokio::sync::oneshot;
use tracing::Instrument;

use super::profile::{profile, stored_profile};
use crate::{
    stores::{User, Users},
    wechat::{CallError, OfficialAccountApi},
};

/// How long we use what WeChat told before we ask again.
const PROFILE_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What WeChat told about a person just now. It isn't in the person's record yet.
#[derive(Debug, Clone)]
pub(crate) struct ToldByWechat {
    info: UserInfo,
    /// When WeChat was asked, in unix milliseconds.
    at: u64,
}

impl ToldByWechat {
    /// Puts it into the person's record.
    pub(crate) fn record_in(&self, user: &mut User) {
        let Self { info, at } = self;
        let profile = Profile { name: info.nickname.clone(), avatar: info.headimgurl.clone() };
        user.set_profile(info.unionid.clone(), profile, *at);
    }
}

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
    /// Whether WeChat is asked about people of whom nothing is on record.
    pub(crate) fn asks_wechat(&self) -> bool {
        !self.wait.is_zero()
    }

    /// Who this is, and what WeChat told for that, which the caller keeps. A login never fails because WeChat doesn't answer
    /// within the wait. A look-up that takes longer goes on, and the next login uses its answer.
    pub(crate) async fn person(&self, openid: &OpenId, user: Option<&User>) -> (Person, Option<ToldByWechat>) {
        let is_fresh = |at: u64| unix_now_ms().saturating_sub(at) < millis(PROFILE_LIFE);
        let told = match user.and_then(|user| user.wechat_profile.as_ref()) {
            Some(stored) if is_fresh(stored.at) => None,
            _ if !self.asks_wechat() => None,
            _ => self.look_up(openid).await,
        };
        let unionid = told.as_ref().and_then(|told| told.info.unionid.clone());
        let person = Person {
            account: self.account.clone(),
            openid: openid.clone(),
            unionid: unionid.or_else(|| user?.unionid.clone()),
            profile: match &told {
                Some(told) => profile(openid, &told.info, self.language),
                None => self.stored_profile(openid, user),
            },
        };
        (person, told)
    }

    /// How a person is shown, by our record only.
    pub(crate) fn stored_profile(&self, openid: &OpenId, user: Option<&User>) -> Profile {
        stored_profile(openid, user, self.language)
    }

    async fn look_up(&self, openid: &OpenId) -> Option<ToldByWechat> {
        let people = self.clone();
        let openid = openid.clone();
        let (tell, told) = oneshot::channel();
        let asking = async move {
            let Some(info) = people.ask_wechat(&openid).await else { return };
            // Who doesn't wait any more keeps nothing.
            if let Err(told) = tell.send(ToldByWechat { info, at: unix_now_ms() }) {
                people.keep(&openid, &told).await;
            }
        };
        tokio::spawn(asking.in_current_span());
        tokio::time::timeout(self.wait, told).await.ok()?.ok()
    }

    async fn ask_wechat(&self, openid: &OpenId) -> Option<UserInfo> {
        match self.api.user_info(openid).await {
            Ok(info) => Some(info),
            // WeChat would answer the same next time. So we keep an empty answer, and don't ask again today.
            Err(CallError::Answer(error)) if is_final(&error) => {
                tracing::warn!(
                    account = %self.account, who = openid.short(), %error,
                    "WeChat tells nothing about a person; the person gets a generated name"
                );
                Some(UserInfo::default())
            }
            Err(CallError::NotMade(_)) => None,
            Err(error) => {
                tracing::warn!(
                    account = %self.account, who = openid.short(), %error,
                    "could not ask WeChat about a person; the next login asks again"
                );
                None
            }
        }
    }

    /// Puts what WeChat told into the person's record. Nobody waits for it.
    pub(crate) fn keep_later(&self, openid: &OpenId, told: ToldByWechat) {
        let (people, openid) = (self.clone(), openid.clone());
        tokio::spawn(async move { people.keep(&openid, &told).await }.in_current_span());
    }

    async fn keep(&self, openid: &OpenId, told: &ToldByWechat) {
        let kept = self.users.upsert(&self.account, openid, told.at, |user| told.record_in(user));
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
