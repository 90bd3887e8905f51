//! Values under keys: how they are read, and set.

use std::time::Duration;

use scenecast_scene::time::millis;

use crate::{
    client::Redis,
    command::RedisCommand,
    error::RedisError,
    inspection::{clock::parse_time, losses::KeptSince, server_run::ServerRun},
    replication::WritePosition,
    topology::slots::Slot,
};

impl Redis {
    /// The value of this key.
    pub async fn get(&self, key: &str) -> Result<Option<String>, RedisError> {
        Ok(self.router.execute_one(key, RedisCommand::new("GET", [key])).await?.convert()?)
    }

    /// [`Redis::get`], where nothing is found only if no later primary finds anything either, and if the primary didn't
    /// just lose its keys. A primary that has been replaced may lack what its successor has; it gives no answer.
    pub async fn find(&self, key: &str) -> Result<Option<String>, RedisError> {
        let (value, read_at) = self.get_at(key).await?;
        if value.is_none() {
            self.confirm_missing(key).await?;
            self.wait_for_replicas(&read_at).await?;
        }
        Ok(value)
    }

    /// [`Redis::find`], where what is found doesn't come from a primary that has been replaced either. That costs a wait
    /// for the replicas each time.
    pub async fn find_current(&self, key: &str) -> Result<Option<String>, RedisError> {
        let (value, read_at) = self.get_at(key).await?;
        if value.is_none() {
            self.confirm_missing(key).await?;
        }
        self.wait_for_replicas(&read_at).await?;
        Ok(value)
    }

    /// Reads a value, and says where.
    async fn get_at(&self, key: &str) -> Result<(Option<String>, WritePosition), RedisError> {
        let routed = self.router.execute(key, &[RedisCommand::new("GET", [key])]).await?;
        let read_at = WritePosition::new(key, &routed);
        let value = routed.replies.into_iter().next().unwrap_or_else(|| Err(fred::error::Error::new_canceled()))?;
        Ok((value.convert()?, read_at))
    }

    /// Sets the key to a value, for `life`.
    pub async fn set(&self, key: &str, value: &str, life: Duration) -> Result<(), RedisError> {
        let set = RedisCommand::new("SET", [key, value, "PX", &millis(life).to_string()]);
        self.router.execute_one(key, set).await?;
        Ok(())
    }

    /// Sets the key to a value, for `life`, if it has none. Otherwise returns the value that it has.
    pub async fn set_if_absent(&self, key: &str, value: &str, life: Duration) -> Result<Option<String>, RedisError> {
        Ok(self.router.execute_one(key, set_if_absent(key, value, life)).await?.convert()?)
    }

    /// [`Redis::set_if_absent`], for what has to be remembered: returns once the replicas have it, and tells from when on
    /// such values were kept. A value that was set after that moment, and before this call, was found.
    pub async fn set_once(
        &self,
        key: &str,
        value: &str,
        life: Duration,
    ) -> Result<(Option<String>, KeptSince), RedisError> {
        // Whoever finds nobody asking asks in the same round trip. After the value is set, so that a loss between both is seen.
        let owner = self.router.topology().table().owner(Slot::of(key)).cloned();
        let question = owner.as_ref().map(|owner| self.losses.question(owner));
        let begun = question.as_ref().and_then(|question| question.try_begin());
        let commands = [set_if_absent(key, value, life), ServerRun::command()];
        let commands = if begun.is_some() { &commands[..] } else { &commands[..1] };
        let routed = self.router.execute(key, commands).await?;
        let written = WritePosition::new(key, &routed);
        let mut replies = routed.replies.into_iter();
        let stored = replies.next().unwrap_or_else(|| Err(fred::error::Error::new_canceled()))?.convert()?;
        let run = replies.next().and_then(|info| ServerRun::read(info.ok()?));
        let looked = async {
            if let (Some(begun), Some(run), true) = (begun, run, owner.as_ref() == Some(&written.node)) {
                let lost_at = self.router.pool().get(&written.node).state().borrow().lost_at;
                self.losses.observe(&written.node, run, lost_at);
                begun.answered();
                return Ok(());
            }
            self.losses.look_for_losses(&written.node, self.router.pool()).await
        };
        tokio::try_join!(looked, self.wait_for_replicas(&written))?;
        Ok((stored, self.losses.kept_since()))
    }

    /// Removes the key after `life`, whatever it holds. Does nothing if there is no such key.
    pub async fn expire(&self, key: &str, life: Duration) -> Result<(), RedisError> {
        self.router.execute_one(key, RedisCommand::new("PEXPIRE", [key, &millis(life).to_string()])).await?;
        Ok(())
    }

    /// The time since 1970 by the clock of the server that has this key.
    pub async fn time_at(&self, key: &str) -> Result<Duration, RedisError> {
        let answer = self.router.execute_one(key, RedisCommand::time()).await?;
        parse_time(&answer).ok_or_else(RedisError::malformed)
    }

    /// From now on asks each primary once a second whether it lost keys, so that the moment that [`Redis::set_once`] tells
    /// is no later than a second after the loss.
    pub fn date_losses(&self) {
        self.losses.keep_asking(self.router.topology(), self.router.pool());
    }
}

fn set_if_absent(key: &str, value: &str, life: Duration) -> RedisCommand {
    RedisCommand::new("SET", [key, value, "PX", &millis(life).to_string(), "NX", "GET"])
}
