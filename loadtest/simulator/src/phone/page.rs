//! The page that the phone shows.

use askama::Template;
use axum::{
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use scenecast_scene::AccountName;

use super::texts::PhoneTexts;
use crate::{
    actions::MiniProgramLaunch,
    deliveries::{self, PhoneScreen, TextPart},
    simulator::Simulator,
    users::{ActionError, WeChatUser},
};

#[derive(Template)]
#[template(path = "phone.html")]
pub(super) struct PhonePage {
    texts: &'static PhoneTexts,
    title: String,
    view: PhoneView,
}

pub(super) enum PhoneView {
    /// A code is in front of the camera. The visitor chooses a persona.
    Camera {
        choices: Vec<PersonaChoice>,
        opens_page: bool,
    },
    /// An account that can be written to. The visitor chooses a persona.
    Write {
        account: AccountName,
        choices: Vec<PersonaChoice>,
    },
    /// The chat with the account.
    Chat {
        account: AccountName,
        entry: ChatEntry,
    },
    MiniProgram {
        launch: MiniProgramLaunch,
        person: WeChatUser,
        js_code: Option<String>,
    },
    /// The persona no longer follows the account.
    Unfollowed,
    /// The action is impossible, for this reason.
    Refused(&'static str),
}

/// One action in a chat: what the persona sent, and what the phone shows for it.
pub(super) struct ChatEntry {
    pub(super) person: WeChatUser,
    pub(super) sent: String,
    pub(super) screen: PhoneScreen,
}

pub(super) struct PersonaChoice {
    person: WeChatUser,
    /// Whether the persona follows the account, as a text.
    relation: &'static str,
}

pub(super) fn page(
    simulator: &Simulator,
    texts: &'static PhoneTexts,
    account: &AccountName,
    view: PhoneView,
) -> Result<PhonePage, ActionError> {
    Ok(PhonePage { texts, title: simulator.account(account)?.settings.title.clone(), view })
}

pub(super) fn chat(
    simulator: &Simulator,
    texts: &'static PhoneTexts,
    account: &AccountName,
    entry: ChatEntry,
) -> Result<PhonePage, ActionError> {
    page(simulator, texts, account, PhoneView::Chat { account: account.clone(), entry })
}

/// All personas, each with one of these texts, depending on whether they follow the account.
pub(super) fn persona_choices(
    simulator: &Simulator,
    account: &AccountName,
    follower: &'static str,
    other: &'static str,
) -> Result<Vec<PersonaChoice>, ActionError> {
    let choices = WeChatUser::personas().into_iter().map(|person| {
        let relation = if simulator.follows(&person, account)? { follower } else { other };
        Ok(PersonaChoice { person, relation })
    });
    choices.collect()
}

/// Answers with the page, or with a page that says why the action is impossible.
pub(super) fn render(texts: &'static PhoneTexts, page: Result<PhonePage, ActionError>) -> Response {
    let (status, page) = match page {
        Ok(page) => (StatusCode::OK, page),
        Err(error) => {
            let view = PhoneView::Refused(texts.refusal(error));
            (status_of(error), PhonePage { texts, title: "WeChat".to_owned(), view })
        }
    };
    let html = page.render().expect("a write to a String doesn't fail");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

fn status_of(error: ActionError) -> StatusCode {
    match error {
        ActionError::UnknownCode | ActionError::UnknownAccount => StatusCode::NOT_FOUND,
        ActionError::ExpiredCode => StatusCode::GONE,
        ActionError::WrongAccountKind | ActionError::NotFollowing | ActionError::AlreadyFollowing => {
            StatusCode::CONFLICT
        }
    }
}
