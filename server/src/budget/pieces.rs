//! Bytes that arrive bit by bit, in pieces of one size. A buffer that doubles would leave its old memory behind, which
//! the allocator keeps for a while; a piece that is freed serves the next request.

use super::{Budget, Buffer, Exhausted};

/// The size of a piece, in bytes.
const PIECE_BYTES: usize = 128 << 10;

/// Bytes in charged pieces.
#[derive(Debug)]
pub struct Pieces {
    budget: Budget,
    full: Vec<Buffer>,
    last: Buffer,
}

impl Pieces {
    /// No bytes yet, and no more than `most` to come.
    pub fn new(budget: &Budget, most: usize) -> Self {
        let last = Buffer::new(budget.charge()).up_to(most.min(PIECE_BYTES));
        Self { budget: budget.clone(), full: Vec::new(), last }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.full.len() * PIECE_BYTES + self.last.len()
    }

    /// Whether there are no bytes yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// When the budget has no room; nothing was appended.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Exhausted> {
        let (head, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES - self.last.len()));
        let mut more = Vec::new();
        for part in rest.chunks(PIECE_BYTES) {
            let mut piece = self.piece(PIECE_BYTES)?;
            piece.extend(part)?;
            more.push(piece);
        }
        self.last.extend(head)?;
        for piece in more {
            assert_eq!(self.last.len(), PIECE_BYTES, "a piece is full before the next one begins");
            self.full.push(std::mem::replace(&mut self.last, piece));
        }
        Ok(())
    }

    /// Room for this many bytes outside the share of small requests.
    fn piece(&self, bytes: usize) -> Result<Buffer, Exhausted> {
        let mut piece = Buffer::new(self.budget.charge_of_stream()).up_to(bytes);
        piece.reserve(bytes)?;
        Ok(piece)
    }

    /// Takes all bytes out, in one buffer.
    ///
    /// # Errors
    /// When the budget has no room for both; the pieces do not change.
    pub fn join(&mut self) -> Result<Buffer, Exhausted> {
        let empty = Buffer::new(self.budget.charge()).up_to(PIECE_BYTES);
        if self.full.is_empty() {
            return Ok(std::mem::replace(&mut self.last, empty));
        }
        let mut joined = self.piece(self.len())?;
        let last = std::mem::replace(&mut self.last, empty);
        // Each piece is freed once it is copied.
        for piece in self.full.drain(..).chain([last]) {
            joined.extend(&piece)?;
        }
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_charged_in_pieces_and_comes_back_whole() {
        let budget = Budget::sized(96 << 20);
        let mut pieces = Pieces::new(&budget, usize::MAX);
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for part in bytes.chunks(100_001) {
            pieces.extend(part).unwrap();
            let most = pieces.len().next_multiple_of(PIECE_BYTES);
            assert!((pieces.len()..=most).contains(&budget.charged()), "{} of {most}", budget.charged());
        }
        let joined = pieces.join().unwrap();
        assert!(*joined == *bytes);
        assert_eq!(budget.charged(), bytes.len(), "the pieces are gone");
        assert!(pieces.is_empty());
    }

    #[test]
    fn bytes_without_room_change_nothing() {
        let budget = Budget::sized(96 << 20);
        let mut pieces = Pieces::new(&budget, usize::MAX);
        pieces.extend(&vec![b'x'; 50 << 20]).unwrap();
        pieces.extend(&vec![b'x'; 40 << 20]).unwrap_err();
        assert_eq!((pieces.len(), budget.charged()), (50 << 20, 50 << 20));
        pieces.join().unwrap_err();
        assert_eq!((pieces.len(), budget.charged()), (50 << 20, 50 << 20));
    }
}
