//! What people do with their phones.

use std::sync::Arc;

use scenecast_shared::{
    scene::{AccountName, OpenId},
    time::unix_now,
};

use super::{
    MenuLink, Outcome, Person, Simulator,
    account::Hosted,
    lock,
    rules::codes::{BadCode, Code, Opens},
    settings::Kind,
    webhook::message::{Message, What},
};

/// What a person can do with an Official Account, but for scanning its codes.
#[derive(Debug, Clone, PartialEq)]
pub enum Deed {
    /// Begins to follow other than by a code with a scene.
    Follow {
        /// What the event says of how: nothing at all, an empty text, `last_trade_no_…` (after
        /// paying), `scanbarcode|…` or `scanimage|…` (a product).
        event_key: Option<String>,
    },
    /// Stops following. Whatever the account answers, nothing is shown.
    Unfollow,
    /// Types a text.
    Say(String),
    /// Taps a link in one of the account's texts.
    Tap {
        /// What is sent for it.
        content: String,
        /// Which link it was.
        id: String,
    },
    /// Sends a picture.
    SendImage,
    /// Sends a voice message.
    SendVoice,
    /// Sends something that WeChat invents tomorrow.
    SendOther {
        /// Its `MsgType`.
        msg_type: String,
    },
    /// Lets the account know where the phone is, in degrees and metres.
    Locate {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// Metres.
        precision: f64,
    },
    /// Chooses an entry of the account's menu that asks the account.
    ClickMenu {
        /// The entry's key.
        key: String,
    },
    /// Chooses one that opens a page.
    OpenMenu {
        /// The page.
        url: String,
    },
    /// Chooses one that scans some code, which may be anybody's.
    ScanByMenu {
        /// The entry's key.
        key: String,
        /// What the code says.
        result: String,
        /// Whether the phone waits for an answer (`scancode_waitmsg`) or not (`scancode_push`).
        waits: bool,
    },
    /// Causes an event that WeChat invents tomorrow.
    CauseOther {
        /// Its `Event`.
        event: String,
    },
}

/// Why somebody can't do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotDo {
    /// The code isn't one of WeChat's.
    #[error("WeChat does not know this QR code")]
    UnknownCode,
    /// The code could be scanned earlier.
    #[error("this QR code has expired")]
    ExpiredCode,
    /// No account of this name is hosted.
    #[error("there is no account of this name")]
    UnknownAccount,
    /// An Official Account has no pages, and a mini program no followers.
    #[error("that is done with the other kind of account")]
    OtherKind,
    /// Only a follower can write or leave.
    #[error("this person does not follow the account")]
    NotFollowing,
    /// Only somebody else can begin to follow.
    #[error("this person follows the account already")]
    Following,
}

/// Something that was done, of which the account hasn't heard yet. Dropped, it never will.
#[derive(Debug)]
#[must_use = "the account doesn't hear of it before it is delivered"]
pub struct Held {
    simulator: Simulator,
    account: Arc<Hosted>,
    message: Message,
}

impl Held {
    /// Lets the account hear of it. Done when WeChat has an answer or gives up.
    pub async fn deliver(self) -> Outcome {
        self.simulator.deliver(self.account, self.message).await
    }
}

impl Simulator {
    /// Who this person is to an account.
    pub fn openid(&self, person: &Person, account: &AccountName) -> Result<OpenId, CannotDo> {
        Ok(person.openid(&self.account(account)?.settings.app_id))
    }

    /// Which scene an Official Account's QR code leads to, as its callback will hear.
    pub(crate) fn scene_of(&self, qr_url: &str) -> Option<String> {
        Some(self.code(self.code_id(qr_url).ok()?).ok()?.scene)
    }

    /// Whether this person follows an account.
    pub fn follows(&self, person: &Person, account: &AccountName) -> Result<bool, CannotDo> {
        Ok(self.account(account)?.state().people.follows(person))
    }

