//! One message on its way through: who sent it, what we know of them, and what it leads to.

use std::fmt;

use scenecast_shared::{
    bus::BusError,
    scene::{Cause, DeliveryId, OpenId, Person, Profile, SceneId, Settled, Standing, Transition},
    store::{Asked, StoreError, User},
    telemetry::traceparent,
    wechat::Message,
};
use tracing::Span;

use super::{
    Arrival,
    purpose::Purpose,
    reply::{Facts, Reply},
};
use crate::{
    accounts::Account,
    app::{App, stored},
    phrase::Phrase,
};

/// A message that is acted upon.
pub(super) struct Delivery<'a> {
    pub(super) app: &'a App,
    pub(super) account: &'a Account,
    pub(super) message: &'a Message,
    pub(super) purpose: &'a Purpose,
    pub(super) arrival: Arrival,
    /// Whoever sent it, where what it is for asks for that.
    pub(super) user: Option<User>,
    /// What they are asked about, where it may be an answer, or bring another question.
    pub(super) asked: Option<Asked>,
}

/// What came of a message.
pub(super) type Outcome = Result<Reply, Unfinished>;

/// A message wasn't done with.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// Whether doing it again may help.
    pub(super) again: bool,
    /// What is answered where it isn't done again.
    pub(super) reply: Reply,
}

impl<'a> Delivery<'a> {
    /// With nothing that is known.
    pub(super) fn new(
        app: &'a App,
        account: &'a Account,
        message: &'a Message,
        purpose: &'a Purpose,
        arrival: Arrival,
    ) -> Self {
        Self { app, account, message, purpose, arrival, user: None, asked: None }
    }

    /// With what Redis knows, as far as what the message is for asks for it.
    pub(super) async fn begin(
        app: &'a App,
        account: &'a Account,
        message: &'a Message,
        purpose: &'a Purpose,
        arrival: Arrival,
    ) -> Result<Self, Unfinished> {
        let mut delivery = Self::new(app, account, message, purpose, arrival);
        let (name, openid) = (&account.name, &message.from);
        let user = async || delivery.ask(|| app.users.find(name, openid)).await.map(Option::flatten);
        let asked = async || delivery.ask(|| app.pending.get(name, openid)).await.map(Option::flatten);
        (delivery.user, delivery.asked) = match purpose {
            Purpose::Scan(_) | Purpose::ScanCode(_) | Purpose::Code(_) if !account.settings.confirmation.asks() => {
                (user().await?, None)
            }
            Purpose::Scan(_) | Purpose::ScanCode(_) | Purpose::Code(_) | Purpose::Answer { .. } => {
                tokio::try_join!(user(), asked())?
            }
            Purpose::Follow | Purpose::Unfollow | Purpose::Write | Purpose::Event => (None, None),
        };
        Ok(delivery)
    }

    pub(super) fn openid(&self) -> &'a OpenId {
        &self.message.from
    }

    pub(super) fn id(&self) -> DeliveryId {
        self.message.delivery(&self.account.name)
    }

    /// Who sent it.
    pub(super) async fn person(&self) -> Person {
        self.account.people.person(self.openid(), self.user.as_ref()).await
    }

    /// How they are shown, as far as is on record.
    pub(super) fn shown(&self) -> Profile {
        self.account.people.shown(self.openid(), self.user.as_ref())
    }

    /// Settles by the deadline, with this message as the cause.
    pub(super) async fn settle(&self, scene: SceneId, transition: &Transition) -> Result<Settled, Unfinished> {
        let cause = Cause {
            delivery: self.id(),
            received_at: self.arrival.unix_ms,
            traceparent: traceparent(&Span::current()),
        };
        let settled = self.app.settle(scene, &cause, transition, self.arrival.decide_by()).await;
        settled.map_err(|error| {
            let again = matches!(error, BusError::Undecided(_));
            self.unfinished(again, &error)
        })
    }

    /// What a store answers by the deadline; nothing where what is stored can't be read.
    pub(super) async fn ask<T, F>(&self, ask: impl FnMut() -> F) -> Result<Option<T>, Unfinished>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        match stored(self.arrival.decide_by(), ask).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error @ StoreError::Malformed(_)) => {
                tracing::error!(account = %self.account.name, who = self.openid().short(), %error, "passed over");
                Ok(None)
            }
            Err(error) => Err(self.unfinished(true, &error)),
        }
    }

    pub(super) fn unfinished(&self, again: bool, why: &dyn fmt::Display) -> Unfinished {
        tracing::warn!(account = %self.account.name, purpose = self.purpose.word(), %why, "could not finish a message");
        Unfinished { again, reply: self.at_last() }
    }

    /// What is answered where it isn't done in time, and WeChat won't deliver it again.
    pub(super) fn at_last(&self) -> Reply {
        self.purpose.at_last().map_or(Reply::Acknowledge, |phrase| self.say(phrase))
    }

    /// One readable line of what they did about a scene.
    pub(super) fn log(&self, did: &str, scene: SceneId, outcome: Result<&Reply, &Unfinished>) {
        tracing::info!(
            account = %self.account.name,
            %scene,
            who = self.openid().short(),
            outcome = outcome.map_or("undecided", Reply::word),
            ms = self.arrival.elapsed_ms(),
            "somebody {did}"
        );
    }

    /// Says something that isn't about a scene.
    pub(super) fn say(&self, phrase: Phrase) -> Reply {
        self.say_of(phrase, &Facts::default())
    }

    /// Says something about a scene that is theirs, or anybody's.
    pub(super) fn say_about(&self, phrase: Phrase, scene: SceneId, standing: &Standing) -> Reply {
        self.say_of(phrase, &Facts { scene: Some((scene, standing)), logins: None })
    }

    /// Says something of these facts.
    pub(super) fn say_of(&self, phrase: Phrase, facts: &Facts<'_>) -> Reply {
        Reply::of(phrase, self, facts)
    }
}
