//! Who is calling: an account by its credentials, or by an access token.

use serde::Deserialize;

use crate::simulator::{Simulator, account::Hosted, rules::refusal::Refusal};

/// How an account asks for a token.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    pub(super) grant_type: Option<String>,
    pub(super) appid: Option<String>,
    pub(super) secret: Option<String>,
    #[serde(default)]
    pub(super) force_refresh: bool,
}

/// How it calls with one.
#[derive(Debug, Deserialize)]
pub(super) struct Access {
    access_token: Option<String>,
}

impl Simulator {
    pub(super) fn authenticate(&self, credentials: &Credentials) -> Result<&Hosted, Refusal> {
        if credentials.grant_type.as_deref() != Some("client_credential") {
            return Err(Refusal::GRANT_TYPE);
        }
        let app_id = credentials.appid.as_deref().filter(|id| !id.is_empty()).ok_or(Refusal::NO_APP_ID)?;
        let given = credentials.secret.as_deref().filter(|secret| !secret.is_empty()).ok_or(Refusal::NO_SECRET)?;
        let account = self.0.accounts.values().find(|account| account.settings.app_id == app_id);
        let account = account.ok_or(Refusal::APP_ID)?;
        match account.settings.secret.text() {
            secret if secret == given => Ok(account),
            secret if secret.len() == given.len() => Err(Refusal::CREDENTIAL),
            _ => Err(Refusal::SECRET),
        }
    }

    pub(super) fn authorize(&self, access: &Access) -> Result<&Hosted, Refusal> {
        let token = access.access_token.as_deref().filter(|token| !token.is_empty()).ok_or(Refusal::NO_TOKEN)?;
        let now = self.now();
        for account in self.0.accounts.values() {
            if let Some(checked) = account.state().tokens.check(token, now) {
                return checked.map(|()| &**account);
            }
        }
        Err(Refusal::CREDENTIAL)
    }
}
