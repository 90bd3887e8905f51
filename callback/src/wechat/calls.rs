//! The calls of one account: none that WeChat doesn't take now, and with a token that is good.

use std::time::Duration;

use scenecast_shared::wechat::Code;

use super::{
    circuit::Circuit,
    client::{ApiCall, CallError, Client},
    token::AccessToken,
};

/// How long a call may take with its token and its repeats; a page waits for it.
const LIMIT: Duration = Duration::from_secs(4);

/// One account's way to WeChat. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Calls {
    client: Client,
    token: AccessToken,
    circuit: Circuit,
}

impl Calls {
    pub(crate) fn new(client: Client, token: AccessToken, circuit: Circuit) -> Self {
        Self { client, token, circuit }
    }

    /// Whether this call may be made now.
    pub(crate) fn check(&self, call: &'static str) -> Result<(), CallError> {
        self.circuit.check(call)
    }

    /// Makes a call that takes an access token.
    pub(crate) async fn call<T>(&self, ask: &ApiCall<T>) -> Result<T, CallError> {
        in_time(self.with_token(ask)).await
    }

    /// Makes a call that takes none, for one person.
    pub(crate) async fn call_for_somebody<T>(&self, ask: &ApiCall<T>) -> Result<T, CallError> {
        self.circuit.check(ask.path)?;
        let answer = in_time(self.client.send(ask, None)).await;
        // Its quota by the minute is that person's, and no reason to leave others waiting.
        answer.inspect_err(|error| match error.code() {
            Some(Code::MinuteQuota) => {}
            _ => self.circuit.learn(ask.path, error),
        })
    }

    async fn with_token<T>(&self, ask: &ApiCall<T>) -> Result<T, CallError> {
        self.circuit.check(ask.path)?;
        let token = self.token.get().await?;
        let answer = match self.client.send(ask, Some(&token)).await {
            Err(error) if error.code() == Some(Code::StaleToken) => {
                tracing::info!(%error, "WeChat refuses the access token; replacing it");
                let token = self.token.replace(&token).await?;
                self.client.send(ask, Some(&token)).await
            }
            answered => answered,
        };
        answer.inspect_err(|error| self.circuit.learn(ask.path, error))
    }
}

fn in_time<T>(call: impl Future<Output = Result<T, CallError>>) -> impl Future<Output = Result<T, CallError>> {
    // Boxed: what a call's futures need would be part of every webhook's otherwise.
    let call = tokio::time::timeout(LIMIT, Box::pin(call));
    async { call.await.unwrap_or(Err(CallError::TooSlow)) }
}
