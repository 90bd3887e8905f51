//! What the fields of a scene's hash mean. No I/O.

use std::{sync::Arc, time::Duration};

use scenecast_scene::{Event, SceneState, TOMBSTONE_MS};

use crate::{error::BusError, mailbox::Mailbox};

/// The state of a hash that ends in `life_ms`, and how long that state still lasts. The hash lives on as a tombstone
/// after the scene has ended, and for the time in its field `kept` (in ms): while a page's key is valid, a scene that was
/// logged in must not be taken for one that was lost.
pub(crate) fn state(stored: &str, kept: Option<&str>, life_ms: i64) -> Result<(SceneState, Duration), BusError> {
    let stored: SceneState = stored.parse().map_err(|_| BusError::malformed("state"))?;
    let kept: u64 = kept.unwrap_or("0").parse().map_err(|_| BusError::malformed("kept"))?;
    let beyond_its_life = TOMBSTONE_MS.saturating_add(kept);
    let remaining = u64::try_from(life_ms).unwrap_or(0).saturating_sub(beyond_its_life);
    let state = if stored.can_expire() && remaining == 0 { SceneState::Expired } else { stored };
    Ok((state, Duration::from_millis(remaining)))
}

/// The fields of a mailbox, in the order in which [`mailbox`] takes them.
pub(crate) const MAILBOX_FIELDS: [&str; 3] = ["state", "kept", "events"];

/// Reads the [`MAILBOX_FIELDS`] of a hash that ends in `life_ms`.
pub(crate) fn mailbox(fields: &[Option<String>], life_ms: i64) -> Result<Option<Mailbox>, BusError> {
    let [Some(stored), kept, events] = fields else { return Ok(None) };
    let (state, remaining) = state(stored, kept.as_deref(), life_ms)?;
    let lines = events.as_deref().unwrap_or_default().lines();
    let events: Option<_> = lines.map(|line| Event::parse(line).map(Arc::new)).collect();
    Ok(Some(Mailbox { state, remaining, events: events.ok_or(BusError::malformed("events"))? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_that_is_not_ours_is_malformed() {
        let fields = |state: &str, events: &str| vec![Some(state.to_owned()), None, Some(events.to_owned())];
        assert!(matches!(mailbox(&fields("opened", ""), 700_000), Err(BusError::Malformed { what: "state", .. })));
        assert!(matches!(mailbox(&fields("open", "1 {}"), 700_000), Err(BusError::Malformed { what: "events", .. })));
        assert!(matches!(mailbox(&[None, None, None], -2), Ok(None)));
    }

    #[test]
    fn a_scene_has_expired_when_only_its_tombstone_is_left() {
        let tombstone = i64::try_from(TOMBSTONE_MS).unwrap();
        for (kept, life, state) in [
            (None, tombstone + 1, SceneState::Open),
            (None, tombstone, SceneState::Expired),
            (None, 1, SceneState::Expired),
            (Some("500"), tombstone + 501, SceneState::Open),
            (Some("500"), tombstone + 500, SceneState::Expired),
        ] {
            let open = [Some("open".to_owned()), kept.map(str::to_owned), None];
            assert_eq!(mailbox(&open, life).unwrap().unwrap().state, state, "{kept:?} {life}");
        }
    }
}
