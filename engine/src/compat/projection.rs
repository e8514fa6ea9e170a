//! The projections of AllSource 0.6.

use serde_json::Value;

use super::Result;
use super::event::Event;

/// A view derived from events.
///
/// ```
/// # use allsource_engine::compat as allsource_core;
/// use allsource_core::projection::Projection;
/// use allsource_core::event::Event;
/// use serde_json::Value;
/// use parking_lot::RwLock;
/// use std::collections::HashMap;
/// # use serde_json::json;
///
/// struct RevenueProjection {
///     totals: RwLock<HashMap<String, f64>>,
/// }
///
/// impl Projection for RevenueProjection {
///     fn name(&self) -> &str {
///         "revenue_by_customer"
///     }
///
///     fn process(&self, event: &Event) -> allsource_core::Result<()> {
///         if event.event_type == "order.completed" {
///             if let Some(amount) = event.payload["amount"].as_f64() {
///                 let mut totals = self.totals.write();
///                 *totals.entry(event.entity_id.clone()).or_insert(0.0) += amount;
///             }
///         }
///         Ok(())
///     }
///
///     fn get_state(&self, entity_id: &str) -> Option<Value> {
///         self.totals.read()
///             .get(entity_id)
///             .map(|total| json!({ "total_revenue": total }))
///     }
///
///     fn clear(&self) {
///         self.totals.write().clear();
///     }
/// }
/// # let store = allsource_core::EventStore::new();
/// # for amount in [1.5, 2.0] {
/// #     store.ingest(Event::new("order.completed".into(), "c-1".into(), json!({"amount": amount})))?;
/// # }
/// # let revenue = RevenueProjection { totals: RwLock::default() };
/// # store.project(&revenue)?;
/// # assert_eq!(revenue.get_state("c-1"), Some(json!({"total_revenue": 3.5})));
/// # Ok::<(), allsource_core::Error>(())
/// ```
pub trait Projection: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;
    /// Processes one event.
    ///
    /// # Errors
    /// When the projection refuses the event.
    fn process(&self, event: &Event) -> Result<()>;
    /// The state of an entity.
    fn get_state(&self, entity_id: &str) -> Option<Value>;
    /// Removes all state.
    fn clear(&self);
}
