//! Puts what happens to an account's people into the outbox, if the account has webhooks.

use std::sync::Arc;

use scenecast_bus::StoreError;
use scenecast_scene::{AccountName, DeliveryId, Language, OpenId, time::unix_now_ms};
use scenecast_service::shutdown::Shutdown;
use serde::Serialize;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{sender::WebhookSender, settings::WebhookSettings, worker::WebhookWorker};
use crate::{
    people::UserDocument,
    stores::{User, WebhookEvent, WebhookEventKind},
};

/// Publishes the events of one account. Dropping it stops the account's worker.
pub struct WebhookPublisher {
    account: AccountName,
    language: Language,
    worker: Option<Arc<WebhookWorker>>,
    /// Stops the worker when this account's settings are replaced.
    stop_worker: DropGuard,
}

/// Something that happened to a person.
#[derive(Clone, Copy)]
pub struct UserEvent<'a> {
    pub kind: WebhookEventKind,
    /// The delivery that says so.
    pub delivery: DeliveryId,
    pub openid: &'a OpenId,
    /// The person's record, after what happened.
    pub user: &'a User,
    /// The scene that the person scanned, by the name that its page knows.
    pub scene: Option<&'a str>,
}

/// The data of an event, as the site gets it.
#[derive(Serialize)]
struct WebhookData<'a> {
    #[serde(flatten)]
    user: UserDocument<'a>,
    scene: Option<&'a str>,
}

impl WebhookPublisher {
    /// The publisher of this account. Without settings it publishes nothing.
    pub fn new(
        account: AccountName,
        language: Language,
        settings: Option<WebhookSettings>,
        sender: &WebhookSender,
    ) -> Self {
        let worker = settings.map(|settings| WebhookWorker::new(account.clone(), settings, sender.clone()));
        Self { account, language, worker, stop_worker: CancellationToken::new().drop_guard() }
    }

    /// Starts to deliver what is in the outbox, until the process closes or this is dropped.
    pub fn start(&self, shutdown: &Shutdown) {
        if let Some(worker) = &self.worker {
            worker.start(shutdown, self.stop_worker.token());
        }
    }

    /// Whether the account has a site that is told anything.
    pub fn has_site(&self) -> bool {
        self.worker.is_some()
    }

    /// Puts an event into the outbox. When this is done, no pod's death loses the event. It is done at once if the site
    /// doesn't want events of this kind. After an error the caller has to do again what led to the event: the same
    /// event twice has the same id.
    pub async fn publish(&self, event: UserEvent<'_>) -> Result<(), StoreError> {
        let UserEvent { kind, delivery, openid, user, scene } = event;
        let Some(worker) = self.worker.as_ref().filter(|worker| worker.settings().target.takes(kind)) else {
            return Ok(());
        };
        let user = UserDocument::new(&self.account, openid, user, self.language);
        let body = serde_json::to_value(WebhookData { user, scene }).expect("the data has string keys only");
        let event = WebhookEvent { account: self.account.clone(), kind, delivery, created: unix_now_ms(), body };
        worker.put(&event).await
    }
}
