//! What the site's backend is told without asking.
//!
//! | module | what it is for |
//! |---|---|
//! | `known` | what it is told of somebody, alike in answers and in webhooks |
//! | `webhooks` | takes letters to it until it has answered for each |
//! | `post`, `signature`, `mail` | a letter as a request, signed, sent |

mod known;
mod mail;
mod post;
mod signature;
mod webhooks;

use std::sync::Arc;

use scenecast_shared::{
    scene::{AccountName, DeliveryId, Language, OpenId},
    serve::Shutdown,
    store::{Letter, LetterKind, StoreError, User},
    time::unix_now_ms,
};
use serde::Serialize;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::webhooks::Courier;
use crate::config::Webhooks;

pub(crate) use known::Known;
pub use mail::Mail;
pub use signature::{BadSecret, Signer};

/// One account's site, as far as it is told without asking.
pub struct Site {
    account: AccountName,
    language: Language,
    courier: Option<Arc<Courier>>,
    /// Ends the courier's work when this account's settings are replaced.
    relieved: DropGuard,
}

/// Something that happened to somebody.
#[derive(Clone, Copy)]
pub struct News<'a> {
    /// What.
    pub kind: LetterKind,
    /// The delivery that said so.
    pub delivery: DeliveryId,
    /// To whom.
    pub openid: &'a OpenId,
    /// What is known of them by now.
    pub user: &'a User,
    /// The scene that they scanned, by the name that its page knows it by.
    pub scene: Option<&'a str>,
}

/// What is in a letter.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    known: Known<'a>,
    scene: Option<&'a str>,
}

impl Site {
    /// The site of this account, which speaks this language; told only where there are `webhooks`.
    pub fn new(account: AccountName, language: Language, webhooks: Option<Webhooks>, mail: &Mail) -> Self {
        let courier = webhooks.map(|webhooks| Courier::new(account.clone(), webhooks, mail.clone()));
        Self { account, language, courier, relieved: CancellationToken::new().drop_guard() }
    }

    /// Begins to deliver, until the process closes or this is dropped.
    pub fn start(&self, shutdown: &Shutdown) {
        if let Some(courier) = &self.courier {
            courier.start(shutdown, self.relieved.token());
        }
    }

    /// Tells the site; done when no pod's death can prevent it any more, or at once where it isn't
    /// told such things. After an error whatever led to it has to be done again, and the
    /// same news twice are told under one id.
    pub async fn tell(&self, news: News<'_>) -> Result<(), StoreError> {
        let News { kind, delivery, openid, user, scene } = news;
        let told = self.courier.as_ref().filter(|courier| courier.settings().target.is_told(kind));
        let Some(courier) = told else { return Ok(()) };
        let known = Known::new(&self.account, openid, user, self.language);
        let body = serde_json::to_value(Body { known, scene }).expect("what is known has string keys only");
        courier.put(&Letter { account: self.account.clone(), kind, delivery, created: unix_now_ms(), body }).await
    }
}
