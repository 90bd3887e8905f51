//! A login, whichever way its phone came to it: which transition a scan asks for, and what is stored and told to the
//! site when the person is logged in.

use scenecast_bus::StoreError;
use scenecast_metrics::{Stage, Stages};
use scenecast_scene::{
    Acceptance, AccountName, DeliveryId, Grant, GrantSecrets, NumberChallenge, OpenId, PageInfo, Person, Rotating,
    SceneId, SceneState, Secret, Settled, Transition,
};
use scenecast_service::config::Seconds;
use tokio::time::Instant;

use crate::{
    config::Confirmation,
    retry::{RetryError, ask_store},
    stores::{User, Users, WebhookEventKind},
    webhooks::{UserEvent, WebhookPublisher},
};

/// The grant of this person's login on this scene. It follows from the deployment's secret and the account's secret at
/// WeChat, so that each pod computes the same one.
pub(crate) fn grant(deployment: &Rotating, account: &Secret, scene: SceneId, person: &OpenId) -> Grant {
    Grant::derive(GrantSecrets { deployment: &deployment.current, account }, scene, person)
}

/// A person's consent to a login.
pub(crate) fn acceptance(grant: Grant, person: Person, life: Seconds, typed: bool, user: Option<&User>) -> Acceptance {
    Acceptance { person, grant, life: life.duration(), typed, registered: user.is_some_and(|user| user.registered) }
}

/// The transition that a scan asks for, by what makes a scan a login.
pub(crate) fn transition_of_scan(confirmation: Confirmation, account: AccountName, login: Acceptance) -> Transition {
    match confirmation {
        Confirmation::Tap => Transition::Scan { account, person: login.person, numbers: None },
        Confirmation::Number => {
            Transition::Scan { account, person: login.person, numbers: Some(NumberChallenge::random()) }
        }
        Confirmation::None => Transition::LogIn { account, login },
    }
}

/// Counts the stage that a scene has come to, if this settle changed it.
pub(crate) fn count_stage(stages: &Stages, settled: &Settled) {
    let Settled::Applied(snapshot) = settled else { return };
    stages.count(match snapshot.state {
        SceneState::Scanned => Stage::Scanned,
        SceneState::Confirmed => Stage::Confirmed,
        SceneState::Declined => Stage::Declined,
        SceneState::Redeemed => Stage::Redeemed,
        SceneState::Cancelled => Stage::Cancelled,
        SceneState::Open | SceneState::Expired => return,
    });
}

/// The scene's name for the site: the name that the page chose, if it chose one.
pub(crate) fn scene_name(scene: SceneId, page: &PageInfo) -> String {
    page.chosen_id.as_ref().map_or_else(|| scene.to_string(), ToString::to_string)
}

/// A login that is settled. The page has it, whatever becomes of the rest.
pub(crate) struct CompletedLogin<'a> {
    pub(crate) person: &'a Person,
    pub(crate) webhooks: &'a WebhookPublisher,
    pub(crate) delivery: DeliveryId,
    /// When the delivery arrived, in unix milliseconds.
    pub(crate) received_at: u64,
    pub(crate) scene: SceneId,
    pub(crate) page: &'a PageInfo,
    /// The person's record, as it was read just now.
    pub(crate) user: Option<&'a User>,
    /// How many logins this makes, if it was counted when it was settled.
    pub(crate) counted: Option<u64>,
}

impl CompletedLogin<'_> {
    /// Counts the login and publishes its event by this deadline; answers how many logins that makes. After an error
    /// the caller has to do this again: the same delivery is one login, and its event has one id.
    pub(crate) async fn record(&self, users: &Users, deadline: Instant) -> Result<Option<u64>, RetryError<StoreError>> {
        if self.counted.is_some() && !self.webhooks.has_site() {
            return Ok(self.counted);
        }
        let (logins, published) = tokio::join!(self.count(users, deadline), self.publish(deadline));
        published?;
        logins
    }

    async fn count(&self, users: &Users, deadline: Instant) -> Result<Option<u64>, RetryError<StoreError>> {
        if self.counted.is_some() {
            return Ok(self.counted);
        }
        let Person { account, openid, .. } = self.person;
        let count = |user: &mut User| user.count_login(self.delivery, self.received_at);
        let counted =
            ask_store(deadline, || users.upsert_from(account, openid, self.user, self.received_at, count)).await;
        Ok(self.skip_unreadable(counted)?.map(|(_, logins)| logins))
    }

    /// Publishes the event with the record that follows from what was read, so that the event needn't wait until the
    /// login is counted: WeChat waits for both.
    async fn publish(&self, deadline: Instant) -> Result<(), RetryError<StoreError>> {
        let Person { openid, unionid, profile, .. } = self.person;
        let mut user = self.user.cloned().unwrap_or_else(|| User::first_seen(self.received_at));
        user.set_profile(unionid.clone(), profile.clone(), self.received_at);
        user.count_login(self.delivery, self.received_at);
        let scene = scene_name(self.scene, self.page);
        let kind = WebhookEventKind::LoggedIn;
        let event = UserEvent { kind, delivery: self.delivery, openid, user: &user, scene: Some(&scene) };
        let published = ask_store(deadline, || self.webhooks.publish(event)).await;
        self.skip_unreadable(published).map(|_| ())
    }

    /// The answer; `None` if the stored value can't be read. Such a value stays as it is, and the login goes on
    /// without.
    fn skip_unreadable<T>(
        &self,
        answer: Result<T, RetryError<StoreError>>,
    ) -> Result<Option<T>, RetryError<StoreError>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(RetryError::Failed(error @ StoreError::Malformed { .. })) => {
                log_unreadable(&self.person.account, &self.person.openid, &error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Says that a stored value can't be read, and that the person's login goes on without it.
pub(crate) fn log_unreadable(account: &AccountName, openid: &OpenId, error: &StoreError) {
    tracing::error!(
        %account, who = openid.short(), %error,
        "a stored value of this person can't be read, and the login goes on without it; delete the value in Redis, or \
         find out which software wrote it"
    );
}
