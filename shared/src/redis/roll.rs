//! A hash in which each pod has a field of its own.

use std::collections::HashMap;

use fred::{clients::Pipeline, interfaces::HashesInterface};

use super::{Redis, RedisError, Reply};

impl Redis {
    /// Removes fields of a hash, gives one a value, and answers all of them.
    pub(crate) async fn update_hash(
        &self,
        key: &str,
        remove: Vec<String>,
        field: &str,
        value: String,
    ) -> Result<HashMap<String, String>, RedisError> {
        let place = self.connection.place()?;
        let pipeline: Pipeline<_> = place.client.pipeline();
        if !remove.is_empty() {
            let () = pipeline.hdel(key, remove).await?;
        }
        let () = pipeline.hset(key, (field, value)).await?;
        let () = pipeline.hgetall(key).await?;
        let answers = pipeline.try_all::<Reply>().await;
        let all = answers.into_iter().collect::<Result<Vec<_>, _>>()?.pop();
        let all = all.ok_or_else(|| RedisError::NoAnswer("too few answers".into()))?;
        all.convert().map_err(|_| RedisError::Foreign)
    }
}
