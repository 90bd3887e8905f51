//! What is known of the people who follow an account or log in with it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::scene::{AccountName, DeliveryId, OpenId, Profile};

/// Deliveries that are remembered as counted: more than one person's scans within the seconds in
/// which WeChat may deliver one again.
const REMEMBERED: usize = 8;

/// What is known of one person. The openid isn't in it, only in the name that it is stored under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// When they were first heard of, in unix milliseconds.
    pub first_seen: u64,
    /// Whether they follow the account; nothing where WeChat hasn't said.
    pub follow: Option<Follow>,
    /// Whether the site says that it has them.
    pub registered: bool,
    /// How often they have logged in.
    pub logins: u64,
    /// When they last did, in unix milliseconds.
    pub last_login: Option<u64>,
    /// Who they are across the accounts of one Open Platform.
    pub unionid: Option<String>,
    /// How WeChat says they are called and look.
    pub told: Option<Told>,
    /// The deliveries that were counted last, in their order.
    counted: Vec<DeliveryId>,
}

/// What WeChat last said of somebody's following.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// Whether they follow.
    pub follows: bool,
    /// The `CreateTime` of the message that said so, in unix seconds.
    pub since: u64,
}

/// What WeChat tells of somebody's looks, as it tells it: mostly nothing, since 2021-12-27.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Name and picture.
    pub profile: Profile,
    /// When it was asked, in unix milliseconds.
    pub at: u64,
}

impl User {
    /// Somebody who is heard of for the first time, in unix milliseconds.
    pub fn seen(now: u64) -> Self {
        Self {
            first_seen: now,
            follow: None,
            registered: false,
            logins: 0,
            last_login: None,
            unionid: None,
            told: None,
            counted: vec![],
        }
    }

    /// WeChat says, in a message of this `CreateTime`, that they follow. It may arrive late: nothing
    /// older than what is known changes anything.
    pub fn followed(&mut self, created: u64) {
        self.heard(Follow { follows: true, since: created });
    }

    /// WeChat says that they don't follow any more, and asks that what it told of them is deleted.
    pub fn unfollowed(&mut self, created: u64) {
        self.heard(Follow { follows: false, since: created });
        if !self.may_be_known() {
            (self.told, self.unionid) = (None, None);
        }
    }

    /// Of one second's messages the one that deletes is the last, in whichever order they arrive.
    fn heard(&mut self, heard: Follow) {
        let order = |follow: &Follow| (follow.since, !follow.follows);
        if self.follow.is_none_or(|known| order(&known) < order(&heard)) {
            self.follow = Some(heard);
        }
    }

    /// Whether what WeChat tells of them may be kept.
    fn may_be_known(&self) -> bool {
        self.follow.is_none_or(|follow| follow.follows)
    }

    /// This delivery logs them in; answers how many logins that makes. The same delivery again
    /// changes nothing and has the same answer.
    pub fn logged_in(&mut self, delivery: DeliveryId, now: u64) -> u64 {
        if let Some(later) = self.counted.iter().rev().position(|counted| *counted == delivery) {
            return self.logins.saturating_sub(later as u64);
        }
        (self.logins, self.last_login) = (self.logins + 1, Some(now));
        self.counted.push(delivery);
        if self.counted.len() > REMEMBERED {
            self.counted.remove(0);
        }
        self.logins
    }

    /// The site says whether it has them.
    pub fn registered(&mut self, registered: bool) {
        self.registered = registered;
    }

    /// WeChat was asked about them and told this. An answer that comes when they don't follow any
    /// more isn't kept.
    pub fn profile_told(&mut self, unionid: Option<String>, profile: Profile, now: u64) {
        if self.may_be_known() {
            self.unionid = unionid.or(self.unionid.take());
            self.told = Some(Told { profile, at: now });
        }
    }
}

/// The people of all accounts. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Users {
    store: Store,
    life: Option<Duration>,
}

impl Users {
    /// How long somebody is remembered after the last change.
    pub const LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

    /// In this store; people are remembered for `life` after the last change, or for ever.
    pub fn new(store: Store, life: Option<Duration>) -> Self {
        Self { store, life }
    }

    /// What is known of somebody.
    pub async fn find(&self, account: &AccountName, openid: &OpenId) -> Result<Option<User>, StoreError> {
        read(self.store.get(&user(account, openid)).await?.as_deref())
    }

    /// Changes what is known of somebody, who may be heard of for the first time now (in unix
    /// milliseconds); answers what is known then, and what the change answers. It may be called more
    /// than once, on its own outcome too.
    pub async fn meet<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        now: u64,
        change: impl FnMut(&mut User) -> T + Send,
    ) -> Result<(User, T), StoreError> {
        let stored = self.store.get(&user(account, openid)).await?;
        self.met(account, openid, stored, now, change).await
    }

    /// The same for somebody of whom this was found just now. Where it is still so, a step less is needed.
    pub async fn meet_again<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        found: Option<&User>,
        now: u64,
        change: impl FnMut(&mut User) -> T + Send,
    ) -> Result<(User, T), StoreError> {
        self.met(account, openid, found.map(written), now, change).await
    }

    async fn met<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        stored: Option<String>,
        now: u64,
        mut change: impl FnMut(&mut User) -> T + Send,
    ) -> Result<(User, T), StoreError> {
        let met = self.update(account, openid, stored, |user| {
            let mut user = user.unwrap_or_else(|| User::seen(now));
            let answer = change(&mut user);
            Some((user, answer))
        });
        met.await.map(|met| met.expect("somebody who is met is known"))
    }

    /// Changes what is known of somebody who is known; answers what is known then.
    pub async fn change(
        &self,
        account: &AccountName,
        openid: &OpenId,
        mut change: impl FnMut(&mut User) + Send,
    ) -> Result<Option<User>, StoreError> {
        let stored = self.store.get(&user(account, openid)).await?;
        let changed = self.update(account, openid, stored, |user| {
            let mut user = user?;
            change(&mut user);
            Some((user, ()))
        });
        Ok(changed.await?.map(|(user, ())| user))
    }

    async fn update<T: Send>(
        &self,
        account: &AccountName,
        openid: &OpenId,
        stored: Option<String>,
        mut change: impl FnMut(Option<User>) -> Option<(User, T)> + Send,
    ) -> Result<Option<(User, T)>, StoreError> {
        let update = |stored: Option<&str>| match read(stored).map(&mut change) {
            Ok(Some((user, answer))) => (Some(written(&user)), Ok(Some((user, answer)))),
            Ok(None) => (stored.map(str::to_owned), Ok(None)),
            Err(error) => (stored.map(str::to_owned), Err(error)),
        };
        self.store.update_from(&user(account, openid), stored, self.life, update).await?
    }
}

fn read(stored: Option<&str>) -> Result<Option<User>, StoreError> {
    let user = stored.map(serde_json::from_str).transpose();
    user.map_err(|_| StoreError::Malformed("user"))
}

fn written(user: &User) -> String {
    serde_json::to_string(user).expect("a user has string keys only")
}

fn user(account: &AccountName, openid: &OpenId) -> String {
    format!("user:{account}:{openid}")
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;
