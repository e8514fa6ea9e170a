//! One visit, from the first click to the delivery or the return of the parcel.

use fastrand::Rng;
use serde_json::{Value, json};

use super::catalog;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// One visit, with its next step.
#[derive(Debug)]
pub(super) struct Journey {
    pub(super) seed: u64,
    pub(super) number: u64,
    pub(super) customer: u64,
    next: Step,
    channel: &'static str,
    country: &'static str,
    currency: &'static str,
    items_left: u64,
    items: u64,
    total_cents: u64,
    attempts: u64,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Register,
    OpenCart,
    AddItem,
    AbandonCart,
    PlaceOrder,
    RequestPayment,
    DeclinePayment,
    AuthorizePayment,
    CancelOrder,
    ConfirmOrder,
    PrepareShipment,
    Dispatch,
    CapturePayment,
    Deliver,
    CompleteOrder,
    RequestReturn,
    ReceiveReturn,
    Refund,
    CloseReturn,
}

/// An event without its time.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) kind: &'static str,
    pub(super) event_type: &'static str,
    pub(super) number: u64,
    pub(super) payload: Value,
}

/// The id of an entity; different businesses have different ids.
pub(super) fn entity_id(kind: &str, seed: u64, number: u64) -> String {
    if seed == 1 { format!("{kind}-{number:06}") } else { format!("{kind}-s{seed}-{number:06}") }
}

impl Journey {
    /// A visit of `customer`, who is new or known.
    pub(super) fn begin(rng: &mut Rng, seed: u64, number: u64, customer: u64, is_new: bool) -> Self {
        // The country depends on the customer, not on the visit.
        let (country, currency) = catalog::country(&mut Rng::with_seed(seed ^ customer.rotate_left(32)));
        Self {
            seed,
            number,
            customer,
            next: if is_new { Step::Register } else { Step::OpenCart },
            channel: catalog::channel(rng),
            country,
            currency,
            items_left: rng.u64(1..=4),
            items: 0,
            total_cents: 0,
            attempts: 0,
        }
    }

    fn id(&self, kind: &str) -> String {
        entity_id(kind, self.seed, self.number)
    }

    fn happens(&self, kind: &'static str, event_type: &'static str, payload: Value) -> Happening {
        let number = if kind == "customer" { self.customer } else { self.number };
        Happening { kind, event_type, number, payload }
    }

    /// The next event, and the pause before the one after it in milliseconds, if there is one.
    pub(super) fn advance(&mut self, rng: &mut Rng) -> (Happening, Option<u64>) {
        let (happening, next) = match self.next {
            Step::Register | Step::OpenCart | Step::AddItem | Step::AbandonCart => self.shop(rng),
            Step::PlaceOrder | Step::CancelOrder | Step::ConfirmOrder | Step::CompleteOrder => {
                self.order(rng)
            }
            Step::RequestPayment | Step::DeclinePayment | Step::AuthorizePayment | Step::CapturePayment => {
                self.pay(rng)
            }
            Step::PrepareShipment | Step::Dispatch | Step::Deliver => self.ship(rng),
            Step::RequestReturn | Step::ReceiveReturn | Step::Refund | Step::CloseReturn => {
                self.take_back(rng)
            }
        };
        let pause = next.map(|(step, pause)| {
            self.next = step;
            pause
        });
        (happening, pause)
    }

    fn shop(&mut self, rng: &mut Rng) -> (Happening, Option<(Step, u64)>) {
        match self.next {
            Step::Register => {
                let payload = json!({ "status": "active", "country": self.country, "channel": self.channel,
                    "email": format!("customer{}@example.com", self.customer), "newsletter": rng.bool() });
                (
                    self.happens("customer", "customer.registered", payload),
                    Some((Step::OpenCart, after(rng, MINUTE))),
                )
            }
            Step::OpenCart => {
                let customer = entity_id("customer", self.seed, self.customer);
                let payload = json!({ "status": "open", "customer": customer, "channel": self.channel });
                (self.happens("cart", "cart.opened", payload), Some((Step::AddItem, after(rng, MINUTE))))
            }
            Step::AddItem => {
                let (catalog::Article(sku, name, cents), quantity) = (catalog::article(rng), rng.u64(1..=3));
                self.items += quantity;
                self.total_cents += cents * quantity;
                self.items_left -= 1;
                let payload = json!({ "sku": sku, "name": name, "quantity": quantity, "unit_price_cents": cents,
                    "items": self.items, "total_cents": self.total_cents });
                let next = match self.items_left {
                    0 if rng.u8(..100) < 28 => (Step::AbandonCart, after(rng, 6 * HOUR)),
                    0 => (Step::PlaceOrder, after(rng, 5 * MINUTE)),
                    _ => (Step::AddItem, after(rng, 2 * MINUTE)),
                };
                (self.happens("cart", "cart.item_added", payload), Some(next))
            }
            _ => (self.happens("cart", "cart.abandoned", json!({ "status": "abandoned" })), None),
        }
    }

