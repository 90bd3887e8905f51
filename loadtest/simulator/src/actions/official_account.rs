//! What users do with Official Accounts.

use std::{ops::RangeInclusive, sync::Arc};

use scenecast_scene::{AccountName, OpenId, time::unix_now};

use crate::{
    accounts::{AccountKind, HostedAccount},
    deliveries::{DeliveryMessage, DeliveryOutcome, MenuLink, MessageContent, SealedDelivery, VerifyUrlError},
    rules::codes::CodeTarget,
    simulator::Simulator,
    users::{ActionError, PhoneAction, WeChatUser},
};

/// A message about an action that already happened, but is not delivered yet. If it is dropped, it never will be.
#[derive(Debug)]
#[must_use = "the account doesn't learn of the action before the message is delivered"]
pub struct HeldDelivery {
    simulator: Simulator,
    account: Arc<HostedAccount>,
    message: DeliveryMessage,
}

impl HeldDelivery {
    /// Delivers the message. Returns when WeChat has an answer or gives up.
    pub async fn deliver(self) -> DeliveryOutcome {
        self.simulator.sender().deliver(self.account, self.message).await
    }

    /// Signs the message for somebody who posts it with connections of their own. It meets none of the simulator's faults.
    /// Each attempt is signed anew, to the next of the account's callbacks. `None` if the account has no callback.
    pub fn seal(&self) -> Option<SealedDelivery> {
        SealedDelivery::new(self.account.clone(), &self.message)
    }
}

impl Simulator {
    /// The openid of this person for an account.
    pub fn openid(&self, person: &WeChatUser, account: &AccountName) -> Result<OpenId, ActionError> {
        Ok(person.openid(&self.account(account)?.settings.app_id))
    }

    /// The scene of an Official Account's QR code, as the callback will receive it.
    pub fn scene_of(&self, qr_url: &str) -> Option<String> {
        Some(self.code(self.code_id(qr_url).ok()?).ok()?.scene)
    }

    /// Whether this person follows an account.
    pub fn follows(&self, person: &WeChatUser, account: &AccountName) -> Result<bool, ActionError> {
        Ok(self.account(account)?.state().users.follows(person))
    }

    /// Scans an Official Account's QR code, whose content is `qr_url`. A person who doesn't follow the account begins
    /// to. Returns when WeChat has an answer or gives up.
    pub async fn scan(&self, person: &WeChatUser, qr_url: &str) -> Result<DeliveryOutcome, ActionError> {
        Ok(self.hold_scan(person, qr_url)?.deliver().await)
    }

    /// Writes a text to an account.
    pub async fn say(
        &self,
        person: &WeChatUser,
        account: &AccountName,
        text: &str,
    ) -> Result<DeliveryOutcome, ActionError> {
        self.send(person, account, PhoneAction::Say(text.to_owned())).await
    }

    /// Taps a link in one of an account's texts; see [`menu_links`](crate::menu_links).
    pub async fn tap(
        &self,
        person: &WeChatUser,
        account: &AccountName,
        link: &MenuLink,
    ) -> Result<DeliveryOutcome, ActionError> {
        let MenuLink { content, id, .. } = link.clone();
        self.send(person, account, PhoneAction::Tap { content, id }).await
    }

    pub async fn unfollow(&self, person: &WeChatUser, account: &AccountName) -> Result<DeliveryOutcome, ActionError> {
        self.send(person, account, PhoneAction::Unfollow).await
    }

    /// Does any action with an account. Returns when WeChat has an answer or gives up.
    pub async fn send(
        &self,
        person: &WeChatUser,
        account: &AccountName,
        action: PhoneAction,
    ) -> Result<DeliveryOutcome, ActionError> {
        Ok(self.hold(person, account, action)?.deliver().await)
    }

