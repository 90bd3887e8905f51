//! One message, with what handlers need to act upon it.

use std::{fmt, sync::OnceLock};

use axum::{http::request::Parts, response::Response};
use prometheus::IntCounterVec;
use scenecast_bus::{BusError, Replacement, SceneWriter, SettledAlong, StoreError};
use scenecast_metrics::Stages;
use scenecast_scene::{
    Cause, DeliveryId, OpenId, Person, Profile, Rotating, SceneId, SceneSnapshot, Settled, Transition,
};
use scenecast_traces::{LoginSpan, ServedRequest};
use scenecast_wechat::{Message, MessageKind};
use tracing::{Span, field::display};

use super::{arrival::Arrival, purpose::Purpose};
use crate::{
    accounts::Account,
    login::log_unreadable,
    people::ToldByWechat,
    phone::{GeoDatabase, Phrase, Reply, ReplyFacts, ReplyWriter},
    request::public_span,
    retry::{self, RetryError},
    stores::{GuessLimiter, PendingQuestion, PendingQuestions, StoredUser, TypedCodes, User, Users},
};

/// What acting upon messages needs.
pub(crate) struct DeliveryServices {
    pub(crate) bus: SceneWriter,
    /// The deployment's secret, for grants.
    pub(crate) secret: Rotating,
    pub(crate) users: Users,
    pub(crate) questions: PendingQuestions,
    pub(crate) codes: TypedCodes,
    pub(crate) guesses: GuessLimiter,
    pub(crate) geo_database: Option<GeoDatabase>,
    pub(crate) stages: Stages,
    /// By `result`.
    pub(crate) typed_codes: IntCounterVec,
}

/// One message that WeChat has delivered.
pub(super) struct Delivery<'a> {
    pub(super) services: &'a DeliveryServices,
    pub(super) account: &'a Account,
    pub(super) message: &'a Message,
    pub(super) purpose: &'a Purpose,
    pub(super) arrival: Arrival,
    pub(super) stored: StoredFacts,
    request: &'a Parts,
    /// Begins when it is known which scene this is about.
    span: OnceLock<LoginSpan>,
}

/// What Redis has about the sender, if the message's purpose needs it.
#[derive(Default)]
pub(super) struct StoredFacts {
    pub(super) user: StoredUser,
    /// The last question to the sender.
    pub(super) question: Option<PendingQuestion>,
}

/// The reply to a message that was acted upon.
pub(super) type HandlerResult = Result<Reply, UnfinishedDelivery>;

/// What the message asks for could not be done.
#[derive(Debug)]
pub(super) struct UnfinishedDelivery {
    /// Whether WeChat should deliver the message again.
    pub(super) retry: bool,
    /// The reply if WeChat won't deliver it again.
    pub(super) reply: Reply,
}

impl<'a> Delivery<'a> {
    /// A message about whose sender nothing was read yet.
    pub(super) fn new(
        services: &'a DeliveryServices,
        account: &'a Account,
        message: &'a Message,
        purpose: &'a Purpose,
        arrival: Arrival,
        request: &'a Parts,
    ) -> Self {
        let (stored, span) = (StoredFacts::default(), OnceLock::new());
        Self { services, account, message, purpose, arrival, stored, request, span }
    }

    /// The message is about this scene.
    pub(super) fn is_about(&self, scene: SceneId) {
        Span::current().record("scene", display(scene));
        self.span.get_or_init(|| {
            let path = self.request.uri.path();
            let route = if path.starts_with("/wechat/") { "/wechat/{account}" } else { "/{path}" };
            let request = ServedRequest { route, path, arrived: self.arrival.system_time() };
            let span = public_span(scene, &request, &self.request.headers);
            if span.is_traced() {
                span.set("scenecast.account", self.account.name.to_string());
                span.set("scenecast.purpose", self.purpose.as_str());
            }
            span
        });
    }

    /// The message got this answer, or none.
    pub(super) fn ends(self, outcome: &'static str, response: Option<&Response>) {
        if let Some(span) = self.span.get() {
            span.set("scenecast.outcome", outcome);
            span.answered(response.map(|response| response.status().as_u16()));
        }
    }

