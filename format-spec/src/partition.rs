//! The partition of an entity. It never changes and is the same in every implementation.

use xxhash_rust::xxh3::xxh3_64;

use crate::limits::PARTITIONS_MAX;

/// The byte between tenant and entity id in a key. Names hold no control characters, so a key is unambiguous.
pub const KEY_SEPARATOR: u8 = 0;

/// The 64-bit hash of an entity's key: `xxh3_64(tenant, 0x00, entity_id)` with seed 0.
pub fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The key of an entity: its tenant, a zero byte, its id.
pub fn entity_key(tenant: &str, entity_id: &str) -> Vec<u8> {
    [tenant.as_bytes(), &[KEY_SEPARATOR], entity_id.as_bytes()].concat()
}

/// The partition of a key among `partitions`.
///
/// # Panics
/// If `partitions` is not a power of two in 1..=1024.
pub fn of_key(key: &[u8], partitions: u32) -> u32 {
    of_hash(key_hash(key), partitions)
}

/// The partition of a key with this [`key_hash`] among `partitions`.
///
/// # Panics
/// If `partitions` is not a power of two in 1..=1024.
pub fn of_hash(hash: u64, partitions: u32) -> u32 {
    assert!(is_valid_count(partitions), "partition counts are checked where a store is created or opened");
    let low_bits = hash & u64::from(partitions - 1);
    #[expect(clippy::expect_used, reason = "masked to less than 1024 on the line above")]
    u32::try_from(low_bits).expect("a partition number is below 1024")
}

/// Whether a store may have this many partitions.
pub const fn is_valid_count(partitions: u32) -> bool {
    partitions.is_power_of_two() && partitions <= PARTITIONS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worked_examples_of_the_specification_hold() {
        let check = |tenant, entity, partitions, expected| {
            assert_eq!(
                of_key(&entity_key(tenant, entity), partitions),
                expected,
                "{tenant} {entity} {partitions}"
            );
        };
        check("default", "user-123", 1, 0);
        check("default", "user-123", 32, 14);
        check("default", "user-123", 1024, 494);
        check("default", "order-1", 32, 22);
        check("acme", "user-123", 32, 0);
        check("acme", "user-123", 1024, 160);
        check("default", "größe 1", 32, 14);
        assert_eq!(key_hash(&entity_key("default", "order-1")), 0x1fd0_b460_3ba8_a876);
    }
}
