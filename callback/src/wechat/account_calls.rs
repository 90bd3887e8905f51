//! One account's calls: with a valid access token, within a time limit, and only while WeChat takes them.

use std::time::Duration;

use scenecast_scene::AccountName;
use scenecast_wechat::ErrorCode;
use tokio::time::{Instant, timeout_at};

use super::{
    access_token::AccessTokenSource,
    circuit::Circuit,
    client::{ApiCall, CallError, WechatClient},
};

/// For a call with its token and its repeats, or for all calls that one page waits for: a gateway waits five seconds for
/// a callback.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// By when WeChat has to have answered the calls that begin now, in whatever number.
pub(crate) fn call_deadline() -> Instant {
    Instant::now() + CALL_TIMEOUT
}

/// Makes one account's calls. Clones share the token and the circuit.
#[derive(Clone)]
pub(crate) struct AccountCalls {
    account: AccountName,
    client: WechatClient,
    token: AccessTokenSource,
    circuit: Circuit,
}

impl AccountCalls {
    pub(crate) fn new(account: AccountName, client: WechatClient, token: AccessTokenSource, circuit: Circuit) -> Self {
        Self { account, client, token, circuit }
    }

    /// Fails if this call, which takes an access token, would not be made now.
    pub(crate) async fn prepare(&self, call: &'static str, by: Instant) -> Result<(), CallError> {
        self.circuit.check(call)?;
        // Boxed, as in `call`.
        Box::pin(answered_by(by, self.token.get())).await.map(drop)
    }

    /// Makes a call that takes an access token.
    pub(crate) async fn call<T>(&self, ask: &ApiCall<T>, by: Instant) -> Result<T, CallError> {
        // Boxed, because otherwise the futures of each delivery would hold all of this one's memory.
        Box::pin(self.with_token(ask, by)).await
    }

    /// Makes a call without an access token.
    pub(crate) async fn call_without_token<T>(&self, ask: &ApiCall<T>) -> Result<T, CallError> {
        let begun = self.circuit.begin(ask.path)?;
        let answer = Box::pin(answered_by(call_deadline(), self.client.send(ask, None))).await;
        self.circuit.record(begun, ask.subject, answer)
    }

    /// The token's own failures say nothing of this call, and are recorded where the token comes from.
    async fn with_token<T>(&self, ask: &ApiCall<T>, by: Instant) -> Result<T, CallError> {
        self.circuit.check(ask.path)?;
        let token = answered_by(by, self.token.get()).await?;
        let begun = self.circuit.begin(ask.path)?;
        let answer = match answered_by(by, self.client.send(ask, Some(&token))).await {
            Err(error) if error.code() == Some(ErrorCode::StaleToken) => {
                tracing::info!(
                    account = %self.account, %error,
                    "WeChat refuses the access token; asking for another one and calling again"
                );
                let token = answered_by(by, self.token.replace(&token)).await?;
                answered_by(by, self.client.send(ask, Some(&token))).await
            }
            answered => answered,
        };
        self.circuit.record(begun, ask.subject, answer)
    }
}

async fn answered_by<T>(deadline: Instant, call: impl Future<Output = Result<T, CallError>>) -> Result<T, CallError> {
    timeout_at(deadline, call).await.unwrap_or(Err(CallError::TooSlow))
}
