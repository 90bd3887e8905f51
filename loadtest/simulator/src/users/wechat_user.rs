//! A person with WeChat on a phone.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use scenecast_scene::OpenId;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WeChatUser {
    name: String,
    follows_at_first: bool,
    has_profile: bool,
}

impl WeChatUser {
    /// The four people on the phone page. At first Ann and Bo follow every account, and Chen and Dora follow none.
    /// Ann's account is so old that WeChat still tells her name and avatar.
    pub fn personas() -> [Self; 4] {
        [("ann", true, true), ("bo", true, false), ("chen", false, false), ("dora", false, false)]
            .map(|(name, follows_at_first, has_profile)| Self { name: name.to_owned(), follows_at_first, has_profile })
    }

    /// The persona with this name.
    pub fn persona(name: &str) -> Option<Self> {
        Self::personas().into_iter().find(|person| person.name == name)
    }

    /// One of any number of people. Those with an odd number follow every account at first.
    pub fn nth(n: u64) -> Self {
        Self { name: format!("person-{n}"), follows_at_first: n % 2 == 1, has_profile: false }
    }

    /// The name; no two people share one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name with a capital letter, as WeChat shows it.
    pub(crate) fn nickname(&self) -> String {
        let mut letters = self.name.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }

    pub(crate) fn has_profile(&self) -> bool {
        self.has_profile
    }

    pub(super) fn follows_at_first(&self) -> bool {
        self.follows_at_first
    }

    /// The openid of this person for the account with that app id: 28 characters, different for each account.
    pub(crate) fn openid(&self, app_id: &str) -> OpenId {
        self.identity(app_id).parse().expect("it has the characters of an openid")
    }

    /// The id of this person for all accounts of one Open Platform.
    pub(crate) fn unionid(&self) -> String {
        self.identity("open platform")
    }

    fn identity(&self, to: &str) -> String {
        let digest = Sha256::new().chain_update(to).chain_update([0]).chain_update(&self.name).finalize();
        let text = URL_SAFE_NO_PAD.encode(digest);
        format!("o{}", &text[..27])
    }
}

impl fmt::Display for WeChatUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openid_looks_like_wechats_and_differs_by_person_and_account() {
        let openid = WeChatUser::nth(1).openid("wx1");
        assert_eq!((openid.as_str().len(), &openid.as_str()[..1]), (28, "o"));
        assert_eq!(openid, WeChatUser::nth(1).openid("wx1"));
        assert_ne!(openid, WeChatUser::nth(2).openid("wx1"));
        assert_ne!(openid, WeChatUser::nth(1).openid("wx2"));
    }
}
