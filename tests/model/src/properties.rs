//! Invariants, and events that must happen at least once because the invariants would mean little
//! without them.

use stateright::Property;

use crate::protocol::Protocol;
use crate::state::{Grant, State, Status, Step, WORKERS};
use crate::transitions::{EXCHANGES, RefreshModel};

/// I1. While all workers are at rest, the stored token of an existing connection is good.
pub const I1: &str = "I1 no grant is lost";
/// I2. Within a grant the serial of the stored token never decreases.
pub const I2: &str = "I2 no older token overwrites a newer one";
/// I3. Two exchanges at once are allowed only for a grant and its replacement, which share no token.
pub const I3: &str = "I3 at most one exchange is in flight per grant";
/// I4. No user or administrator of the model revokes a grant, so every refusal is our own fault.
pub const I4: &str = "I4 no connection leaves active because of us";
/// I5. The token in an item was issued for the grant in its key.
pub const I5: &str = "I5 a token stored under a grant was issued for it";
/// I6. No reconnect and no delete is undone, even in part.
pub const I6: &str = "I6 no attempt from before a reconnect or a delete writes after it";

/// The guarantee of `AsBuilt` where I1 and I4 cannot hold: they fail only after a crash that lost the
/// one good token of the grant in force.
pub const EXCUSED: &str = "I1 and I4 fail only after a crash between exchange and store";

/// Keeps the search going: the checker stops once every property is decided, and this one never is.
const BOUNDED: &str = "the search stays within its bounds";

/// Whether the stored token is good, unless a worker is still busy and may repair it.
fn no_grant_is_lost(model: &RefreshModel, state: &State) -> bool {
    let at_rest = state.workers.iter().all(|worker| worker.step.is_at_rest());
    let is_good = state.tok.is_some_and(|tok| state.server.accepts(model.server, tok.token));
    !at_rest || state.sched.is_none() || is_good
}

fn no_older_token(_: &RefreshModel, state: &State) -> bool {
    !state.wrongs.went_backwards
}

/// Returns the number of exchanges of this grant in flight.
fn in_flight(state: &State, grant: Grant) -> usize {
    let asks = |step: &Step| matches!(step, Step::Asking(_, token) if token.grant == grant);
    state.workers.iter().filter(|worker| asks(&worker.step)).count()
}

fn one_exchange_per_grant(_: &RefreshModel, state: &State) -> bool {
    in_flight(state, Grant::First) <= 1 && in_flight(state, Grant::Second) <= 1
}

fn stays_active(_: &RefreshModel, state: &State) -> bool {
    state.sched.is_none_or(|sched| sched.status == Status::Active)
}

fn stored_where_it_belongs(_: &RefreshModel, state: &State) -> bool {
    state.tok.is_none_or(|tok| tok.grant == tok.token.grant)
}

fn nothing_writes_late(_: &RefreshModel, state: &State) -> bool {
    let came_back = state.sched.is_none() && state.tok.is_some();
    !state.wrongs.late_write && !came_back
}

fn fails_only_excused(model: &RefreshModel, state: &State) -> bool {
    let holds = no_grant_is_lost(model, state) && stays_active(model, state);
    // Only a lost token of the grant in force excuses the loss of that grant.
    holds || state.sched.is_some_and(|sched| died_with_its_worker(state, sched.grant))
}

fn is_bounded(model: &RefreshModel, state: &State) -> bool {
    state.exchanges_left <= EXCHANGES
        && state.crashes_left <= model.crashes
        && state
            .sched
            .is_none_or(|sched| usize::from(sched.fence) <= WORKERS * usize::from(model.starts))
}

fn a_refresh_completes(_: &RefreshModel, state: &State) -> bool {
    state.tok.is_some_and(|tok| tok.version > 1)
        && state.workers.iter().all(|worker| worker.step == Step::Idle)
}

