//! The people who hold the simulated phones, and who they are to one account.

use std::{collections::HashMap, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use scenecast_shared::scene::OpenId;
use sha2::{Digest, Sha256};

/// Somebody with WeChat on a phone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Person {
    name: String,
    follows_at_first: bool,
    has_profile: bool,
}

impl Person {
    /// The four on the phone page: Ann and Bo follow every account already, Chen and Dora none.
    /// Ann's account is so old that WeChat still tells her name and avatar.
    pub fn personas() -> [Self; 4] {
        [("ann", true, true), ("bo", true, false), ("chen", false, false), ("dora", false, false)]
            .map(|(name, follows_at_first, has_profile)| Self { name: name.to_owned(), follows_at_first, has_profile })
    }

    /// The persona of this name.
    pub fn persona(name: &str) -> Option<Self> {
        Self::personas().into_iter().find(|person| person.name == name)
    }

    /// One of any number of people; every second one follows every account already.
    pub fn nth(n: u64) -> Self {
        Self { name: format!("person-{n}"), follows_at_first: n % 2 == 1, has_profile: false }
    }

    /// The name, unique among people.
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

    /// Who this is to the account with that app id: 28 characters, another one for each account.
    pub(crate) fn openid(&self, app_id: &str) -> OpenId {
        self.identity(app_id).parse().expect("it has the characters of an openid")
    }

    /// Who this is to all accounts of one Open Platform.
    pub(crate) fn unionid(&self) -> String {
        self.identity("open platform")
    }

    fn identity(&self, to: &str) -> String {
        let digest = Sha256::new().chain_update(to).chain_update([0]).chain_update(&self.name).finalize();
        let text = URL_SAFE_NO_PAD.encode(digest);
        format!("o{}", &text[..27])
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What an account knows of somebody.
#[derive(Debug, Clone)]
pub(crate) struct Relation {
    pub(crate) person: Person,
    /// Since when, in unix seconds, if now.
    pub(crate) follows_since: Option<u64>,
    /// The scene of the code that made them follow.
    pub(crate) scene: String,
}

/// Everybody an account has had to do with.
#[derive(Debug)]
pub(crate) struct People {
    app_id: String,
    known: HashMap<OpenId, Relation>,
}

impl People {
    /// Those personas that follow from the start.
    pub(crate) fn new(app_id: &str, now_secs: u64) -> Self {
        let mut people = Self { app_id: app_id.to_owned(), known: HashMap::new() };
        for person in Person::personas().iter().filter(|person| person.follows_at_first) {
            people.of(person, now_secs);
        }
        people
    }

    /// What the account knows of this person, from now on.
    pub(crate) fn of(&mut self, person: &Person, now_secs: u64) -> &mut Relation {
        self.known.entry(person.openid(&self.app_id)).or_insert_with(|| Relation {
            person: person.clone(),
            follows_since: person.follows_at_first.then_some(now_secs),
            scene: String::new(),
        })
    }

    /// Whether this person follows the account.
    pub(crate) fn follows(&self, person: &Person) -> bool {
        let known = self.known.get(&person.openid(&self.app_id));
        known.map_or(person.follows_at_first, |relation| relation.follows_since.is_some())
    }

    pub(crate) fn find(&self, openid: &OpenId) -> Option<&Relation> {
        self.known.get(openid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openid_looks_like_wechats_and_differs_by_person_and_account() {
        let openid = Person::nth(1).openid("wx1");
        assert_eq!((openid.as_str().len(), &openid.as_str()[..1]), (28, "o"));
        assert_eq!(openid, Person::nth(1).openid("wx1"));
        assert_ne!(openid, Person::nth(2).openid("wx1"));
        assert_ne!(openid, Person::nth(1).openid("wx2"));
    }

    #[test]
    fn two_personas_follow_from_the_start_and_two_do_not() {
        let people = People::new("wx1", 7);
        let follows = Person::personas().map(|person| people.follows(&person));
        assert_eq!(follows, [true, true, false, false]);
    }
}
