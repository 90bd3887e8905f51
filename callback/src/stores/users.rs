//! What is known of the people who follow an account or log in with it.

use std::{sync::OnceLock, time::Duration};

use scenecast_bus::{Replacement, Store, StoreError};
use scenecast_scene::{AccountName, DeliveryId, OpenId, Profile};
use scenecast_wechat::read_unionid;
use serde::{Deserialize, Serialize};

use super::record_forecast::RecordForecast;

/// How many counted deliveries are remembered: more than one person can scan within the seconds in which WeChat may
/// deliver a message again.
const REMEMBERED: usize = 8;

/// The record of one person. The openid is only in the key of the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// When WeChat first told us about the person, in unix milliseconds.
    pub first_seen: u64,
    /// Whether the person follows the account; `None` if WeChat hasn't said.
    pub follow: Option<FollowState>,
    /// Whether the site says that the person is registered there.
    pub registered: bool,
    /// How often the person has logged in.
    pub logins: u64,
    /// When the person last logged in, in unix milliseconds.
    pub last_login: Option<u64>,
    /// The person's id across the accounts of one Open Platform. Version 0.2 could store an empty one.
    #[serde(default, deserialize_with = "read_unionid")]
    pub unionid: Option<String>,
    /// Name and picture, as WeChat told them last.
    #[serde(rename = "told")]
    pub wechat_profile: Option<WechatProfile>,
    /// The deliveries of the last logins, the oldest first.
    counted: Vec<DeliveryId>,
}

/// What WeChat last said about whether a person follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowState {
    pub follows: bool,
    /// The `CreateTime` of WeChat's message, in unix seconds.
    pub since: u64,
}

/// What WeChat tells about a person's looks. It has mostly told nothing since 2021-12-27.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WechatProfile {
    /// Name and picture, as WeChat spells them.
    pub profile: Profile,
    /// When WeChat was asked, in unix milliseconds.
    pub at: u64,
}

impl User {
    /// The record of a person whom WeChat tells us about for the first time, at this unix time in milliseconds.
    pub fn first_seen(now: u64) -> Self {
        Self {
            first_seen: now,
            follow: None,
            registered: false,
            logins: 0,
            last_login: None,
            unionid: None,
            wechat_profile: None,
            counted: vec![],
        }
    }

    /// Parses a stored record.
    pub fn from_text(stored: Option<&str>) -> Result<Option<Self>, StoreError> {
        let user = stored.map(serde_json::from_str).transpose();
        user.map_err(|_| StoreError::malformed("user"))
    }

    /// A message with this `CreateTime` says that the person follows. The message may arrive late: a message that is
    /// older than what is stored changes nothing.
    pub fn set_followed(&mut self, created: u64) {
        self.update_follow(FollowState { follows: true, since: created });
    }

    /// A message with this `CreateTime` says that the person doesn't follow any more. WeChat's terms ask us then to
    /// delete what it told about the person.
    pub fn set_unfollowed(&mut self, created: u64) {
        self.update_follow(FollowState { follows: false, since: created });
        if !self.may_keep_profile() {
            self.wechat_profile = None;
            self.unionid = None;
        }
    }

    /// Takes over the newer state. If two messages have the same second, the unfollow wins, in whichever order they
    /// arrive.
    fn update_follow(&mut self, new: FollowState) {
        let order = |follow: &FollowState| (follow.since, !follow.follows);
        if self.follow.is_none_or(|stored| order(&stored) < order(&new)) {
            self.follow = Some(new);
        }
    }

    /// Whether what WeChat tells about the person may be kept.
    fn may_keep_profile(&self) -> bool {
        self.follow.is_none_or(|follow| follow.follows)
    }

    /// Counts the login of this delivery, and answers how many logins that makes. The same delivery again changes
    /// nothing and has the same answer.
    pub fn count_login(&mut self, delivery: DeliveryId, now: u64) -> u64 {
        if let Some(later) = self.counted.iter().rev().position(|counted| *counted == delivery) {
            return self.logins.saturating_sub(later as u64);
        }
        self.logins += 1;
        self.last_login = Some(now);
        self.counted.push(delivery);
        if self.counted.len() > REMEMBERED {
            self.counted.remove(0);
        }
        self.logins
    }

    /// The site says whether the person is registered there.
    pub fn set_registered(&mut self, registered: bool) {
        self.registered = registered;
    }

    /// Keeps what WeChat tells about the person, unless they don't follow any more.
    pub fn set_profile(&mut self, unionid: Option<String>, profile: Profile, now: u64) {
        if self.may_keep_profile() {
            self.unionid = unionid.or(self.unionid.take());
            self.wechat_profile = Some(WechatProfile { profile, at: now });
        }
    }
}

/// What is known of the record of somebody who sent a message: what was read, or the guess that there is none.
#[derive(Debug)]
pub struct StoredUser(OnceLock<Option<User>>);

impl StoredUser {
    /// Nothing was read; there is probably no record.
    pub fn guessed_none() -> Self {
        Self(OnceLock::new())
    }

    /// This was read; `None` if there is no record.
    pub fn read(user: Option<User>) -> Self {
        Self(user.into())
    }

    /// Whether nothing was read.
    pub fn is_guess(&self) -> bool {
        self.0.get().is_none()
    }

