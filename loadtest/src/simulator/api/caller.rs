//! Who is calling: an account by its credentials, or by an access token.

use serde::Deserialize;

use crate::simulator::{Simulator, TokenUse, account::Hosted, rules::refusal::Refusal};

/// How an account says who it is.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    pub(super) force_refresh: bool,
}

/// What it asks for with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    /// An access token.
    Token,
    /// Who a mini program's user is.
    JsCode,
}

/// How it calls with a token.
#[derive(Debug, Deserialize)]
pub(super) struct Access {
    access_token: Option<String>,
}

impl Simulator {
    pub(super) fn authenticate(&self, credentials: &Credentials, grant: Grant) -> Result<&Hosted, Refusal> {
        let (grant_type, wrong_secret) = match grant {
            Grant::Token => ("client_credential", Refusal::CREDENTIAL),
            Grant::JsCode => ("authorization_code", Refusal::SECRET),
        };
        if credentials.grant_type.as_deref() != Some(grant_type) {
            return Err(Refusal::GRANT_TYPE);
        }
        let app_id = credentials.appid.as_deref().filter(|id| !id.is_empty()).ok_or(Refusal::NO_APP_ID)?;
        let given = credentials.secret.as_deref().filter(|secret| !secret.is_empty()).ok_or(Refusal::NO_SECRET)?;
        let account = self.0.accounts.values().find(|account| account.settings.app_id == app_id);
        let account = account.ok_or(Refusal::APP_ID)?;
        match account.settings.secret.text() {
            secret if secret == given => Ok(account),
            secret if secret.len() == given.len() => Err(wrong_secret),
            _ => Err(Refusal::SECRET),
        }
    }

    pub(super) fn authorize(&self, access: &Access) -> Result<&Hosted, Refusal> {
        let token = access.access_token.as_deref().filter(|token| !token.is_empty()).ok_or(Refusal::NO_TOKEN)?;
        let (account, _) = self.owner(token).ok_or(Refusal::CREDENTIAL)?;
        account.state().tokens.check(token, self.now())?;
        Ok(account)
    }

    /// The token that this call comes with, if WeChat ever issued it.
    pub(super) fn token_use(&self, access: &Access) -> Option<TokenUse> {
        let (account, generation) = self.owner(access.access_token.as_deref()?)?;
        Some(TokenUse { account: account.name.clone(), generation })
    }

    fn owner(&self, token: &str) -> Option<(&Hosted, u64)> {
        let generation = |account: &Hosted| account.state().tokens.generation(token);
        self.0.accounts.values().find_map(|account| Some((&**account, generation(account)?)))
    }
}
