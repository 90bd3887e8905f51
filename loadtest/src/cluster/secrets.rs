//! The secrets and names that all clusters use.

use scenecast_testing::{CALLBACK_PASSWORD, GATEWAY_PASSWORD};

/// The origin whose pages may open scenes.
pub const ORIGIN: &str = "https://www.example.com";
/// The API key with which the site's backend redeems grants of the Official Account.
pub const API_KEY: &str = "an-api-key-of-the-site";
/// The API key with which the site's backend redeems grants of the mini program.
pub const MINI_API_KEY: &str = "an-api-key-for-the-mini-program";
/// The `AppSecret` of both accounts.
pub const APP_SECRET: &str = "the-app-secret-of-the-account";
/// The token with which WeChat signs deliveries.
pub const TOKEN: &str = "theTokenOfTheAccount";
pub(super) const INTERNAL_SECRET: &str = "what-gateways-sign-their-calls-with";
pub(super) const KEY_SECRET: &str = "what-gateways-sign-their-keys-with";

/// All secrets of a cluster. They must not appear in a log, an answer or a metric.
pub const SECRETS: [&str; 8] =
    [API_KEY, MINI_API_KEY, APP_SECRET, TOKEN, INTERNAL_SECRET, KEY_SECRET, GATEWAY_PASSWORD, CALLBACK_PASSWORD];