    /// The record; `None` if there is none, or none is guessed.
    pub fn user(&self) -> Option<&User> {
        self.0.get()?.as_ref()
    }

    /// This is stored, in place of a guess. What was read stays.
    pub fn correct(&self, user: Option<User>) {
        let _ = self.0.set(user);
    }
}

impl Default for StoredUser {
    fn default() -> Self {
        Self::read(None)
    }
}

/// The records of all people. Clones share them.
#[derive(Debug, Clone)]
pub struct Users {
    store: Store,
    life: Option<Duration>,
    forecast: RecordForecast,
}

impl Users {
    /// How long a record is kept after its last change.
    pub const LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// The records in this store. A record is kept for `life` after its last change, or for ever.
    pub fn new(store: Store, life: Option<Duration>) -> Self {
        Self { store, life, forecast: RecordForecast::default() }
    }

    /// The record of this person, for a site. It doesn't come from a Redis server that has been replaced, nor does `None`.
    pub async fn find_current(&self, account: &AccountName, openid: &OpenId) -> Result<Option<User>, StoreError> {
        User::from_text(self.store.find_current(&key(account, openid)).await?.as_deref())
    }

    /// The record of this person, to be changed or shown. It may be older than the one that counts.
    pub async fn find(&self, account: &AccountName, openid: &OpenId) -> Result<Option<User>, StoreError> {
        User::from_text(self.store.get(&key(account, openid)).await?.as_deref())
    }

    /// Whether the people who log in now have a record.
    pub fn forecast(&self) -> &RecordForecast {
        &self.forecast
    }

    /// Changes a record, or makes a new one that is first seen now (in unix milliseconds). Answers the changed record
    /// and what `change` answers. `change` may be called more than once, also on its own outcome.
    pub async fn upsert<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        now: u64,
        change: impl FnMut(&mut User) -> T + Send,
    ) -> Result<(User, T), StoreError> {
        let stored = self.store.get(&key(account, openid)).await?;
        self.upsert_stored(account, openid, stored, now, change).await
    }

    /// The same for a record that the caller has just read. If nobody has changed it since, this takes one round trip
    /// to Redis less.
    pub async fn upsert_from<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        read: Option<&User>,
        now: u64,
        change: impl FnMut(&mut User) -> T + Send,
    ) -> Result<(User, T), StoreError> {
        self.upsert_stored(account, openid, read.map(to_text), now, change).await
    }

    async fn upsert_stored<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        stored: Option<String>,
        now: u64,
        mut change: impl FnMut(&mut User) -> T + Send,
    ) -> Result<(User, T), StoreError> {
        let updated = self.update(account, openid, stored, |user| {
            let mut user = user.unwrap_or_else(|| User::first_seen(now));
            let answer = change(&mut user);
            Some((user, answer))
        });
        updated.await.map(|updated| updated.expect("the closure always gives a record"))
    }

    /// Changes a record that exists, for a site, and answers the changed record; `None` if there is no record. `None` is as
    /// final as that of [`Users::find_current`], and a failover doesn't lose the change.
    pub async fn change(
        &self,
        account: &AccountName,
        openid: &OpenId,
        mut change: impl FnMut(&mut User) + Send,
    ) -> Result<Option<User>, StoreError> {
        let stored = self.store.find(&key(account, openid)).await?;
        let changed = self.update(account, openid, stored, |user| {
            let mut user = user?;
            change(&mut user);
            Some((user, ()))
        });
        let changed = changed.await?.map(|(user, ())| user);
        if changed.is_some() {
            // Waits for the replicas, which have the change then, too.
            self.store.find_current(&key(account, openid)).await?;
        }
        Ok(changed)
    }

    /// The record of this person after a change, in place of the one that was read just now, or of none, which may be a guess.
    /// Also what `change` answers. A record that is new is first seen now (in unix milliseconds).
    pub fn replacement<T>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        stored: &StoredUser,
        now: u64,
        change: impl FnOnce(&mut User) -> T,
    ) -> (Replacement, T) {
        let read = stored.user();
        let mut user = read.cloned().unwrap_or_else(|| User::first_seen(now));
        let answer = change(&mut user);
        let name = key(account, openid);
        let is_guess = stored.is_guess();
        (Replacement { name, read: read.map(to_text), is_guess, value: to_text(&user), life: self.life }, answer)
    }

    async fn update<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        stored: Option<String>,
        mut change: impl FnMut(Option<User>) -> Option<(User, T)> + Send,
    ) -> Result<Option<(User, T)>, StoreError> {
        let update = |stored: Option<&str>| match User::from_text(stored).map(&mut change) {
            Ok(Some((user, answer))) => (Some(to_text(&user)), Ok(Some((user, answer)))),
            Ok(None) => (stored.map(str::to_owned), Ok(None)),
            Err(error) => (stored.map(str::to_owned), Err(error)),
        };
        self.store.update_from(&key(account, openid), stored, self.life, update).await?
    }
}

fn to_text(user: &User) -> String {
    serde_json::to_string(user).expect("a user has string keys only")
}

fn key(account: &AccountName, openid: &OpenId) -> String {
    format!("user:{account}:{openid}")
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
