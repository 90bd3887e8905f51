//! What people do with their phones.

use scenecast_shared::{
    scene::{AccountName, OpenId},
    time::unix_now,
};

use super::{
    Outcome, Person, Simulator, lock,
    rules::qr::{BadCode, Code},
    webhook::message::Deed,
};

/// Why somebody can't do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotDo {
    /// The code isn't one of WeChat's.
    #[error("WeChat does not know this QR code")]
    UnknownCode,
    /// The code could be scanned earlier.
    #[error("this QR code has expired")]
    ExpiredCode,
    /// No account of this name is hosted.
    #[error("there is no account of this name")]
    UnknownAccount,
    /// Only a follower can write or leave.
    #[error("this person does not follow the account")]
    NotFollowing,
}

impl Simulator {
    /// Who this person is to an account.
    pub fn openid(&self, person: &Person, account: &AccountName) -> Result<OpenId, CannotDo> {
        Ok(person.openid(&self.account(account)?.settings.app_id))
    }

    /// Whether this person follows an account.
    pub fn follows(&self, person: &Person, account: &AccountName) -> Result<bool, CannotDo> {
        Ok(self.account(account)?.state().people.follows(person))
    }

    /// Scans what a QR code says. Who doesn't follow its account begins to. Done when WeChat has
    /// an answer or gives up.
    pub async fn scan(&self, person: &Person, qr_url: &str) -> Result<Outcome, CannotDo> {
        let id = qr_url.strip_prefix(self.qr_url("").as_str()).ok_or(CannotDo::UnknownCode)?;
        self.scan_id(person, id).await
    }

    pub(crate) async fn scan_id(&self, person: &Person, id: &str) -> Result<Outcome, CannotDo> {
        let Code { account, scene, ticket, .. } = self.code(id)?;
        let account = self.account(&account)?;
        let deed = {
            let now = unix_now().as_secs();
            let mut state = account.state();
            let relation = state.people.of(person, now);
            if relation.follows_since.is_some() {
                Deed::Scan { scene, ticket }
            } else {
                relation.follows_since = Some(now);
                relation.scene.clone_from(&scene);
                Deed::Subscribe { scene, ticket }
            }
        };
        Ok(self.deliver(account, person, deed).await)
    }

    pub(crate) fn code(&self, id: &str) -> Result<Code, CannotDo> {
        lock(&self.0.codes).find(id, self.now()).map_err(|bad| match bad {
            BadCode::Unknown => CannotDo::UnknownCode,
            BadCode::Expired => CannotDo::ExpiredCode,
        })
    }

    /// Writes to an account.
    pub async fn say(&self, person: &Person, account: &AccountName, text: &str) -> Result<Outcome, CannotDo> {
        let account = self.account(account)?;
        account.state().people.of(person, unix_now().as_secs()).follows_since.ok_or(CannotDo::NotFollowing)?;
        let deed = Deed::Text { content: text.to_owned(), id: self.message_id() };
        Ok(self.deliver(account, person, deed).await)
    }

    /// Leaves an account. Whatever it answers, nothing is shown.
    pub async fn unfollow(&self, person: &Person, account: &AccountName) -> Result<Outcome, CannotDo> {
        let account = self.account(account)?;
        account.state().people.of(person, unix_now().as_secs()).follows_since.take().ok_or(CannotDo::NotFollowing)?;
        Ok(self.deliver(account, person, Deed::Unsubscribe).await)
    }
}
