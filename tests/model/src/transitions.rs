//! The model: the actions possible in a state, and the state after each.

use stateright::{Model, Property};

use crate::properties;
use crate::protocol::Protocol;
use crate::server::{AuthorizationServer, Server};
use crate::state::{
    Attempt, Grant, Lease, RefreshToken, Sched, State, Status, Step, Tok, WORKERS, Worker,
    WorkerId, Wrongs,
};

/// Number of exchanges that the server answers in one run.
pub const EXCHANGES: u8 = 3;

/// One action. The steps are those drawn in the crate documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A worker finds the connection due.
    FindDue(WorkerId),
    /// Step 1.
    Lease(WorkerId),
    /// Step 2.
    Read(WorkerId),
    /// Step 3 begins: the request leaves.
    Ask(WorkerId),
    /// Step 3 ends: the server has decided and the worker has its answer.
    Answer(WorkerId),
    /// Step 3 ends: the deadline passes on a request that never reached the server.
    GiveUp(WorkerId),
    /// Step 4, with its reply.
    Store(WorkerId),
    /// Step 4, done by the database, with its reply lost.
    StoreUnheard(WorkerId),
    /// After a refusal: the connection becomes `reauthorization_required`.
    Mark(WorkerId),
    /// Step 5.
    Release(WorkerId),
    /// A worker disappears.
    Crash(WorkerId),
    /// `lease_until` passes.
    Expire,
    /// The user signs in again.
    Reconnect,
    /// The user deletes the connection.
    Delete,
}

/// One design to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefreshModel {
    /// The protocol of the workers.
    pub protocol: Protocol,
    /// The behaviour of the server.
    pub server: Server,
    /// Number of workers that may crash.
    pub crashes: u8,
    /// Number of times that one worker may find the connection due. Two takes some ninety times as
    /// many states as one.
    pub starts: u8,
    /// The name of the only property to check, to find the shortest violation; `None` for all.
    pub only: Option<&'static str>,
}

impl RefreshModel {
    /// The model of a design with all its properties.
    #[must_use]
    pub fn new(protocol: Protocol, server: Server, crashes: u8) -> Self {
        Self { protocol, server, crashes, starts: 1, only: None }
    }

    /// Adds the actions that are possible for one worker.
    fn worker_actions(&self, state: &State, id: WorkerId, actions: &mut Vec<Action>) {
        let worker = state.workers[id];
        match worker.step {
            Step::Idle => {
                // Idle workers with equal `starts_left` are interchangeable, so only the first of
                // them starts.
                let is_first_of_its_like = !state.workers[..id].contains(&worker);
                let is_due = state.sched.is_some_and(|sched| sched.status == Status::Active);
                if worker.starts_left > 0 && is_first_of_its_like && is_due {
                    actions.push(Action::FindDue(id));
                }
            }
            Step::Due(_) => actions.push(Action::Lease(id)),
            Step::Leased(_) => actions.push(Action::Read(id)),
            Step::Read(..) => actions.push(Action::Ask(id)),
            Step::Asking(..) => {
                if state.exchanges_left > 0 {
                    actions.push(Action::Answer(id));
                }
                actions.push(Action::GiveUp(id));
            }
            Step::Fetched { attempt, resending, .. } => {
                actions.push(Action::Store(id));
                if !resending && self.protocol.may_store(state, attempt) {
                    actions.push(Action::StoreUnheard(id));
                }
            }
            Step::Refused(_) => actions.push(Action::Mark(id)),
            Step::Releasing(_) => actions.push(Action::Release(id)),
            Step::Crashed { .. } => {}
        }
        if state.crashes_left > 0 && !worker.step.is_at_rest() {
            actions.push(Action::Crash(id));
        }
    }

    /// Whether this lease may expire now.
    fn may_expire(&self, state: &State, lease: Lease) -> bool {
        let needed = lease.owner.is_some_and(|owner| state.workers[owner].step.needs_its_lease());
        let protected = needed && self.protocol.keeps_the_timing_rule();
        !lease.expired && !protected
    }

    fn lease(&self, state: &mut State, id: WorkerId, attempt: Attempt) -> Step {
        let Some(sched) = state.sched.as_mut() else { return Step::Idle };
        if !self.protocol.may_lease(sched, attempt) {
            return Step::Idle;
        }
        // A blind writer leases a row of any grant, so its attempt begins here.
        let grant = if self.protocol.keys_by_grant() { attempt.grant } else { sched.grant };
        let is_named = self.protocol.names_its_leases();
        sched.lease = Some(Lease { owner: is_named.then_some(id), expired: false });
        sched.fence += u8::from(is_named);
        let attempt = Attempt { grant, fence: sched.fence, ..attempt };
        state.wrongs.late_write |= state.has_overtaken(attempt);
        Step::Leased(attempt)
    }

    fn read(&self, state: &State, attempt: Attempt) -> Step {
        match self.protocol.read(state, attempt) {
            None => Step::Idle,
            Some(tok) if tok.version != attempt.version => Step::Releasing(attempt),
            Some(tok) => Step::Read(attempt, tok.token),
        }
    }

    fn answer(&self, state: &mut State, attempt: Attempt, token: RefreshToken) -> Step {
        state.exchanges_left -= 1;
        match state.server.exchange(self.server, token) {
            Some(token) => Step::Fetched { attempt, token, resending: false },
            None => Step::Refused(attempt),
        }
    }

