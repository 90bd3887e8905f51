//! The phone as a web page: open a code's address, choose a persona, scan, and read the reply.
//!
//! The page consists of forms and works without scripts. Tests find `#persona-ann`, `#scan`, `#reply`, `.menu-link`.
//!
//! | call | what it does |
//! |---|---|
//! | `GET /q/{id}` | shows the code in front of the camera |
//! | `POST /q/{id}` | scans it |
//! | `GET /phone/{account}` | shows an account that a persona can write to without scanning |
//! | `POST /phone/{account}/follow`, `…/say`, `…/unfollow` | does this with the account |

mod page;
mod texts;

use axum::{
    Form, Router,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
    routing::{get, post},
};
use scenecast_scene::AccountName;
use serde::Deserialize;

use crate::{
    rules::codes::CodeTarget,
    simulator::Simulator,
    users::{PhoneAction, WeChatUser},
};
use page::{ChatEntry, PhoneView, chat, page, persona_choices, render};
use texts::PhoneTexts;

pub(crate) fn router() -> Router<Simulator> {
    Router::new()
        .route("/q/{id}", get(look).post(scan))
        .route("/phone/{account}", get(write))
        .route("/phone/{account}/follow", post(follow))
        .route("/phone/{account}/say", post(say))
        .route("/phone/{account}/unfollow", post(unfollow))
}

/// A form that was sent.
#[derive(Debug, Deserialize)]
struct PhoneForm {
    #[serde(deserialize_with = "persona")]
    person: WeChatUser,
    #[serde(default)]
    text: String,
    /// The id of the menu link that was tapped.
    menu: Option<String>,
    /// Whether the mini program calls `wx.login`.
    #[serde(default)]
    log_in: bool,
}

fn persona<'de, D: serde::Deserializer<'de>>(from: D) -> Result<WeChatUser, D::Error> {
    let name = String::deserialize(from)?;
    WeChatUser::persona(&name).ok_or_else(|| serde::de::Error::custom("no such persona"))
}

async fn look(State(simulator): State<Simulator>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let texts = PhoneTexts::for_request(&headers);
    let camera = || {
        let code = simulator.code(&id)?;
        let opens_page = matches!(code.target, CodeTarget::Page { .. });
        // A mini program has no followers.
        let (follower, other) = if opens_page { ("", "") } else { (texts.follows, texts.does_not_follow) };
        let choices = persona_choices(&simulator, &code.account, follower, other)?;
        page(&simulator, texts, &code.account, PhoneView::Camera { choices, opens_page })
    };
    render(texts, camera())
}

async fn scan(
    State(simulator): State<Simulator>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<PhoneForm>,
) -> Response {
    let texts = PhoneTexts::for_request(&headers);
    let scanned = async {
        let code = simulator.code(&id)?;
        let url = simulator.code_url(&id);
        match code.target {
            CodeTarget::Chat { .. } => {
                let outcome = simulator.scan(&form.person, url.as_str()).await?;
                let entry = ChatEntry { person: form.person, sent: form.text, screen: outcome.shown };
                chat(&simulator, texts, &code.account, entry)
            }
            CodeTarget::Page { .. } => {
                let launch = simulator.scan_code(url.as_str())?;
                let js_code = form.log_in.then(|| simulator.wx_login(&form.person, &code.account)).transpose()?;
                let view = PhoneView::MiniProgram { launch, person: form.person, js_code };
                page(&simulator, texts, &code.account, view)
            }
        }
    };
    render(texts, scanned.await)
}

async fn write(State(simulator): State<Simulator>, Path(account): Path<AccountName>, headers: HeaderMap) -> Response {
    let texts = PhoneTexts::for_request(&headers);
    let writing = || {
        let choices = persona_choices(&simulator, &account, texts.follows, texts.does_not_follow_yet)?;
        page(&simulator, texts, &account, PhoneView::Write { account: account.clone(), choices })
    };
    render(texts, writing())
}

async fn follow(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<PhoneForm>,
) -> Response {
    let texts = PhoneTexts::for_request(&headers);
    let followed = async {
        let outcome = simulator.send(&form.person, &account, PhoneAction::Follow { event_key: None }).await?;
        let entry = ChatEntry { person: form.person, sent: String::new(), screen: outcome.shown };
        chat(&simulator, texts, &account, entry)
    };
    render(texts, followed.await)
}

async fn say(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<PhoneForm>,
) -> Response {
    let texts = PhoneTexts::for_request(&headers);
    let sent = async {
        let content = form.text.clone();
        let action = match form.menu {
            Some(id) => PhoneAction::Tap { content, id },
            None => PhoneAction::Say(content),
        };
        let outcome = simulator.send(&form.person, &account, action).await?;
        chat(&simulator, texts, &account, ChatEntry { person: form.person, sent: form.text, screen: outcome.shown })
    };
    render(texts, sent.await)
}

async fn unfollow(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<PhoneForm>,
) -> Response {
    let texts = PhoneTexts::for_request(&headers);
    let left = async {
        simulator.unfollow(&form.person, &account).await?;
        page(&simulator, texts, &account, PhoneView::Unfollowed)
    };
    render(texts, left.await)
}
