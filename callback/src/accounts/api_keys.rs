//! API keys: which site calls, and for which accounts.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, StatusCode, header};
use scenecast_scene::{AccountName, Secret, constant_time_eq};
use scenecast_service::http::Problem;

use crate::{config::ApiKey, request};

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

impl ApiKeys {
    pub(crate) fn new(keys: BTreeMap<String, ApiKey>) -> Self {
        Self(keys)
    }

    /// The site whose key `Authorization: Bearer` has. Takes the same time for every key, valid or not.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<ApiCaller<'_>, Problem> {
        self.find(headers).ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "api_key_invalid", "Authorization has no valid API key")
        })
    }

    fn find(&self, headers: &HeaderMap) -> Option<ApiCaller<'_>> {
        let (scheme, presented) = request::header(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let is_presented = |secret: &Secret| constant_time_eq(secret.bytes(), presented.as_bytes());
        let mut found = None;
        for (name, key) in &self.0 {
            if key.key.any(is_presented) {
                found = Some(ApiCaller { name, accounts: &key.accounts });
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use scenecast_scene::Rotating;

    use super::*;

    fn name_of(authorization: &str) -> Option<String> {
        let key = |key: Rotating| ApiKey { key, accounts: BTreeSet::new() };
        let keys = ApiKeys::new(BTreeMap::from([
            ("blog".to_owned(), key(Rotating::fixed("blog's key"))),
            ("shop".to_owned(), key(Rotating { current: "new".into(), previous: Some("old".into()) })),
        ]));
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, authorization.parse().unwrap())]);
        keys.find(&headers).map(|caller| caller.name.to_owned())
    }

    #[test]
    fn a_key_names_its_caller_before_and_after_a_rotation() {
        for (authorization, name) in [
            ("Bearer blog's key", Some("blog")),
            ("bearer new", Some("shop")),
            ("Bearer old", Some("shop")),
            ("Bearer ol", None),
            ("Bearer older", None),
            ("Bearer ", None),
            ("Bearer", None),
            ("Basic new", None),
            ("new", None),
        ] {
            assert_eq!(name_of(authorization).as_deref(), name, "{authorization}");
        }
    }

    #[test]
    fn a_call_with_two_keys_is_refused() {
        let keys = ApiKeys::new(BTreeMap::new());
        let twice = [(header::AUTHORIZATION, "Bearer a".parse().unwrap()); 1];
        let mut headers = HeaderMap::from_iter(twice);
        headers.append(header::AUTHORIZATION, "Bearer b".parse().unwrap());
        assert!(keys.find(&headers).is_none());
    }
}
