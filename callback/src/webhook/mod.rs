//! `/wechat/{account}`: what WeChat sends, checked in the order of what a check costs, acted upon,
//! and answered when, and only when, what it led to is stored.
//!
//! WeChat waits five seconds for an answer and delivers three times, about five seconds apart.
//! While Redis doesn't say whether a login was stored, there is no answer: WeChat delivers again,
//! and the delivery's id makes that harmless. The last attempt asks the person to scan again.

mod envelope;
mod login;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{StatusCode, Uri, header, request::Parts},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use scenecast_shared::{
    internal::Refused,
    scene::SceneId,
    serve::{ClientAddress, Crowded, Problem, Unanswered, read_body},
    store::Replay,
    time::{millis, unix_now_ms},
    wechat::{ACKNOWLEDGED, Kind, Message},
};
use tokio::time::Instant;
use tracing::Span;

use self::envelope::{Envelope, Received, WebhookQuery};
use crate::{accounts::Account, app::App, phrase::Phrase, wechat::Source};

/// The longest body that is read. WeChat's own have a few hundred bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// How long is left to decide, from the arrival on: WeChat's five seconds, less the way back.
const DECIDE_WITHIN: Duration = Duration::from_millis(4_500);
/// By when WeChat has hung up. Before that a proxy on the way would answer in our place.
const HUNG_UP: Duration = Duration::from_millis(5_500);
/// An attempt that arrives this long after the message was sent is WeChat's last.
const LAST_ATTEMPT_SECS: u64 = 9;

pub(crate) fn router() -> Router<Arc<App>> {
    Router::new().route("/wechat/{account}", get(verify).post(deliver)).layer(from_fn(stay_silent))
}

/// Beyond the ceiling WeChat gets no answer, and delivers again: an error would end the delivery.
async fn stay_silent(request: Request, next: Next) -> Response {
    match request.extensions().get::<Crowded>() {
        Some(Crowded) => Unanswered.into_response(),
        None => next.run(request).await,
    }
}

/// When a request arrived.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: Instant,
    unix_ms: u64,
}

impl Arrival {
    fn now() -> Self {
        Self { at: Instant::now(), unix_ms: unix_now_ms() }
    }

    fn elapsed(self) -> Duration {
        self.at.elapsed()
    }

    fn elapsed_ms(self) -> u64 {
        millis(self.elapsed())
    }

    fn decide_by(self) -> Instant {
        self.at + DECIDE_WITHIN
    }

    /// Whether WeChat won't deliver this message again.
    fn is_last(self, message: &Message) -> bool {
        (self.unix_ms / 1000).saturating_sub(message.created) >= LAST_ATTEMPT_SECS
    }
}

/// The account in the path; what isn't text can't be one.
type AccountPath = Result<Path<String>, PathRejection>;

fn named(account: AccountPath) -> Result<String, Problem> {
    account.map(|Path(account)| account).map_err(|_| Refused::AccountUnknown.problem())
}

/// WeChat asks whether this address is the account's.
async fn verify(State(app): State<Arc<App>>, account: AccountPath, uri: Uri) -> Result<Response, Problem> {
    let account = &app.account(&named(account)?)?;
    let query = WebhookQuery::read(&uri)?;
    query.verify(account)?;
    let echo = query.echostr.ok_or_else(|| Problem::bad_request("the query lacks echostr"))?;
    tracing::info!(account = %account.name, "WeChat verified this address");
    // The signature doesn't cover the echo: no browser may take it for a page.
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, echo).into_response())
}

/// WeChat delivers a message.
#[tracing::instrument(name = "webhook", skip_all, fields(account, kind, scene))]
async fn deliver(State(app): State<Arc<App>>, account: AccountPath, request: Request) -> Response {
    let arrival = Arrival::now();
    let (outcome, response) = match receive(&app, account, request, arrival).await {
        Ok(answered) => answered,
        Err(problem) => {
            tracing::warn!(code = problem.code, detail = problem.detail, "refused a webhook");
            (problem.code, Some(problem.into_response()))
        }
    };
    // Before the silence, in which WeChat hangs up and this ends.
    app.counts.webhooks.with_label_values(&[outcome]).inc();
    app.counts.webhook_seconds.observe(arrival.elapsed().as_secs_f64());
    let Some(response) = response else {
        tokio::time::sleep_until(arrival.at + HUNG_UP).await;
        return Unanswered.into_response();
    };
    response
}

