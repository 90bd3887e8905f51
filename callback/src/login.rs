//! A login, whichever way its phone came to it: what a scan wishes of its scene, and what is remembered
//! of the login and told to the site.

use scenecast_shared::{
    config::Seconds,
    scene::{Acceptance, AccountName, DeliveryId, Grant, Numbers, Page, Person, SceneId, Transition},
    store::{LetterKind, StoreError, User, Users},
};
use tokio::time::Instant;

use crate::{
    app::stored,
    config::Confirmation,
    site::{News, Site},
};

/// Somebody's consent to a login.
pub(crate) fn acceptance(grant: Grant, person: Person, life: Seconds, typed: bool, known: Option<&User>) -> Acceptance {
    Acceptance { person, grant, life: life.duration(), typed, registered: known.is_some_and(|user| user.registered) }
}

/// What a scan wishes where this makes it a login.
pub(crate) fn wish(confirmation: Confirmation, account: AccountName, login: Acceptance) -> Transition {
    match confirmation {
        Confirmation::Tap => Transition::Scan { account, person: login.person, numbers: None },
        Confirmation::Number => Transition::Scan { account, person: login.person, numbers: Some(Numbers::random()) },
        Confirmation::None => Transition::LogIn { account, login },
    }
}

/// What a scene is called to its site: as its page calls it, where that chose a name.
pub(crate) fn name_of(scene: SceneId, page: &Page) -> String {
    page.chosen_id.as_ref().map_or_else(|| scene.to_string(), ToString::to_string)
}

/// Somebody logged in on this scene. The page has its login, whatever becomes of this.
pub(crate) struct LoggedIn<'a> {
    /// Who.
    pub(crate) person: &'a Person,
    pub(crate) site: &'a Site,
    pub(crate) delivery: DeliveryId,
    /// In unix milliseconds.
    pub(crate) at: u64,
    pub(crate) scene: SceneId,
    pub(crate) page: &'a Page,
    /// What was found of them just now.
    pub(crate) known: Option<&'a User>,
}

impl LoggedIn<'_> {
    /// Remembers it, and tells the site, by this deadline; answers how often they have logged in by now. To be
    /// done again after an error: the same delivery is one login, and told under one id.
    pub(crate) async fn keep(&self, users: &Users, deadline: Instant) -> Result<Option<u64>, StoreError> {
        let (logins, told) = tokio::join!(self.count(users, deadline), self.tell(deadline));
        told?;
        logins
    }

    async fn count(&self, users: &Users, deadline: Instant) -> Result<Option<u64>, StoreError> {
        let Person { account, openid, .. } = self.person;
        let count = |user: &mut User| user.logged_in(self.delivery, self.at);
        let met = stored(deadline, || users.meet_again(account, openid, self.known, self.at, count)).await;
        Ok(self.readable(met)?.map(|(_, logins)| logins))
    }

    /// Tells it as it follows from what was found, so that the letter needn't wait for the count: WeChat waits for both.
    async fn tell(&self, deadline: Instant) -> Result<(), StoreError> {
        let Person { openid, unionid, profile, .. } = self.person;
        let mut user = self.known.cloned().unwrap_or_else(|| User::seen(self.at));
        user.profile_told(unionid.clone(), profile.clone(), self.at);
        user.logged_in(self.delivery, self.at);
        let scene = name_of(self.scene, self.page);
        let kind = LetterKind::LoggedIn;
        let news = News { kind, delivery: self.delivery, openid, user: &user, scene: Some(&scene) };
        let told = stored(deadline, || self.site.tell(news)).await;
        self.readable(told).map(|_| ())
    }

    /// What was answered; nothing where what is stored can't be read, which stays as it is.
    fn readable<T>(&self, answer: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ StoreError::Malformed(_)) => {
                let Person { account, openid, .. } = self.person;
                tracing::error!(%account, who = openid.short(), %error, "passed over");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
