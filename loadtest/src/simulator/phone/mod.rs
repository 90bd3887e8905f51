//! The phone as a web page: open what a QR code says, choose who you are, scan, read the reply.
//!
//! A page of forms: it works without scripts, and a test finds `#persona-ann`, `#scan`, `#reply`.

mod words;

use askama::Template;
use axum::{
    Form, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use scenecast_shared::scene::AccountName;
use serde::Deserialize;

use super::{CannotDo, Outcome, Person, Screen, Simulator};
use words::Words;

pub(crate) fn router() -> Router<Simulator> {
    Router::new()
        .route("/q/{id}", get(look).post(scan))
        .route("/phone/{account}/say", post(say))
        .route("/phone/{account}/unfollow", post(unfollow))
}

#[derive(Template)]
#[template(path = "phone.html")]
struct Page {
    words: &'static Words,
    title: String,
    view: View,
}

enum View {
    /// Who are you?
    Choose(Vec<Choice>),
    /// The chat with the account.
    Chat { account: AccountName, person: Person, said: String, screen: Screen },
    /// Not following (any more).
    Left,
    /// Nothing can be done.
    Stuck(&'static str),
}

struct Choice {
    person: Person,
    follows: bool,
}

async fn look(State(simulator): State<Simulator>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let words = Words::of(&headers);
    let choices = || -> Result<Page, CannotDo> {
        let account = simulator.code(&id)?.account;
        let choices = Person::personas().into_iter().map(|person| {
            let follows = simulator.follows(&person, &account)?;
            Ok(Choice { person, follows })
        });
        let view = View::Choose(choices.collect::<Result<_, _>>()?);
        Ok(Page { words, title: simulator.title(&account)?, view })
    };
    page(words, choices())
}

async fn scan(
    State(simulator): State<Simulator>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Filled>,
) -> Response {
    let words = Words::of(&headers);
    let scanned = async {
        let account = simulator.code(&id)?.account;
        let outcome = simulator.scan_id(&form.person, &id).await?;
        simulator.chat(words, account, form, outcome)
    };
    page(words, scanned.await)
}

async fn say(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<Filled>,
) -> Response {
    let words = Words::of(&headers);
    let said = async {
        let outcome = simulator.say(&form.person, &account, &form.text).await?;
        simulator.chat(words, account, form, outcome)
    };
    page(words, said.await)
}

async fn unfollow(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<Filled>,
) -> Response {
    let words = Words::of(&headers);
    let left = async {
        simulator.unfollow(&form.person, &account).await?;
        Ok(Page { words, title: simulator.title(&account)?, view: View::Left })
    };
    page(words, left.await)
}

#[derive(Debug, Deserialize)]
struct Filled {
    #[serde(deserialize_with = "persona")]
    person: Person,
    #[serde(default)]
    text: String,
}

fn persona<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Person, D::Error> {
    let name = String::deserialize(from)?;
    Person::persona(&name).ok_or_else(|| serde::de::Error::custom("no such persona"))
}

impl Simulator {
    fn title(&self, account: &AccountName) -> Result<String, CannotDo> {
        Ok(self.account(account)?.settings.title.clone())
    }

    fn chat(
        &self,
        words: &'static Words,
        account: AccountName,
        form: Filled,
        outcome: Outcome,
    ) -> Result<Page, CannotDo> {
        let title = self.title(&account)?;
        let view = View::Chat { account, person: form.person, said: form.text, screen: outcome.shown };
        Ok(Page { words, title, view })
    }
}

fn page(words: &'static Words, made: Result<Page, CannotDo>) -> Response {
    let status = match made {
        Ok(_) => StatusCode::OK,
        Err(CannotDo::UnknownCode | CannotDo::UnknownAccount) => StatusCode::NOT_FOUND,
        Err(CannotDo::ExpiredCode) => StatusCode::GONE,
        Err(CannotDo::NotFollowing) => StatusCode::CONFLICT,
    };
    let stuck = |why| Page { words, title: "WeChat".to_owned(), view: View::Stuck(words.cannot(why)) };
    let page = made.unwrap_or_else(stuck);
    let html = page.render().expect("a String takes every page");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}