    pub(super) fn openid(&self) -> &'a OpenId {
        &self.message.from
    }

    pub(super) fn id(&self) -> DeliveryId {
        self.message.delivery_id(&self.account.name)
    }

    /// Whether the account asks a person who has scanned. Otherwise the scan is the login.
    pub(super) fn asks_for_confirmation(&self) -> bool {
        self.account.settings.confirmation.asks()
    }

    /// Whether to settle a login as if the sender had no record. Where WeChat is asked about such people, it has to be known
    /// before. And a message that says that its sender follows makes a record itself, at the same time.
    pub(super) fn may_guess_no_record(&self) -> bool {
        let services = self.services;
        services.users.forecast().expects_none()
            && services.bus.settles_along()
            && !self.account.people.asks_wechat()
            && !self.says_that_the_sender_follows()
    }

    fn says_that_the_sender_follows(&self) -> bool {
        matches!(self.message.kind, MessageKind::Subscribe(_))
    }

    /// Who the sender is; may ask WeChat. What it told has to be kept.
    pub(super) async fn person(&self) -> (Person, Option<ToldByWechat>) {
        self.account.people.person(self.openid(), self.stored.user.user()).await
    }

    /// How the sender is shown, by our record only.
    pub(super) fn stored_profile(&self) -> Profile {
        self.account.people.stored_profile(self.openid(), self.stored.user.user())
    }

    /// Settles a scene by the deadline, with this message as the cause.
    pub(super) async fn settle(&self, scene: SceneId, transition: &Transition) -> Result<Settled, UnfinishedDelivery> {
        let settled =
            retry::settle(&self.services.bus, scene, &self.cause(), transition, self.arrival.decide_by()).await;
        let settled = settled.map_err(|error| self.unfinished_by(&error))?;
        self.link_to_opening(&settled);
        Ok(settled)
    }

    /// The scene's opening has a trace of its own.
    fn link_to_opening(&self, settled: &Settled) {
        if let (Some(span), Some(snapshot)) = (self.span.get(), settled.snapshot()) {
            span.link(snapshot.open_trace());
        }
    }

    /// Keeps what WeChat told about the sender. Nobody waits for it.
    pub(super) fn keep_later(&self, told: Option<ToldByWechat>) {
        if let Some(told) = told {
            self.account.people.keep_later(self.openid(), told);
        }
    }

    /// [`Delivery::settle`] of the transition that logs this person in. Also answers how many logins that makes, if it could
    /// be counted in the same step.
    pub(super) async fn settle_login(
        &self,
        scene: SceneId,
        transition: impl Fn(Person) -> Transition,
    ) -> Result<(Settled, Option<u64>), UnfinishedDelivery> {
        // At most twice: a guess that was corrected is none.
        loop {
            let (person, told) = self.person().await;
            let (counted, logins) = self.counted_record(told.as_ref());
            let (cause, deadline) = (self.cause(), self.arrival.decide_by());
            let bus = &self.services.bus;
            let settled = retry::settle_along(bus, scene, &cause, &transition(person), &counted, deadline).await;
            if !matches!(settled, Ok(SettledAlong::Settled { replaced: true, .. })) {
                self.keep_later(told);
            }
            match settled.map_err(|error| self.unfinished_by(&error))? {
                SettledAlong::Settled { settled, replaced } => {
                    self.link_to_opening(&settled);
                    if !self.says_that_the_sender_follows() {
                        self.services.users.forecast().learn(self.stored.user.user().is_some());
                    }
                    return Ok((settled, replaced.then_some(logins)));
                }
                SettledAlong::WrongGuess(stored) => self.correct_guess(stored.as_deref()),
            }
        }
    }

    /// The sender's record with one more login, and what WeChat told just now. Also how many logins that makes.
    fn counted_record(&self, told: Option<&ToldByWechat>) -> (Replacement, u64) {
        let now = self.arrival.unix_ms;
        let count = |user: &mut User| {
            if self.says_that_the_sender_follows() {
                user.set_followed(self.message.created);
            }
            if let Some(told) = told {
                told.record_in(user);
            }
            user.count_login(self.id(), now)
        };
        self.services.users.replacement(&self.account.name, self.openid(), &self.stored.user, now, count)
    }

    /// The sender has a record, although none was expected.
    fn correct_guess(&self, stored: Option<&str>) {
        let user = User::from_text(stored);
        let user = user.inspect_err(|error| log_unreadable(&self.account.name, self.openid(), error));
        self.stored.user.correct(user.ok().flatten());
    }

    fn cause(&self) -> Cause {
        let traceparent = self.span.get().and_then(LoginSpan::traceparent);
        Cause { delivery: self.id(), received_at: self.arrival.unix_ms, traceparent }
    }

    /// The scene as it is stored, by the deadline.
    pub(super) async fn snapshot(&self, scene: SceneId) -> Result<Option<SceneSnapshot>, UnfinishedDelivery> {
        let read = retry::snapshot(&self.services.bus, scene, self.arrival.decide_by()).await;
        read.map_err(|error| self.unfinished_by(&error))
    }

    fn unfinished_by(&self, error: &RetryError<BusError>) -> UnfinishedDelivery {
        let retry = matches!(
            error,
            RetryError::Deadline { .. } | RetryError::Failed(BusError::Undecided(_) | BusError::TimedOut)
        );
        self.unfinished(retry, error)
    }

    /// Asks a store by the deadline. Answers `None` if the stored value can't be read: such a value stays as it is, and
    /// the message is handled without it.
    pub(super) async fn ask_store<T, F>(&self, ask: impl FnMut() -> F) -> Result<Option<T>, UnfinishedDelivery>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        match retry::ask_store(self.arrival.decide_by(), ask).await {
            Ok(answer) => Ok(Some(answer)),
            Err(RetryError::Failed(error @ StoreError::Malformed { .. })) => {
                log_unreadable(&self.account.name, self.openid(), &error);
                Ok(None)
            }
            Err(error) => Err(self.unfinished(true, &error)),
        }
    }

    pub(super) fn unfinished(&self, retry: bool, reason: &dyn fmt::Display) -> UnfinishedDelivery {
        tracing::warn!(
            account = %self.account.name, purpose = self.purpose.as_str(), retry, %reason,
            "a message of WeChat could not be handled; WeChat gets no answer and delivers it again, or the person is \
             asked to repeat it"
        );
        UnfinishedDelivery { retry, reply: self.last_reply() }
    }

    /// The reply of the last attempt, if what the message asks for can't be done in time.
    pub(super) fn last_reply(&self) -> Reply {
        self.purpose.last_phrase().map_or(Reply::Acknowledge, |phrase| self.reply(phrase))
    }

    /// A reply that says nothing about a scene.
    pub(super) fn reply(&self, phrase: Phrase) -> Reply {
        self.reply_with(phrase, &ReplyFacts::default())
    }

    /// A reply about a scene that this person may learn about.
    pub(super) fn reply_about(&self, phrase: Phrase, scene: SceneId, snapshot: &SceneSnapshot) -> Reply {
        self.reply_with(phrase, &ReplyFacts { scene: Some((scene, snapshot)), logins: None })
    }

    /// A reply with these facts.
    pub(super) fn reply_with(&self, phrase: Phrase, facts: &ReplyFacts<'_>) -> Reply {
        let settings = &self.account.settings;
        let writer = ReplyWriter {
            texts: &settings.texts,
            language: settings.language,
            site: settings.site.as_deref(),
            geo_database: self.services.geo_database.as_ref(),
            sent: self.message.created,
        };
        writer.write(phrase, facts, || self.name_on_page(facts))
    }

    /// The sender's name as the page shows it. It stays the same when WeChat delivers the message again.
    fn name_on_page(&self, facts: &ReplyFacts<'_>) -> String {
        let person = facts.scene.and_then(|(_, snapshot)| snapshot.person());
        let person = person.filter(|person| person.openid == *self.openid());
        person.map_or_else(|| self.stored_profile().name, |person| person.profile.name)
    }

    /// Logs what the sender did about a scene, in one line.
    pub(super) fn log(&self, did: &str, scene: SceneId, outcome: Result<&Reply, &UnfinishedDelivery>) {
        tracing::info!(
            account = %self.account.name,
            %scene,
            did,
            who = self.openid().short(),
            outcome = outcome.map_or("undecided", Reply::as_str),
            ms = self.arrival.elapsed_ms(),
            "a person acted on a scene"
        );
    }
}