    /// Step 4 at the database. A failed condition changes nothing. The worker's next step is the
    /// same in both cases: the token is stored (now, or before a lost reply) or dropped.
    fn store(&self, state: &mut State, attempt: Attempt, token: RefreshToken) {
        if !self.protocol.may_store(state, attempt) {
            return;
        }
        state.wrongs.late_write |= state.has_overtaken(attempt);
        state.wrongs.went_backwards |= state
            .tok
            .is_some_and(|tok| tok.token.grant == token.grant && tok.token.serial > token.serial);
        // A blind writer puts to the connection's one row, and creates it if there is none.
        let grant = state.tok.map_or(attempt.grant, |tok| tok.grant);
        state.tok = Some(Tok { grant, token, version: attempt.version + 1, fence: attempt.fence });
    }

    /// Step 5, or the mark after a refusal: one conditional write that sets the status and removes
    /// the lease.
    fn let_go(&self, state: &mut State, id: WorkerId, attempt: Attempt, status: Option<Status>) {
        let overtaken = state.has_overtaken(attempt);
        let Some(sched) = state.sched.as_mut() else { return };
        if !self.protocol.may_release(sched, attempt, id) {
            return;
        }
        let released = Sched { lease: None, status: status.unwrap_or(sched.status), ..*sched };
        // A late release is harmless if the lease is gone already.
        state.wrongs.late_write |= overtaken && released != *sched;
        *sched = released;
    }

    /// Applies an action to the state. Returns the worker's next step, or `None` if the action does
    /// not fit its step.
    fn worker_step(&self, state: &mut State, id: WorkerId, action: Action) -> Option<Step> {
        Some(match (action, state.workers[id].step) {
            (Action::FindDue(_), Step::Idle) => {
                state.workers[id].starts_left -= 1;
                let grant = state.sched?.grant;
                Step::Due(Attempt { grant, version: state.tok?.version, fence: 0 })
            }
            (Action::Lease(_), Step::Due(attempt)) => self.lease(state, id, attempt),
            (Action::Read(_), Step::Leased(attempt)) => self.read(state, attempt),
            (Action::Ask(_), Step::Read(attempt, token)) => Step::Asking(attempt, token),
            (Action::Answer(_), Step::Asking(attempt, token)) => self.answer(state, attempt, token),
            (Action::GiveUp(_), Step::Asking(attempt, _)) => Step::Releasing(attempt),
            (Action::Store(_), Step::Fetched { attempt, token, .. }) => {
                self.store(state, attempt, token);
                Step::Releasing(attempt)
            }
            (Action::StoreUnheard(_), Step::Fetched { attempt, token, .. }) => {
                self.store(state, attempt, token);
                Step::Fetched { attempt, token, resending: true }
            }
            (Action::Mark(_), Step::Refused(attempt)) => {
                self.let_go(state, id, attempt, Some(Status::ReauthorizationRequired));
                Step::Idle
            }
            (Action::Release(_), Step::Releasing(attempt)) => {
                self.let_go(state, id, attempt, None);
                Step::Idle
            }
            (Action::Crash(_), step) => {
                state.crashes_left -= 1;
                Step::Crashed {
                    fence: step.attempt().map_or(0, |attempt| attempt.fence),
                    fetched: match step {
                        Step::Fetched { token, resending: false, .. } => Some(token.grant),
                        _ => None,
                    },
                }
            }
            _ => return None,
        })
    }
}

/// The user signs in again: one transaction, possible at any step of the workers.
fn reconnect(state: &mut State) {
    let grant = Grant::Second;
    if let Some(sched) = state.sched.as_mut() {
        *sched = Sched { status: Status::Active, grant, lease: None, ..*sched };
        let token = RefreshToken { grant, serial: 1 };
        state.tok = Some(Tok { grant, token, version: 1, fence: 0 });
    }
}

impl Model for RefreshModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let grant = Grant::First;
        let token = RefreshToken { grant, serial: 1 };
        vec![State {
            sched: Some(Sched { status: Status::Active, grant, lease: None, fence: 0 }),
            tok: Some(Tok { grant, token, version: 1, fence: 0 }),
            server: AuthorizationServer::new(),
            workers: [Worker { step: Step::Idle, starts_left: self.starts }; WORKERS],
            exchanges_left: EXCHANGES,
            crashes_left: self.crashes,
            wrongs: Wrongs::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for id in 0..WORKERS {
            self.worker_actions(state, id, actions);
        }
        if let Some(sched) = state.sched {
            if sched.lease.is_some_and(|lease| self.may_expire(state, lease)) {
                actions.push(Action::Expire);
            }
            if sched.grant == Grant::First {
                actions.push(Action::Reconnect);
            }
            actions.push(Action::Delete);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = *last;
        match action {
            Action::Expire => state.sched.as_mut()?.lease.as_mut()?.expired = true,
            Action::Reconnect => reconnect(&mut state),
            Action::Delete => (state.sched, state.tok) = (None, None),
            Action::FindDue(id)
            | Action::Lease(id)
            | Action::Read(id)
            | Action::Ask(id)
            | Action::Answer(id)
            | Action::GiveUp(id)
            | Action::Store(id)
            | Action::StoreUnheard(id)
            | Action::Mark(id)
            | Action::Release(id)
            | Action::Crash(id) => {
                state.workers[id].step = self.worker_step(&mut state, id, action)?;
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = properties::all(*self);
        properties.retain(|property| self.only.is_none_or(|name| name == property.name));
        properties
    }
}
