//! Runs the checker and reads its result.

use stateright::{Checker, Expectation, Model};

use crate::state::State;
use crate::transitions::{Action, RefreshModel};

/// The result of an exhaustive search of one design.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Number of different states.
    pub states: usize,
    /// The names of the invariants that fail in some state, in order.
    pub violated: Vec<&'static str>,
    /// The names of the events that should happen in some state and never did.
    pub unreached: Vec<&'static str>,
}

/// Searches all states of a design.
#[must_use]
pub fn check(model: RefreshModel) -> Verdict {
    let checker = model.checker().spawn_bfs().join();
    let discoveries = checker.discoveries();
    let mut verdict = Verdict {
        states: checker.unique_state_count(),
        violated: Vec::new(),
        unreached: Vec::new(),
    };
    for property in model.properties() {
        let found = discoveries.contains_key(property.name);
        match property.expectation {
            Expectation::Always if found => verdict.violated.push(property.name),
            Expectation::Sometimes if !found => verdict.unreached.push(property.name),
            _ => {}
        }
    }
    verdict
}

/// A way through the model: each state with the action that leaves it.
pub type Way = Vec<(State, Option<Action>)>;

/// Returns the shortest way to break an invariant, or `None` if it holds.
#[must_use]
pub fn shortest_violation(model: RefreshModel, invariant: &'static str) -> Option<Way> {
    // The checker keeps the last violation that it finds. With one property it stops at the first,
    // which breadth-first search makes the shortest.
    let checker = RefreshModel { only: Some(invariant), ..model }.checker().spawn_bfs().join();
    checker.discovery(invariant).map(stateright::Path::into_vec)
}
