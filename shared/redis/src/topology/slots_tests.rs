//! Slots of names, and which primary owns them.

use super::*;

fn primary(host: &str) -> Primary {
    Primary { node: Server::new(host, 6379), epoch: 0, required_acks: None }
}

#[test]
fn a_name_has_the_slot_that_redis_computes() {
    // What CLUSTER KEYSLOT answers.
    for (name, slot) in [("", 0), ("123456789", 12739), ("foo", 12182), ("{foo}.bar", 12182), ("{}foo", 9500)] {
        assert_eq!(Slot::of(name), Slot(slot), "{name}");
    }
    assert_eq!(Slot::from_number(16_383), Some(Slot(16_383)));
    assert_eq!(Slot::from_number(16_384), None);
}

#[test]
fn a_new_primary_takes_a_fair_share_and_no_slot_moves_between_the_others() {
    let three = SlotTable::rendezvous(["a", "b", "c"].map(primary).into());
    let four = SlotTable::rendezvous(["d", "b", "a", "c"].map(primary).into());
    let new = Server::new("d", 6379);
    assert_eq!(four.changed_since(&three), four.slots_of(&new));
    for table in [three, four] {
        let fair = usize::from(SLOTS) / table.primaries.len();
        for primary in table.primaries() {
            let share = table.slots_of(&primary.node).iter().count();
            assert!(share.abs_diff(fair) < fair / 10, "{} has {share}", primary.node);
        }
    }
}

#[test]
fn every_version_computes_the_same_owners() {
    let table = SlotTable::rendezvous(["redis-0", "redis-1", "redis-2"].map(primary).into());
    let owners = [0, 1, 2, 3, 8_000, 16_383].map(|slot| table.owner(Slot(slot)).unwrap().host.to_string());
    assert_eq!(owners, ["redis-2", "redis-2", "redis-0", "redis-2", "redis-0", "redis-2"]);
}

#[test]
fn a_slot_belongs_to_the_primary_that_it_was_assigned_to_last() {
    let mut table = SlotTable::empty();
    assert_eq!(table.owner(Slot(7)), None);
    table.assign(primary("a"), &[Slot(7), Slot(8)].into_iter().collect());
    let before = table.clone();
    table.assign(
        Primary { required_acks: Some(RequiredAcks::count(1)), ..primary("b") },
        &[Slot(8)].into_iter().collect(),
    );
    let a = Server::new("a", 6379);
    let b = Server::new("b", 6379);
    assert_eq!([7, 8, 9].map(|slot| table.owner(Slot(slot))), [Some(&a), Some(&b), None]);
    assert_eq!(table.changed_since(&before), [Slot(8)].into_iter().collect());
    let new_epoch = SlotTable {
        primaries: vec![Primary { epoch: 1, ..primary("a") }, table.primaries[1].clone()],
        ..table.clone()
    };
    assert_eq!(
        new_epoch.changed_since(&table),
        [Slot(7)].into_iter().collect(),
        "the slot may have left its primary and come back"
    );
    assert_eq!(table.required_acks(&a), None);
    assert_eq!(table.required_acks(&b), Some(&RequiredAcks::count(1)));
    assert!(table.has_primary(&a));
}
