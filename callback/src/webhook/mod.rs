//! `/wechat/{account}`: what WeChat sends, checked in the order of what a check costs, acted upon,
//! and answered when, and only when, what it led to is stored.
//!
//! WeChat waits five seconds for an answer and delivers three times, about five seconds apart.
//! While Redis doesn't say whether a login was stored, there is no answer: WeChat delivers again,
//! and the delivery's id makes that harmless. The last attempt asks the person to do it again.
//!
//! | module | what it is for |
//! |---|---|
//! | `envelope` | a message out of a request, a reply into an answer |
//! | `purpose` | what a message is for |
//! | `delivery`, `reply` | a message on its way through; what it is answered |
//! | `scan`, `code`, `answer` | somebody scans, types a code, says whether it is they |
//! | `news` | what happens to people: remembered, and told to the site |

mod answer;
mod code;
mod delivery;
mod envelope;
mod news;
mod purpose;
mod reply;
mod scan;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{Extensions, StatusCode, Uri, header, request::Parts},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use scenecast_shared::{
    serve::{ClientAddress, Crowded, Problem, Unanswered, Why, read_body},
    store::Replay,
    time::{millis, unix_now_ms},
    wechat::{ACKNOWLEDGED, Message},
};
use tokio::time::Instant;
use tracing::Span;

use self::{
    delivery::{Delivery, Outcome, Unfinished},
    envelope::{Envelope, Received, WebhookQuery},
    purpose::Purpose,
    reply::Reply,
};
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
    let webhook = || get(verify).post(deliver);
    // Accounts may have paths of their own, which change with the configuration.
    let router = Router::new().route("/wechat/{account}", webhook()).route("/{*path}", webhook());
    router.layer(from_fn(stay_silent))
}

/// Beyond the ceiling WeChat gets no answer, and delivers again: an error would end the delivery.
async fn stay_silent(request: Request, next: Next) -> Response {
    match request.extensions().get::<Crowded>() {
        Some(_) => Unanswered.into_response(),
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

/// WeChat asks whether this address is the account's.
async fn verify(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let account = &app.account_at(uri.path())?;
    let query = WebhookQuery::read(&uri)?;
    query.verify(account)?;
    let echo = query.echostr.ok_or_else(|| Problem::bad_request("the query lacks echostr"))?;
    tracing::info!(account = %account.name, "WeChat verified this address");
    // The signature doesn't cover the echo: no browser may take it for a page.
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, echo).into_response())
}

/// WeChat delivers a message.
#[tracing::instrument(name = "webhook", skip_all, fields(account, purpose, scene))]
async fn deliver(State(app): State<Arc<App>>, request: Request) -> Response {
    let (arrival, client) = (Arrival::now(), client(request.extensions()));
    let (outcome, response) = match receive(&app, request, arrival).await {
        Ok(answered) => answered,
        // It takes neither the log's room nor the way back.
        Err(_) if app.junk.check(client).is_err() => {
            app.turned_away.count(Why::Junk);
            return Unanswered.into_response();
        }
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

async fn receive(app: &App, request: Request, arrival: Arrival) -> Result<Answered, Problem> {
    let account = &app.account_at(request.uri().path())?;
    Span::current().record("account", account.name.as_str());
    let (head, body) = request.into_parts();
    check_source(app, account, &head)?;
    let query = WebhookQuery::read(&head.uri)?;
    let envelope = Envelope::expected(account, &query)?;
    let body = read_body(body, LONGEST_BODY).await?;
    let received = envelope.open(account, &body)?;
    let purpose = Purpose::of(&received.message);
    Span::current().record("purpose", purpose.word());
    if !app.webhooks.allows() {
        app.turned_away.count(Why::Webhooks);
        let unbegun = Delivery::new(app, account, &received.message, &purpose, arrival);
        let is_last = arrival.is_last(&received.message);
        return Ok(if is_last { answer(&received, unbegun.at_last()) } else { ("crowded", None) });
    }
    let (genuine, delivery) = tokio::join!(
        is_known_genuine(app, account, &envelope, &body, arrival),
        Delivery::begin(app, account, &received.message, &purpose, arrival),
    );
    let outcome = match (genuine?, delivery) {
        (true, Ok(delivery)) => act(&delivery).await,
        (false, Ok(delivery)) => Err(Unfinished { again: true, reply: delivery.at_last() }),
        (_, Err(unfinished)) => Err(unfinished),
    };
    Ok(match outcome {
        Ok(reply) => answer(&received, reply),
        Err(unfinished) if unfinished.again && !arrival.is_last(&received.message) => {
            tracing::warn!("Redis gave no answer in time; WeChat gets none, and delivers again");
            ("undecided", None)
        }
        Err(unfinished) => answer(&received, unfinished.reply),
    })
}

/// Refuses what doesn't come from an address of WeChat's, where the account asks for that. While
/// WeChat hasn't told them, the signature has to do.
fn check_source(app: &App, account: &Account, head: &Parts) -> Result<(), Problem> {
    let Some(sources) = &account.sources else { return Ok(()) };
    let address = client(&head.extensions);
    let source = sources.judge(address);
    app.counts.sources.with_label_values(&[source.word()]).inc();
    if source == Source::Elsewhere {
        tracing::warn!(%address, "a webhook from elsewhere; is its last proxy one of the trusted_proxies?");
        return Err(forbidden("wrong_source", "this address is none of WeChat's"));
    }
    Ok(())
}

fn client(extensions: &Extensions) -> IpAddr {
    let ClientAddress(address) = extensions.get().expect("a listener says where each request came from");
    *address
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

/// Does what the message is for.
async fn act(delivery: &Delivery<'_>) -> Outcome {
    match delivery.purpose {
        Purpose::Scan(scene) => delivery.scan_or_follow(*scene).await,
        Purpose::ScanCode(code) => delivery.scan_code(code).await,
        Purpose::Code(code) => delivery.type_code(code).await,
        Purpose::Answer { answer, about } => delivery.answer(*answer, *about).await,
        Purpose::Follow => delivery.follow().await,
        Purpose::Unfollow => delivery.unfollow().await,
        Purpose::Write => Ok(delivery.say(Phrase::AutoReply)),
        Purpose::Event => Ok(Reply::Acknowledge),
    }
}

fn answer(received: &Received<'_>, reply: Reply) -> Answered {
    let outcome = reply.word();
    let (content_type, body) = match reply {
        Reply::Acknowledge => ("text/plain; charset=utf-8", ACKNOWLEDGED.to_owned()),
        Reply::Say { text, .. } => ("application/xml; charset=utf-8", received.text_reply(&text)),
    };
    (outcome, Some(([(header::CONTENT_TYPE, content_type)], body).into_response()))
}

fn forbidden(code: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, code, detail)
}