fn one_refresh_follows_another(_: &RefreshModel, state: &State) -> bool {
    state.tok.is_some_and(|tok| tok.version > 2)
}

/// Whether `happened` holds and an attempt with an exchange under way began before it.
fn overtaken_in_flight(state: &State, happened: fn(&State) -> bool) -> bool {
    happened(state)
        && state
            .workers
            .iter()
            .filter(|worker| matches!(worker.step, Step::Asking(..) | Step::Fetched { .. }))
            .filter_map(|worker| worker.step.attempt())
            .any(|attempt| state.has_overtaken(attempt))
}

fn reconnected_in_flight(_: &RefreshModel, state: &State) -> bool {
    overtaken_in_flight(state, |state| state.sched.is_some())
}

fn both_grants_are_exchanged(_: &RefreshModel, state: &State) -> bool {
    in_flight(state, Grant::First) > 0 && in_flight(state, Grant::Second) > 0
}

fn deleted_in_flight(_: &RefreshModel, state: &State) -> bool {
    overtaken_in_flight(state, |state| state.sched.is_none())
}

fn a_lease_expires(_: &RefreshModel, state: &State) -> bool {
    state.sched.and_then(|sched| sched.lease).is_some_and(|lease| lease.expired)
}

fn a_worker_finds_its_own_store(_: &RefreshModel, state: &State) -> bool {
    state.workers.iter().any(|worker| match worker.step {
        Step::Fetched { attempt, token, resending: true } => {
            state.tok.is_some_and(|tok| tok.token == token && tok.fence == attempt.fence)
        }
        _ => false,
    })
}

/// Whether a crash has lost a token of this grant that was not stored yet.
fn died_with_its_worker(state: &State, grant: Grant) -> bool {
    state
        .workers
        .iter()
        .any(|worker| matches!(worker.step, Step::Crashed { fetched: Some(of), .. } if of == grant))
}

fn a_fetched_token_dies_with_its_worker(_: &RefreshModel, state: &State) -> bool {
    died_with_its_worker(state, Grant::First)
}

/// Whether a token has been stored under a later lease than the one of a crashed worker.
fn a_crash_is_survived(_: &RefreshModel, state: &State) -> bool {
    state.workers.iter().any(|worker| match worker.step {
        Step::Crashed { fence, .. } => fence > 0 && state.tok.is_some_and(|tok| tok.fence > fence),
        _ => false,
    })
}

/// All properties of a model.
#[must_use]
pub fn all(model: RefreshModel) -> Vec<Property<RefreshModel>> {
    let mut properties = vec![
        Property::always(I1, no_grant_is_lost),
        Property::always(I2, no_older_token),
        Property::always(I3, one_exchange_per_grant),
        Property::always(I4, stays_active),
        Property::always(I5, stored_where_it_belongs),
        Property::always(I6, nothing_writes_late),
        Property::always(BOUNDED, is_bounded),
        Property::sometimes("a refresh completes", a_refresh_completes),
        Property::sometimes("one refresh follows another", one_refresh_follows_another),
        Property::sometimes("a reconnect happens in mid-exchange", reconnected_in_flight),
        Property::sometimes("a delete happens in mid-exchange", deleted_in_flight),
        Property::sometimes("both grants are exchanged at once", both_grants_are_exchanged),
        Property::sometimes("a lease expires", a_lease_expires),
        Property::sometimes("a re-send finds its own store", a_worker_finds_its_own_store),
    ];
    if model.crashes > 0 {
        properties.push(Property::sometimes(
            "a crash happens between exchange and store",
            a_fetched_token_dies_with_its_worker,
        ));
    }
    if model.protocol == Protocol::AsBuilt {
        properties.push(Property::always(EXCUSED, fails_only_excused));
    }
    if model.crashes > 0 && model.protocol.names_its_leases() {
        properties
            .push(Property::sometimes("a refresh completes after a crash", a_crash_is_survived));
    }
    properties
}