    /// Scans what an Official Account's QR code says. Who doesn't follow it begins to. Done when
    /// WeChat has an answer or gives up.
    pub async fn scan(&self, person: &Person, qr_url: &str) -> Result<Outcome, CannotDo> {
        Ok(self.hold_scan(person, qr_url)?.deliver().await)
    }

    /// Writes to an account.
    pub async fn say(&self, person: &Person, account: &AccountName, text: &str) -> Result<Outcome, CannotDo> {
        self.send(person, account, Deed::Say(text.to_owned())).await
    }

    /// Taps a link in one of an account's texts; see [`menu_links`](super::menu_links).
    pub async fn tap(&self, person: &Person, account: &AccountName, link: &MenuLink) -> Result<Outcome, CannotDo> {
        let MenuLink { content, id, .. } = link.clone();
        self.send(person, account, Deed::Tap { content, id }).await
    }

    /// Leaves an account.
    pub async fn unfollow(&self, person: &Person, account: &AccountName) -> Result<Outcome, CannotDo> {
        self.send(person, account, Deed::Unfollow).await
    }

    /// Does anything with an account. Done when WeChat has an answer or gives up.
    pub async fn send(&self, person: &Person, account: &AccountName, deed: Deed) -> Result<Outcome, CannotDo> {
        Ok(self.hold(person, account, deed)?.deliver().await)
    }

    /// Scans now, of which the account hears later: after what is done next, for one.
    pub fn hold_scan(&self, person: &Person, qr_url: &str) -> Result<Held, CannotDo> {
        let code = self.code(self.code_id(qr_url)?)?;
        let Opens::Chat { ticket } = code.opens else { return Err(CannotDo::OtherKind) };
        let (account, scene) = (self.account(&code.account)?, code.scene);
        let what = {
            let now = unix_now().as_secs();
            let mut state = account.state();
            let relation = state.people.of(person, now);
            if relation.follows_since.is_some() {
                What::Scan { scene, ticket }
            } else {
                relation.follows_since = Some(now);
                relation.scene.clone_from(&scene);
                What::SubscribeByCode { scene, ticket }
            }
        };
        Ok(self.held(account, person, what))
    }

    /// Does something now, of which the account hears later.
    pub fn hold(&self, person: &Person, account: &AccountName, deed: Deed) -> Result<Held, CannotDo> {
        let account = self.account(account)?;
        if account.settings.kind != Kind::Official {
            return Err(CannotDo::OtherKind);
        }
        {
            let now = unix_now().as_secs();
            let mut state = account.state();
            let relation = state.people.of(person, now);
            match (&deed, relation.follows_since) {
                (Deed::Follow { .. }, None) => {
                    relation.follows_since = Some(now);
                    relation.scene.clear();
                }
                (Deed::Follow { .. }, Some(_)) => return Err(CannotDo::Following),
                (_, None) => return Err(CannotDo::NotFollowing),
                (Deed::Unfollow, Some(_)) => relation.follows_since = None,
                (_, Some(_)) => {}
            }
        }
        Ok(self.held(account, person, What::Deed(deed)))
    }

    fn held(&self, account: &Arc<Hosted>, person: &Person, what: What) -> Held {
        let from = person.openid(&account.settings.app_id);
        let message = Message { from, created: unix_now().as_secs(), id: self.message_id(), what };
        Held { simulator: self.clone(), account: account.clone(), message }
    }

    /// The id that the address in a code ends in.
    pub(crate) fn code_id<'a>(&self, url: &'a str) -> Result<&'a str, CannotDo> {
        url.strip_prefix(self.code_url("").as_str()).ok_or(CannotDo::UnknownCode)
    }

    pub(crate) fn code(&self, id: &str) -> Result<Code, CannotDo> {
        lock(&self.0.codes).find(id, self.now()).map_err(|bad| match bad {
            BadCode::Unknown => CannotDo::UnknownCode,
            BadCode::Expired => CannotDo::ExpiredCode,
        })
    }
}
