//! API keys: which site calls, and for which accounts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use axum::http::{HeaderMap, StatusCode, header};
use scenecast_scene::{AccountName, Secret, constant_time_eq};
use scenecast_service::{admission::RateLimit, http::Problem};
use strum::IntoStaticStr;

use super::previous_secrets::PreviousSecretUses;
use crate::{config::ApiKey, request};

/// A site whose key is wrong sends many calls.
static REFUSED_LOG_RATE: LazyLock<RateLimit> = LazyLock::new(|| RateLimit::per_second(1));

/// The API keys of the sites' backends, by name.
#[derive(Default)]
pub(crate) struct ApiKeys(BTreeMap<String, ApiKey>);

/// The site whose key a call has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ApiCaller<'a> {
    /// The key's name in the configuration.
    pub(crate) name: &'a str,
    /// The accounts that it is for.
    pub(crate) accounts: &'a BTreeSet<AccountName>,
}

/// A key, and which of its two values a call has.
struct FoundKey<'a> {
    name: &'a str,
    key: &'a ApiKey,
    presented: &'a Secret,
}

/// Why a call is no site's. As text, what its log line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
enum NoCallerReason {
    #[strum(serialize = "it has no header Authorization")]
    NoHeader,
    #[strum(serialize = "it has several headers Authorization, or one that isn't text")]
    UnreadableHeader,
    #[strum(serialize = "its header Authorization doesn't begin with Bearer and a blank")]
    NotBearer,
    #[strum(serialize = "its key is none of api_keys, but for blanks or quotation marks around it")]
    Untidy,
    #[strum(serialize = "its key is none of api_keys")]
    UnknownKey,
}

impl ApiKeys {
    pub(crate) fn new(keys: BTreeMap<String, ApiKey>) -> Self {
        Self(keys)
    }

    /// The site whose key `Authorization: Bearer` has. Takes the same time for every key, valid or not.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        previous_secrets: &PreviousSecretUses,
    ) -> Result<ApiCaller<'_>, Problem> {
        let found = self.find(headers).map_err(|why| {
            if REFUSED_LOG_RATE.allows() {
                tracing::warn!(
                    why = <&str>::from(why),
                    "refused a call of a site, because it has no valid API key; its backend has to send \
                     `Authorization: Bearer` and the key that api_keys has for it here"
                );
            }
            Problem::new(StatusCode::UNAUTHORIZED, "api_key_invalid", "Authorization has no valid API key")
        })?;
        previous_secrets.count(&found.key.key, found.presented, || format!("api_keys.{}.key", found.name));
        Ok(ApiCaller { name: found.name, accounts: &found.key.accounts })
    }

    fn find(&self, headers: &HeaderMap) -> Result<FoundKey<'_>, NoCallerReason> {
        let name = header::AUTHORIZATION.as_str();
        if !headers.contains_key(name) {
            return Err(NoCallerReason::NoHeader);
        }
        let authorization = request::header(headers, name).ok_or(NoCallerReason::UnreadableHeader)?;
        let (scheme, presented) = authorization.split_once(' ').ok_or(NoCallerReason::NotBearer)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(NoCallerReason::NotBearer);
        }
        let tidy = presented.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        match self.find_key(presented) {
            Some(found) => Ok(found),
            None if tidy != presented && self.find_key(tidy).is_some() => Err(NoCallerReason::Untidy),
            None => Err(NoCallerReason::UnknownKey),
        }
    }

    fn find_key(&self, presented: &str) -> Option<FoundKey<'_>> {
        let is_presented = |secret: &Secret| constant_time_eq(secret.bytes(), presented.as_bytes());
        let mut found = None;
        for (name, key) in &self.0 {
            if let Some(presented) = key.key.find(is_presented) {
                found = Some(FoundKey { name, key, presented });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounterVec, Opts};
    use scenecast_scene::Rotating;

    use super::*;

    fn name_of(authorization: &str) -> Result<String, NoCallerReason> {
        let key = |key: Rotating| ApiKey { key, accounts: BTreeSet::new() };
        let keys = ApiKeys::new(BTreeMap::from([
            ("blog".to_owned(), key(Rotating::fixed("blog's key"))),
            ("shop".to_owned(), key(Rotating { current: "new".into(), previous: Some("old".into()) })),
        ]));
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())]);
        keys.find(&headers).map(|found| found.name.to_owned())
    }

    #[test]
    fn a_key_names_its_caller_before_and_after_a_rotation() {
        for (authorization, name) in [("Bearer blog's key", "blog"), ("bearer new", "shop"), ("Bearer old", "shop")] {
            assert_eq!(name_of(authorization).unwrap(), name, "{authorization}");
        }
    }

    #[test]
    fn calls_with_the_previous_key_are_counted_by_its_setting() {
        let key = |key: Rotating| ApiKey { key, accounts: BTreeSet::new() };
        // A previous value that is the current one, too, counts as that.
        let same = Rotating { current: "same".into(), previous: Some("same".into()) };
        let keys = ApiKeys::new(BTreeMap::from([
            ("shop".to_owned(), key(Rotating { current: "new".into(), previous: Some("old".into()) })),
            ("blog".to_owned(), key(same)),
        ]));
        let uses = IntCounterVec::new(Opts::new("uses", "Uses."), &["setting"]).unwrap();
        let counted = |setting| uses.with_label_values(&[setting]).get();
        for (presented, name, expected) in
            [("new", "shop", 0), ("old", "shop", 1), ("none", "", 1), ("same", "blog", 1), ("old", "shop", 2)]
        {
            let headers =
                HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {presented}").parse().unwrap())]);
            let caller = keys.caller(&headers, &PreviousSecretUses::new(uses.clone()));
            assert_eq!(caller.map_or("", |caller| caller.name), name);
            assert_eq!((counted("api_keys.shop.key"), counted("api_keys.blog.key")), (expected, 0), "{presented}");
        }
    }

    #[test]
    fn a_call_without_a_valid_key_is_refused_for_a_reason_that_is_told() {
        for (authorization, why) in [
            ("Bearer ol", NoCallerReason::UnknownKey),
            ("Bearer older", NoCallerReason::UnknownKey),
            ("Bearer ", NoCallerReason::UnknownKey),
            ("Bearer  new", NoCallerReason::Untidy),
            ("Bearer \"old\"", NoCallerReason::Untidy),
            ("Bearer 'new'", NoCallerReason::Untidy),
            ("Bearer", NoCallerReason::NotBearer),
            ("Basic new", NoCallerReason::NotBearer),
            ("new", NoCallerReason::NotBearer),
        ] {
            assert_eq!(name_of(authorization), Err(why), "{authorization}");
        }
        let keys = ApiKeys::new(BTreeMap::new());
        assert_eq!(keys.find(&HeaderMap::new()).err(), Some(NoCallerReason::NoHeader));
    }

    #[test]
    fn a_call_with_two_keys_is_refused() {
        let keys = ApiKeys::new(BTreeMap::new());
        let twice = [(header::AUTHORIZATION, "Bearer a".parse().unwrap()); 1];
        let mut headers = HeaderMap::from_iter(twice);
        headers.append(header::AUTHORIZATION, "Bearer b".parse().unwrap());
        assert_eq!(keys.find(&headers).err(), Some(NoCallerReason::UnreadableHeader));
    }
}
