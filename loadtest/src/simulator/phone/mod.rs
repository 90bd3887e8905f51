//! The phone as a web page: open what a code says, choose who you are, scan, read the reply.
//!
//! A page of forms: it works without scripts, and a test finds `#persona-ann`, `#scan`, `#reply`,
//! `.menu-link`.
//!
//! | call | what |
//! |---|---|
//! | `GET`, `POST /q/{id}` | a code in front of the camera, and scanned |
//! | `GET /phone/{account}` | an account that is written to without scanning |
//! | `POST /phone/{account}/follow`, `…/say`, `…/unfollow` | what can be done with it |

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

use super::{
    CannotDo, Deed, Launch, Outcome, Person, Screen, Simulator,
    menu::{self, Part},
    rules::codes::Opens,
};
use words::Words;

pub(crate) fn router() -> Router<Simulator> {
    Router::new()
        .route("/q/{id}", get(look).post(scan))
        .route("/phone/{account}", get(write))
        .route("/phone/{account}/follow", post(follow))
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
    /// A code in front of the camera: who are you?
    Camera { choices: Vec<Choice>, opens_page: bool },
    /// An account to write to: who are you?
    Write { account: AccountName, choices: Vec<Choice> },
    /// The chat with the account.
    Chat { account: AccountName, person: Person, said: String, screen: Screen },
    /// A mini program's page.
    MiniProgram { launch: Launch, person: Person, js_code: Option<String> },
    /// Not following (any more).
    Left,
    /// Nothing can be done.
    Stuck(&'static str),
}

struct Choice {
    person: Person,
    /// What they are to the account; nothing to a mini program.
    standing: &'static str,
}

async fn look(State(simulator): State<Simulator>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let words = Words::of(&headers);
    let camera = || {
        let code = simulator.code(&id)?;
        let (opens_page, stranger) = match code.opens {
            Opens::Chat { .. } => (false, words.does_not_follow),
            Opens::Page { .. } => (true, ""),
        };
        let choices = simulator.choices(&code.account, if opens_page { "" } else { words.follows }, stranger)?;
        simulator.page(words, &code.account, View::Camera { choices, opens_page })
    };
    answer(words, camera())
}

async fn scan(
    State(simulator): State<Simulator>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Filled>,
) -> Response {
    let words = Words::of(&headers);
    let scanned = async {
        let (code, url) = (simulator.code(&id)?, simulator.code_url(&id));
        match code.opens {
            Opens::Chat { .. } => {
                let outcome = simulator.scan(&form.person, url.as_str()).await?;
                simulator.chat(words, &code.account, form, outcome)
            }
            Opens::Page { .. } => {
                let launch = simulator.scan_code(url.as_str())?;
                let js_code = form.log_in.then(|| simulator.wx_login(&form.person, &code.account)).transpose()?;
                simulator.page(words, &code.account, View::MiniProgram { launch, person: form.person, js_code })
            }
        }
    };
    answer(words, scanned.await)
}

async fn write(State(simulator): State<Simulator>, Path(account): Path<AccountName>, headers: HeaderMap) -> Response {
    let words = Words::of(&headers);
    let writing = || {
        let choices = simulator.choices(&account, words.follows, words.does_not_follow_yet)?;
        simulator.page(words, &account, View::Write { account: account.clone(), choices })
    };
    answer(words, writing())
}

async fn follow(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<Filled>,
) -> Response {
    let words = Words::of(&headers);
    let followed = async {
        let outcome = simulator.send(&form.person, &account, Deed::Follow { event_key: None }).await?;
        let form = Filled { text: String::new(), ..form };
        simulator.chat(words, &account, form, outcome)
    };
    answer(words, followed.await)
}

async fn say(
    State(simulator): State<Simulator>,
    Path(account): Path<AccountName>,
    headers: HeaderMap,
    Form(form): Form<Filled>,
) -> Response {
    let words = Words::of(&headers);
    let said = async {
        let content = form.text.clone();
        let deed = match form.menu.clone() {
            Some(id) => Deed::Tap { content, id },
            None => Deed::Say(content),
        };
        let outcome = simulator.send(&form.person, &account, deed).await?;
        simulator.chat(words, &account, form, outcome)
    };
    answer(words, said.await)
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
        simulator.page(words, &account, View::Left)
    };
    answer(words, left.await)
}

#[derive(Debug, Deserialize)]
struct Filled {
    #[serde(deserialize_with = "persona")]
    person: Person,
    #[serde(default)]
    text: String,
    /// Which link was tapped, if one was.
    menu: Option<String>,
    /// Whether the mini program asks who is there.
    #[serde(default)]
    log_in: bool,
}

fn persona<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Person, D::Error> {
    let name = String::deserialize(from)?;
    Person::persona(&name).ok_or_else(|| serde::de::Error::custom("no such persona"))
}

impl Simulator {
    fn page(&self, words: &'static Words, account: &AccountName, view: View) -> Result<Page, CannotDo> {
        Ok(Page { words, title: self.account(account)?.settings.title.clone(), view })
    }

    fn choices(
        &self,
        account: &AccountName,
        follower: &'static str,
        stranger: &'static str,
    ) -> Result<Vec<Choice>, CannotDo> {
        let choices = Person::personas().into_iter().map(|person| {
            let standing = if self.follows(&person, account)? { follower } else { stranger };
            Ok(Choice { person, standing })
        });
        choices.collect()
    }

    fn chat(
        &self,
        words: &'static Words,
        account: &AccountName,
        form: Filled,
        outcome: Outcome,
    ) -> Result<Page, CannotDo> {
        let view = View::Chat { account: account.clone(), person: form.person, said: form.text, screen: outcome.shown };
        self.page(words, account, view)
    }
}

fn answer(words: &'static Words, made: Result<Page, CannotDo>) -> Response {
    let status = match made {
        Ok(_) => StatusCode::OK,
        Err(CannotDo::UnknownCode | CannotDo::UnknownAccount) => StatusCode::NOT_FOUND,
        Err(CannotDo::ExpiredCode) => StatusCode::GONE,
        Err(CannotDo::OtherKind | CannotDo::NotFollowing | CannotDo::Following) => StatusCode::CONFLICT,
    };
    let stuck = |why| Page { words, title: "WeChat".to_owned(), view: View::Stuck(words.cannot(why)) };
    let page = made.unwrap_or_else(stuck);
    let html = page.render().expect("a String takes every page");
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'";
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}
