//! Random mutations of inputs.

use fastrand::Rng;

/// The longest input, in bytes.
const BYTES_MAX: usize = 1 << 16;

/// An input made from one of `seeds` by a few random changes.
pub fn mutate(rng: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut data = rng.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..=rng.u8(..4) {
        change(rng, &mut data, seeds);
    }
    data.truncate(BYTES_MAX);
    data
}

fn change(rng: &mut Rng, data: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = if data.is_empty() { 0 } else { rng.usize(..data.len()) };
    match rng.u8(..8) {
        0 if at < data.len() => data[at] ^= 1 << rng.u8(..8),
        1 if at < data.len() => data[at] = rng.u8(..),
        2 => data.truncate(at),
        3 => data.insert(at, rng.u8(..)),
        4 if at < data.len() => {
            let end = (at + 1 + rng.usize(..64)).min(data.len());
            data.drain(at..end);
        }
        5 => {
            let number: u64 =
                [0, 1, 127, 255, 256, 4095, 4096, u64::from(u32::MAX), u64::MAX][rng.usize(..9)];
            let width = [1, 2, 4, 8][rng.usize(..4)];
            let end = (at + width).min(data.len());
            data.splice(at..end, number.to_le_bytes().into_iter().take(width));
        }
        6 => {
            let other = rng.choice(seeds).map_or(&[][..], Vec::as_slice);
            let from = if other.is_empty() { 0 } else { rng.usize(..other.len()) };
            let part: Vec<u8> = other[from..].iter().copied().take(1 + rng.usize(..256)).collect();
            data.splice(at..at, part);
        }
        _ => {
            let end = (at + 1 + rng.usize(..32)).min(data.len());
            let part = data[at..end].to_vec();
            data.splice(at..at, part);
        }
    }
}
