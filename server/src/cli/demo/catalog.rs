//! What the invented business sells, and to whom.

use fastrand::Rng;

/// An article: stock-keeping unit, name, price in cents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Article(pub(super) &'static str, pub(super) &'static str, pub(super) u64);

const ARTICLES: [Article; 12] = [
    Article("KTL-01", "Kettle", 3_490),
    Article("MUG-04", "Mug, set of four", 2_200),
    Article("TEA-GR", "Green tea, 250 g", 1_150),
    Article("TEA-BL", "Black tea, 250 g", 990),
    Article("POT-12", "Teapot, 1.2 l", 4_900),
    Article("TRY-OA", "Oak tray", 3_800),
    Article("STR-02", "Strainer", 890),
    Article("TIN-03", "Storage tin", 1_450),
    Article("CUP-PR", "Porcelain cup", 1_690),
    Article("HON-05", "Honey, 500 g", 1_280),
    Article("GFT-50", "Gift card", 5_000),
    Article("CLT-LN", "Linen cloth", 1_590),
];

const COUNTRIES: [(&str, &str); 6] =
    [("DE", "EUR"), ("FR", "EUR"), ("NL", "EUR"), ("PL", "PLN"), ("GB", "GBP"), ("US", "USD")];
const CHANNELS: [&str; 3] = ["web", "app", "phone"];
const METHODS: [&str; 4] = ["card", "transfer", "wallet", "invoice"];
const CARRIERS: [&str; 3] = ["northline", "parcelhub", "citypost"];
const REASONS: [&str; 4] = ["arrived damaged", "wrong article", "changed my mind", "arrived too late"];

/// One of `choices`, the first ones more often than the last.
fn pick<T: Copy, const N: usize>(rng: &mut Rng, choices: &[T; N]) -> T {
    const { assert!(N > 0, "there is a choice") };
    let (a, b) = (rng.usize(..N), rng.usize(..N));
    #[expect(clippy::expect_used, reason = "both numbers are below N")]
    let choice = choices.get(a.min(b)).expect("the index is in range");
    *choice
}

pub(super) fn article(rng: &mut Rng) -> Article {
    pick(rng, &ARTICLES)
}

/// A country and its currency.
pub(super) fn country(rng: &mut Rng) -> (&'static str, &'static str) {
    pick(rng, &COUNTRIES)
}

pub(super) fn channel(rng: &mut Rng) -> &'static str {
    pick(rng, &CHANNELS)
}

pub(super) fn method(rng: &mut Rng) -> &'static str {
    pick(rng, &METHODS)
}

pub(super) fn carrier(rng: &mut Rng) -> &'static str {
    pick(rng, &CARRIERS)
}

pub(super) fn reason(rng: &mut Rng) -> &'static str {
    pick(rng, &REASONS)
}
