//! What one account knows of its users.

use std::collections::HashMap;

use scenecast_scene::OpenId;

use super::wechat_user::WeChatUser;

/// What an account knows of one user.
#[derive(Debug, Clone)]
pub(crate) struct UserRelation {
    pub(crate) person: WeChatUser,
    /// When the user began to follow, in unix seconds. `None` if the user doesn't follow now.
    pub(crate) follows_since: Option<u64>,
    /// The scene of the code by which the user began to follow; empty without one.
    pub(crate) scene: String,
}

/// Every user with whom an account has had contact.
#[derive(Debug)]
pub(crate) struct KnownUsers {
    app_id: String,
    known: HashMap<OpenId, UserRelation>,
}

impl KnownUsers {
    /// The personas who follow from the start.
    pub(crate) fn new(app_id: &str, now_secs: u64) -> Self {
        let mut users = Self { app_id: app_id.to_owned(), known: HashMap::new() };
        for person in WeChatUser::personas().iter().filter(|person| person.follows_at_first()) {
            users.relation_mut(person, now_secs);
        }
        users
    }

    /// The relation to this person, who is known from now on.
    pub(crate) fn relation_mut(&mut self, person: &WeChatUser, now_secs: u64) -> &mut UserRelation {
        self.known.entry(person.openid(&self.app_id)).or_insert_with(|| UserRelation {
            person: person.clone(),
            follows_since: person.follows_at_first().then_some(now_secs),
            scene: String::new(),
        })
    }

    /// Whether this person follows the account.
    pub(crate) fn follows(&self, person: &WeChatUser) -> bool {
        let known = self.known.get(&person.openid(&self.app_id));
        known.map_or(person.follows_at_first(), |relation| relation.follows_since.is_some())
    }

    pub(crate) fn find(&self, openid: &OpenId) -> Option<&UserRelation> {
        self.known.get(openid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_personas_follow_from_the_start_and_two_do_not() {
        let users = KnownUsers::new("wx1", 7);
        let follows = WeChatUser::personas().map(|person| users.follows(&person));
        assert_eq!(follows, [true, true, false, false]);
    }
}
