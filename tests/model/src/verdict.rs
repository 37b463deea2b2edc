//! Running the checker and reading its answer.

use stateright::{Checker, Expectation, Model};

use crate::state::State;
use crate::transitions::{Action, RefreshModel};

/// What an exhaustive search of one design found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many different states there are.
    pub states: usize,
    /// The names of the invariants that some state breaks, in order.
    pub violated: Vec<&'static str>,
    /// The names of the things that should have happened somewhere and did not.
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

/// The shortest way to break an invariant, if there is one.
#[must_use]
pub fn shortest_violation(model: RefreshModel, invariant: &'static str) -> Option<Way> {
    // The checker keeps the last violation it meets, not the first. With one property it has
    // nothing left to look for after the first, and breadth-first makes that the shortest.
    let checker = RefreshModel { only: Some(invariant), ..model }.checker().spawn_bfs().join();
    checker.discovery(invariant).map(stateright::Path::into_vec)
}
