//! What a person can do with an Official Account, and why not.

/// What a person can do with an Official Account, except scanning its login codes.
#[derive(Debug, Clone, PartialEq)]
pub enum PhoneAction {
    /// Begins to follow, but not by a code with a scene.
    Follow {
        /// How the user found the account, as `EventKey` says it: no element at all, an empty text,
        /// `last_trade_no_…` (after a payment), `scanbarcode|…` or `scanimage|…` (a product).
        event_key: Option<String>,
    },
    /// Stops following. The phone shows nothing, whatever the account answers.
    Unfollow,
    Say(String),
    /// Taps a link in one of the account's texts.
    Tap {
        /// The text that the link sends.
        content: String,
        /// The id of the link.
        id: String,
    },
    SendImage,
    SendVoice,
    /// Sends a link from another chat.
    SendLink {
        title: String,
    },
    /// Sends a place on the map.
    SendPlace {
        /// Its name.
        label: String,
    },
    /// Sends a kind of message that doesn't exist yet.
    SendOther {
        msg_type: String,
    },
    Locate {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// Metres.
        precision: f64,
    },
    /// Chooses an entry of the account's menu that sends an event.
    ClickMenu {
        /// The key of the entry.
        key: String,
    },
    /// Chooses an entry of the account's menu that opens a page.
    OpenMenu {
        /// The URL of the page.
        url: String,
    },
    /// Chooses an entry of the account's menu that scans any code.
    ScanByMenu {
        /// The key of the entry.
        key: String,
        result: String,
        /// Whether the phone waits for an answer (`scancode_waitmsg`) or not (`scancode_push`).
        waits: bool,
    },
    /// Causes an event that doesn't exist yet.
    CauseOther {
        event: String,
    },
}

/// Why a person can't do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The code is not one of the simulator's.
    #[error("WeChat does not know this QR code")]
    UnknownCode,
    /// The code was valid earlier.
    #[error("this QR code has expired")]
    ExpiredCode,
    /// The simulator hosts no account with this name.
    #[error("there is no account of this name")]
    UnknownAccount,
    /// The action is for the other kind of account: an Official Account has no pages, a mini program has no followers.
    #[error("this kind of account does not support this action")]
    WrongAccountKind,
    /// Only a follower can write to an account or unfollow it.
    #[error("this person does not follow the account")]
    NotFollowing,
    /// A follower can't begin to follow.
    #[error("this person already follows the account")]
    AlreadyFollowing,
}
