//! What happens to people: remembered of them, counted once a delivery, and told to the site, all of
//! it before WeChat is answered. What fails is done again when WeChat delivers again, and told under the
//! same id.

use scenecast_shared::{
    scene::{Page, Person, SceneId, Standing},
    store::{LetterKind, User},
    wechat::Kind,
};

use super::{
    delivery::{Delivery, Outcome, Unfinished},
    reply::{Facts, Reply},
    scan::Scanned,
};
use crate::{
    login::{self, LoggedIn},
    phrase::Phrase,
    site::News,
};

impl Delivery<'_> {
    /// They are logged in on this scene.
    pub(super) async fn logged_in(&self, scene: SceneId, standing: &Standing) -> Outcome {
        let say = |logins| self.say_of(Phrase::LoggedIn, &Facts { scene: Some((scene, standing)), logins });
        let (page, known) = (standing.page(), self.on_record());
        let person = standing.person().unwrap_or_else(|| Person {
            account: self.account.name.clone(),
            openid: self.openid().clone(),
            unionid: None,
            profile: self.shown(),
        });
        let login = LoggedIn {
            person: &person,
            site: &self.account.site,
            delivery: self.id(),
            at: self.arrival.unix_ms,
            scene,
            page: &page,
            known: known.as_ref(),
        };
        // The page has its login, whatever becomes of the rest.
        match login.keep(&self.app.users, self.arrival.decide_by()).await {
            Ok(logins) => Ok(say(logins)),
            Err(error) => Err(Unfinished { reply: say(None), ..self.unfinished(true, &error) }),
        }
    }

    /// What is on record of them, once it is that they follow by this message.
    fn on_record(&self) -> Option<User> {
        let Kind::Subscribe(_) = self.message.kind else { return self.user.clone() };
        let mut user = self.user.clone().unwrap_or_else(|| User::seen(self.arrival.unix_ms));
        user.followed(self.message.created);
        Some(user)
    }

    /// They follow, without a login.
    pub(super) async fn follow(&self) -> Outcome {
        self.tell(LetterKind::Followed, &self.followed().await?, None).await?;
        Ok(self.say(Phrase::Welcome))
    }

    /// They scanned this scene; who didn't follow before does now.
    pub(super) async fn scan_or_follow(&self, scene: SceneId) -> Outcome {
        match self.message.kind {
            Kind::Subscribe(_) => self.follow_by_scan(scene).await,
            _ => self.scan(scene, false).await.map(|scanned| scanned.reply),
        }
    }

    async fn follow_by_scan(&self, scene: SceneId) -> Outcome {
        // At once, since what WeChat tells of them is kept only of who follows.
        let (followed, scanned) = tokio::join!(self.followed(), self.scan(scene, false));
        let Scanned { reply, page } = scanned?;
        let told = async { self.tell(LetterKind::Followed, &followed?, Some((scene, &page))).await };
        match told.await {
            Ok(()) => Ok(reply),
            Err(unfinished) => Err(Unfinished { reply, ..unfinished }),
        }
    }

    async fn followed(&self) -> Result<User, Unfinished> {
        let created = self.message.created;
        Ok(self.meet(|user| user.followed(created)).await?.0)
    }

    /// They don't follow any more, and WeChat asks that what it told of them is deleted.
    pub(super) async fn unfollow(&self) -> Outcome {
        let created = self.message.created;
        let (user, _) = self.meet(|user| user.unfollowed(created)).await?;
        self.tell(LetterKind::Unfollowed, &user, None).await?;
        Ok(Reply::Acknowledge)
    }

    /// Changes what is known of them; what can't be read stays as it is.
    async fn meet<T: Send>(
        &self,
        change: impl Fn(&mut User) -> T + Copy + Send,
    ) -> Result<(User, Option<T>), Unfinished> {
        let (now, found) = (self.arrival.unix_ms, self.user.as_ref());
        let met = self.ask(|| self.app.users.meet_again(&self.account.name, self.openid(), found, now, change)).await?;
        Ok(met.map_or_else(|| (User::seen(now), None), |(user, answer)| (user, Some(answer))))
    }

    async fn tell(&self, kind: LetterKind, user: &User, scanned: Option<(SceneId, &Page)>) -> Result<(), Unfinished> {
        let scene = scanned.map(|(scene, page)| login::name_of(scene, page));
        let news = News { kind, delivery: self.id(), openid: self.openid(), user, scene: scene.as_deref() };
        self.ask(|| self.account.site.tell(news)).await?;
        Ok(())
    }
}
