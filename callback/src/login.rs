//! A login, whichever way its phone came to it: what a scan wishes of its scene, and what is remembered
//! of the login and told to the site.

use scenecast_shared::{
    config::Seconds,
    scene::{Acceptance, AccountName, DeliveryId, Grant, Numbers, OpenId, Page, Person, SceneId, Transition},
    store::{LetterKind, StoreError, User, Users},
};

use crate::{
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
    /// Whose openid it is.
    pub(crate) account: &'a AccountName,
    pub(crate) site: &'a Site,
    pub(crate) openid: &'a OpenId,
    pub(crate) delivery: DeliveryId,
    /// In unix milliseconds.
    pub(crate) at: u64,
    pub(crate) scene: SceneId,
    pub(crate) page: &'a Page,
    /// What was found of them just now.
    pub(crate) known: Option<&'a User>,
}

impl LoggedIn<'_> {
    /// Remembers it, and tells the site; answers how often they have logged in by now. To be done again
    /// after an error: the same delivery is one login, and told under one id.
    pub(crate) async fn keep(&self, users: &Users) -> Result<Option<u64>, StoreError> {
        let (id, now) = (self.delivery, self.at);
        let count = |user: &mut User| user.logged_in(id, now);
        let (user, logins) = match users.meet_again(self.account, self.openid, self.known, now, count).await {
            Ok((user, logins)) => (user, Some(logins)),
            // What can't be read stays as it is.
            Err(error @ StoreError::Malformed(_)) => {
                tracing::error!(account = %self.account, who = self.openid.short(), %error, "passed over");
                (User::seen(now), None)
            }
            Err(error) => return Err(error),
        };
        let scene = name_of(self.scene, self.page);
        let news =
            News { kind: LetterKind::LoggedIn, delivery: id, openid: self.openid, user: &user, scene: Some(&scene) };
        self.site.tell(news).await?;
        Ok(logins)
    }
}