/// What became of a delivery, in a word, and what WeChat is answered, if anything.
type Answered = (&'static str, Option<Response>);

async fn receive(app: &App, account: AccountPath, request: Request, arrival: Arrival) -> Result<Answered, Problem> {
    let account = &app.account(&named(account)?)?;
    Span::current().record("account", account.name.as_str());
    let (head, body) = request.into_parts();
    check_source(app, account, &head)?;
    let query = WebhookQuery::read(&head.uri)?;
    let envelope = Envelope::expected(account, &query)?;
    let body = read_body(body, LONGEST_BODY).await?;
    let received = envelope.open(account, &body)?;
    Span::current().record("kind", word(&received.message.kind));
    let decided = if is_known_genuine(app, account, &envelope, &body, arrival).await? {
        act(app, account, &received.message, arrival).await
    } else {
        None
    };
    Ok(match decided {
        Some(reply) => answer(account, &received, reply),
        None => without_decision(account, &received, arrival),
    })
}

/// Refuses what doesn't come from an address of WeChat's, where the account asks for that. While
/// WeChat hasn't told them, the signature has to do.
fn check_source(app: &App, account: &Account, head: &Parts) -> Result<(), Problem> {
    let Some(sources) = &account.sources else { return Ok(()) };
    let ClientAddress(address) = head.extensions.get().expect("a listener says where each request came from");
    let source = sources.judge(*address);
    app.counts.sources.with_label_values(&[source.word()]).inc();
    if source == Source::Elsewhere {
        tracing::warn!(%address, "a webhook from elsewhere; is its last proxy one of the trusted_proxies?");
        return Err(forbidden("wrong_source", "this address is none of WeChat's"));
    }
    Ok(())
}

/// Whether this body is the one that was signed. Where the signature doesn't cover it, it may be
/// that Redis doesn't say so in time.
async fn is_known_genuine(
    app: &App,
    account: &Account,
    envelope: &Envelope<'_>,
    body: &[u8],
    arrival: Arrival,
) -> Result<bool, Problem> {
    let Some(signed) = envelope.beside_the_body() else { return Ok(true) };
    match app.replay(&account.name, signed, body, arrival.decide_by()).await {
        Some(Replay::Genuine) => Ok(true),
        Some(Replay::Forged) => Err(forbidden("signature_reused", "this signature came with another body")),
        None => Ok(false),
    }
}

/// What is answered to a message.
#[derive(Clone, Copy)]
enum Reply {
    /// A text.
    Say(Phrase),
    /// That it was received.
    Acknowledge,
}

/// Does what the message is for; `None` if that couldn't be decided in time. A code that doesn't
/// say a scene is one of the account's others, and no login.
async fn act(app: &App, account: &Account, message: &Message, arrival: Arrival) -> Option<Reply> {
    match (&message.kind, scene_of(message)) {
        (_, Some(scene)) => login::log_in(app, account, message, scene, arrival).await.map(Reply::Say),
        (Kind::Subscribe(_), None) => Some(Reply::Say(Phrase::Welcome)),
        (Kind::Unsubscribe, None) => {
            account.users.forget(&message.from).await;
            Some(Reply::Acknowledge)
        }
        _ => Some(Reply::Acknowledge),
    }
}

fn scene_of(message: &Message) -> Option<SceneId> {
    message.scanned()?.parse().ok()
}

fn answer(account: &Account, received: &Received<'_>, reply: Reply) -> Answered {
    let (outcome, content_type, body) = match reply {
        Reply::Acknowledge => ("acknowledged", "text/plain; charset=utf-8", ACKNOWLEDGED.to_owned()),
        Reply::Say(phrase) => {
            let text = received.text_reply(account.settings.text(phrase));
            (phrase.word(), "application/xml; charset=utf-8", text)
        }
    };
    (outcome, Some(([(header::CONTENT_TYPE, content_type)], body).into_response()))
}

/// Silence, so that WeChat delivers again; where it won't, whoever scanned is asked to.
fn without_decision(account: &Account, received: &Received<'_>, arrival: Arrival) -> Answered {
    if arrival.is_last(&received.message) {
        let scanned = scene_of(&received.message).is_some();
        return answer(account, received, if scanned { Reply::Say(Phrase::ScanAgain) } else { Reply::Acknowledge });
    }
    tracing::warn!("Redis gave no answer in time; WeChat gets none, and delivers again");
    ("undecided", None)
}

fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Text(_) => "text",
        Kind::Subscribe(_) => "subscribe",
        Kind::Scan(_) => "scan",
        Kind::Unsubscribe => "unsubscribe",
        Kind::Event(_) => "event",
        Kind::Other(_) => "other",
    }
}

fn forbidden(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}
