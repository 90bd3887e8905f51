//! What the fields of a scene's hash mean. No I/O.

use std::{sync::Arc, time::Duration};

use scenecast_scene::{Event, SceneState, TOMBSTONE_MS};

use crate::{error::BusError, mailbox::Mailbox};

/// The state of a hash that ends in `life_ms`, and how long that state still lasts. The hash lives on as a tombstone
/// after the scene has ended.
pub(crate) fn state(stored: &str, life_ms: i64) -> Result<(SceneState, Duration), BusError> {
    let stored: SceneState = stored.parse().map_err(|_| BusError::malformed("state"))?;
    let remaining = u64::try_from(life_ms).unwrap_or(0).saturating_sub(TOMBSTONE_MS);
    let state = if stored.can_expire() && remaining == 0 { SceneState::Expired } else { stored };
    Ok((state, Duration::from_millis(remaining)))
}

/// Reads `state` and `events` of a hash that ends in `life_ms`.
pub(crate) fn mailbox(fields: &[Option<String>], life_ms: i64) -> Result<Option<Mailbox>, BusError> {
    let [Some(stored), events] = fields else { return Ok(None) };
    let (state, remaining) = state(stored, life_ms)?;
    let lines = events.as_deref().unwrap_or_default().lines();
    let events: Option<_> = lines.map(|line| Event::parse(line).map(Arc::new)).collect();
    Ok(Some(Mailbox { state, remaining, events: events.ok_or(BusError::malformed("events"))? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_is_not_ours_is_malformed() {
        let fields = |state: &str, events: &str| vec![Some(state.to_owned()), Some(events.to_owned())];
        assert!(matches!(mailbox(&fields("opened", ""), 700_000), Err(BusError::Malformed { what: "state", .. })));
        assert!(matches!(mailbox(&fields("open", "1 {}"), 700_000), Err(BusError::Malformed { what: "events", .. })));
        assert!(matches!(mailbox(&[None, None], -2), Ok(None)));
    }

    #[test]
    fn a_scene_has_expired_when_only_its_tombstone_is_left() {
        let open = [Some("open".to_owned()), None];
        let tombstone = i64::try_from(TOMBSTONE_MS).unwrap();
        for (life, state) in
            [(tombstone + 1, SceneState::Open), (tombstone, SceneState::Expired), (1, SceneState::Expired)]
        {
            assert_eq!(mailbox(&open, life).unwrap().unwrap().state, state, "{life}");
        }
    }
}
