//! Authenticates callers by credentials or by access token.

use serde::Deserialize;

use crate::{accounts::HostedAccount, api_calls::TokenUse, rules::refusal::ApiRefusal, simulator::Simulator};

/// The credentials of an account.
#[derive(Debug, Deserialize)]
pub(super) struct ApiCredentials {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    pub(super) force_refresh: bool,
}

/// What a caller asks for with its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrantType {
    ClientCredential,
    /// Who a mini program's user is.
    AuthorizationCode,
}

/// The query of a call with an access token.
#[derive(Debug, Deserialize)]
pub(super) struct AccessTokenQuery {
    access_token: Option<String>,
}

impl Simulator {
    /// The account with these credentials.
    pub(super) fn authenticate(
        &self,
        credentials: &ApiCredentials,
        grant: GrantType,
    ) -> Result<&HostedAccount, ApiRefusal> {
        let (grant_type, wrong_secret) = match grant {
            GrantType::ClientCredential => ("client_credential", ApiRefusal::CREDENTIAL),
            GrantType::AuthorizationCode => ("authorization_code", ApiRefusal::SECRET),
        };
        if credentials.grant_type.as_deref() != Some(grant_type) {
            return Err(ApiRefusal::GRANT_TYPE);
        }
        let app_id = credentials.appid.as_deref().filter(|id| !id.is_empty()).ok_or(ApiRefusal::NO_APP_ID)?;
        let given = credentials.secret.as_deref().filter(|secret| !secret.is_empty()).ok_or(ApiRefusal::NO_SECRET)?;
        let account = self.accounts().find(|account| account.settings.app_id == app_id).ok_or(ApiRefusal::APP_ID)?;
        match account.settings.secret.text() {
            secret if secret == given => Ok(account),
            secret if secret.len() == given.len() => Err(wrong_secret),
            _ => Err(ApiRefusal::SECRET),
        }
    }

    /// The account that owns this access token, if the token is valid.
    pub(super) fn authorize(&self, access: &AccessTokenQuery) -> Result<&HostedAccount, ApiRefusal> {
        let token = access.access_token.as_deref().filter(|token| !token.is_empty()).ok_or(ApiRefusal::NO_TOKEN)?;
        let (account, _) = self.token_owner(token).ok_or(ApiRefusal::CREDENTIAL)?;
        account.state().tokens.check(token, self.now())?;
        Ok(account)
    }

    /// Identifies the token of this call, if WeChat ever issued it.
    pub(super) fn token_use(&self, access: &AccessTokenQuery) -> Option<TokenUse> {
        let (account, generation) = self.token_owner(access.access_token.as_deref()?)?;
        Some(TokenUse { account: account.name.clone(), generation })
    }

    /// The account to which this token was issued, and the token's number there.
    fn token_owner(&self, token: &str) -> Option<(&HostedAccount, u64)> {
        self.accounts().find_map(|account| {
            let generation = account.state().tokens.generation(token)?;
            Some((account, generation))
        })
    }
}