    fn order(&mut self, rng: &mut Rng) -> (Happening, Option<(Step, u64)>) {
        match self.next {
            Step::PlaceOrder => {
                let customer = entity_id("customer", self.seed, self.customer);
                let payload = json!({ "status": "placed", "customer": customer, "cart": self.id("cart"),
                    "country": self.country, "currency": self.currency, "items": self.items,
                    "total_cents": self.total_cents });
                (
                    self.happens("order", "order.placed", payload),
                    Some((Step::RequestPayment, after(rng, 5 * SECOND))),
                )
            }
            Step::CancelOrder => {
                let payload = json!({ "status": "cancelled", "reason": "payment declined" });
                (self.happens("order", "order.cancelled", payload), None)
            }
            Step::ConfirmOrder => {
                let payload = json!({ "status": "confirmed", "payment": self.id("payment") });
                let next = (Step::PrepareShipment, after(rng, 8 * HOUR));
                (self.happens("order", "order.confirmed", payload), Some(next))
            }
            _ => {
                let is_returned = rng.u8(..100) < 7;
                let next = is_returned.then(|| (Step::RequestReturn, after(rng, 5 * DAY)));
                (self.happens("order", "order.completed", json!({ "status": "completed" })), next)
            }
        }
    }

    fn pay(&mut self, rng: &mut Rng) -> (Happening, Option<(Step, u64)>) {
        match self.next {
            Step::RequestPayment => {
                self.attempts += 1;
                let payload = json!({ "status": "requested", "order": self.id("order"),
                    "method": catalog::method(rng), "attempt": self.attempts, "currency": self.currency,
                    "amount_cents": self.total_cents });
                let next = if rng.u8(..100) < 8 { Step::DeclinePayment } else { Step::AuthorizePayment };
                (self.happens("payment", "payment.requested", payload), Some((next, after(rng, 20 * SECOND))))
            }
            Step::DeclinePayment => {
                let next = if self.attempts < 3 { Step::RequestPayment } else { Step::CancelOrder };
                let payload = json!({ "status": "declined", "attempt": self.attempts });
                (self.happens("payment", "payment.declined", payload), Some((next, after(rng, 3 * MINUTE))))
            }
            Step::AuthorizePayment => {
                let payload =
                    json!({ "status": "authorized", "authorization": format!("{:08x}", rng.u32(..)) });
                (
                    self.happens("payment", "payment.authorized", payload),
                    Some((Step::ConfirmOrder, after(rng, SECOND))),
                )
            }
            _ => {
                let payload = json!({ "status": "captured", "captured_cents": self.total_cents });
                (
                    self.happens("payment", "payment.captured", payload),
                    Some((Step::Deliver, after(rng, 2 * DAY))),
                )
            }
        }
    }

    fn ship(&mut self, rng: &mut Rng) -> (Happening, Option<(Step, u64)>) {
        match self.next {
            Step::PrepareShipment => {
                let payload = json!({ "status": "prepared", "order": self.id("order"), "items": self.items,
                    "carrier": catalog::carrier(rng), "country": self.country });
                (
                    self.happens("shipment", "shipment.prepared", payload),
                    Some((Step::Dispatch, after(rng, 4 * HOUR))),
                )
            }
            Step::Dispatch => {
                let payload = json!({ "status": "dispatched", "tracking": format!("T{:010}", rng.u64(..10_000_000_000)) });
                let next = (Step::CapturePayment, after(rng, MINUTE));
                (self.happens("shipment", "shipment.dispatched", payload), Some(next))
            }
            _ => {
                let payload = json!({ "status": "delivered", "signed": rng.bool() });
                (
                    self.happens("shipment", "shipment.delivered", payload),
                    Some((Step::CompleteOrder, after(rng, MINUTE))),
                )
            }
        }
    }

    fn take_back(&mut self, rng: &mut Rng) -> (Happening, Option<(Step, u64)>) {
        match self.next {
            Step::RequestReturn => {
                let payload = json!({ "status": "requested", "order": self.id("order"),
                    "reason": catalog::reason(rng) });
                (
                    self.happens("return", "return.requested", payload),
                    Some((Step::ReceiveReturn, after(rng, 3 * DAY))),
                )
            }
            Step::ReceiveReturn => {
                let payload = json!({ "status": "received", "resellable": rng.u8(..100) < 80 });
                (self.happens("return", "return.received", payload), Some((Step::Refund, after(rng, DAY))))
            }
            Step::Refund => {
                let payload = json!({ "status": "refunded", "refunded_cents": self.total_cents });
                (
                    self.happens("payment", "payment.refunded", payload),
                    Some((Step::CloseReturn, after(rng, MINUTE))),
                )
            }
            _ => (self.happens("order", "order.returned", json!({ "status": "returned" })), None),
        }
    }
}

/// A random pause of about `typical` milliseconds: often shorter, sometimes much longer.
fn after(rng: &mut Rng, typical: u64) -> u64 {
    1 + rng.u64(typical / 4..=typical) + if rng.u8(..8) == 0 { rng.u64(..=3 * typical) } else { 0 }
}