    /// Scans now, but holds the message about it, so that later messages can overtake it.
    pub fn hold_scan(&self, person: &WeChatUser, qr_url: &str) -> Result<HeldDelivery, ActionError> {
        let code = self.code(self.code_id(qr_url)?)?;
        let CodeTarget::Chat { ticket } = code.target else { return Err(ActionError::WrongAccountKind) };
        let account = self.account(&code.account)?;
        Ok(self.scanned(account, person, code.scene, ticket))
    }

    /// [`Simulator::hold_scan`] of a code of this scene that another simulator has made, which has the same account: the
    /// one that serves the callbacks. That one has to [expect](Simulator::expect_people) this person.
    pub fn hold_scan_of_scene(
        &self,
        person: &WeChatUser,
        account: &AccountName,
        scene: String,
    ) -> Result<HeldDelivery, ActionError> {
        let account = self.account(account)?;
        if account.settings.kind != AccountKind::Official {
            return Err(ActionError::WrongAccountKind);
        }
        // No callback looks at it.
        let ticket = format!("gQ{scene}");
        Ok(self.scanned(account, person, scene, ticket))
    }

    /// Knows these people from now on, as if each had scanned: their phones are at other simulators, and callbacks ask
    /// this one who they are. It takes some microseconds and bytes for each.
    pub fn expect_people(&self, account: &AccountName, people: RangeInclusive<u64>) -> Result<(), ActionError> {
        let account = self.account(account)?;
        let now = unix_now().as_secs();
        let mut state = account.state();
        for number in people {
            state.users.relation_mut(&WeChatUser::nth(number), now).follows_since.get_or_insert(now);
        }
        Ok(())
    }

    fn scanned(
        &self,
        account: &Arc<HostedAccount>,
        person: &WeChatUser,
        scene: String,
        ticket: String,
    ) -> HeldDelivery {
        let content = {
            let now = unix_now().as_secs();
            let mut state = account.state();
            let relation = state.users.relation_mut(person, now);
            if relation.follows_since.is_some() {
                MessageContent::Scan { scene, ticket }
            } else {
                relation.follows_since = Some(now);
                relation.scene.clone_from(&scene);
                MessageContent::SubscribeByCode { scene, ticket }
            }
        };
        self.held(account, person, content)
    }

    /// Does an action now, but holds the message about it, so that later messages can overtake it.
    pub fn hold(
        &self,
        person: &WeChatUser,
        account: &AccountName,
        action: PhoneAction,
    ) -> Result<HeldDelivery, ActionError> {
        let account = self.account(account)?;
        if account.settings.kind != AccountKind::Official {
            return Err(ActionError::WrongAccountKind);
        }
        {
            let now = unix_now().as_secs();
            let mut state = account.state();
            let relation = state.users.relation_mut(person, now);
            match (&action, relation.follows_since) {
                (PhoneAction::Follow { .. }, None) => {
                    relation.follows_since = Some(now);
                    relation.scene.clear();
                }
                (PhoneAction::Follow { .. }, Some(_)) => return Err(ActionError::AlreadyFollowing),
                (_, None) => return Err(ActionError::NotFollowing),
                (PhoneAction::Unfollow, Some(_)) => relation.follows_since = None,
                (_, Some(_)) => {}
            }
        }
        Ok(self.held(account, person, MessageContent::Action(action)))
    }

    fn held(&self, account: &Arc<HostedAccount>, person: &WeChatUser, content: MessageContent) -> HeldDelivery {
        let from = person.openid(&account.settings.app_id);
        let message = DeliveryMessage { from, created: unix_now().as_secs(), id: self.next_message_id(), content };
        HeldDelivery { simulator: self.clone(), account: account.clone(), message }
    }

    /// Verifies each of an account's callbacks, as WeChat does when somebody enters an address in its console.
    pub async fn verify_url(&self, account: &AccountName) -> Result<(), VerifyUrlError> {
        let account = self.account(account)?;
        self.sender().verify_urls(account).await
    }
}
