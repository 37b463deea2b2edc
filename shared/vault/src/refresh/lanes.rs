//! Waiting due rows, in one lane for each integration and Entra tenant, so that a throttled tenant or a stopped
//! integration does not hold up the others.

use std::collections::{HashMap, VecDeque};

use entra::identifiers::TenantId;
use tokio::time::Instant;

use super::pace::Pace;
use crate::connections::Due;
use crate::ids::IntegrationId;

/// The most tenants with a remembered pace; with one more, all start again.
const MOST_TENANTS: usize = 10_000;

type Lane = (IntegrationId, TenantId);

/// The paces of all tenants. They outlive a drain, as Entra's throttling does.
#[derive(Debug, Default)]
pub(super) struct Paces(HashMap<TenantId, Pace>);

impl Paces {
    pub(super) fn of(&mut self, tenant: &TenantId, cap: f64) -> &mut Pace {
        if self.0.len() >= MOST_TENANTS && !self.0.contains_key(tenant) {
            self.0.clear();
        }
        self.0.entry(tenant.clone()).or_insert_with(|| Pace::new(cap, Instant::now()))
    }
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    rows: HashMap<Lane, VecDeque<Due>>,
    order: VecDeque<Lane>,
    /// The number of waiting rows.
    pub(super) waiting: usize,
}

/// Whether the first row of a lane may go.
pub(super) enum Turn {
    Now,
    /// Not before this.
    At(Instant),
    /// Not before a refresh under way is finished.
    Later,
    /// Its integration must be read first.
    Unknown,
}

pub(super) enum Next {
    Row(Due),
    Read(IntegrationId),
    /// Wait until a refresh under way is finished, or until this time.
    Wait(Option<Instant>),
}

impl Lanes {
    pub(super) fn push(&mut self, row: Due) {
        let lane = (row.integration.clone(), row.tenant.clone());
        let rows = self.rows.entry(lane.clone()).or_default();
        if rows.is_empty() {
            self.order.push_back(lane);
        }
        rows.push_back(row);
        self.waiting += 1;
    }

    /// Asks each lane in turn, and returns the next step.
    pub(super) fn next(&mut self, mut turn: impl FnMut(&IntegrationId, &TenantId) -> Turn) -> Next {
        let mut earliest: Option<Instant> = None;
        for _ in 0..self.order.len() {
            let Some(lane) = self.order.pop_front() else { break };
            match turn(&lane.0, &lane.1) {
                Turn::Now => {
                    if let Some(row) = self.take(lane) {
                        return Next::Row(row);
                    }
                    continue;
                }
                Turn::Unknown => {
                    let integration = lane.0.clone();
                    self.order.push_front(lane);
                    return Next::Read(integration);
                }
                Turn::At(time) => {
                    earliest = Some(earliest.map_or(time, |known| known.min(time)));
                }
                Turn::Later => {}
            }
            self.order.push_back(lane);
        }
        Next::Wait(earliest)
    }

    fn take(&mut self, lane: Lane) -> Option<Due> {
        let rows = self.rows.get_mut(&lane)?;
        let row = rows.pop_front();
        if rows.is_empty() {
            self.rows.remove(&lane);
        } else {
            self.order.push_back(lane);
        }
        self.waiting -= usize::from(row.is_some());
        row
    }
}
