//! A model of the token refresh protocol, searched state by state.
//!
//! # The protocol
//!
//! A connection is two items: the small `SCHED`, which carries the lease, and the big `TOK`, which
//! carries the tokens of one grant. Any worker may find a connection due.
//!
//! ```text
//!   worker                SCHED                    TOK                authorization server
//!     |                     |                       |                          |
//!   1 |-- lease ----------->| no live lease, active,                           |
//!     |<-- fence f ---------| grant as seen         |                          |
//!     |                     | owner=me, fence+=1    |                          |
//!   2 |-- read (connection, grant) ---------------->|                          |
//!     |<-- token rt, version v ---------------------|  missing: stop           |
//!     |                     |                       |  renewed: go to 5        |
//!   3 |-- refresh with rt ------------------------------------------------->   |
//!     |<-- new token, or a refusal ------------------ (deadline < lease) ---   |
//!   4 |-- store new token, v+1, fence f ----------->| exists, version == v,    |
//!     |                     |                       | stored fence < f         |
//!   5 |-- release --------->| owner == me, fence == f, grant as seen           |
//!     |                     |                       |                          |
//!
//!   refused at 3:  mark SCHED reauthorization_required, under the condition of 5
//!   condition of 4 lost:  drop the new token; if TOK has our fence, it was stored before
//!   reconnect:  one transaction { SCHED: new grant, active, no lease; old TOK out; new TOK in }
//!   delete:     one transaction { SCHED out; TOK out }
//! ```
//!
//! # The model
//!
//! * Three workers, each finding the connection due once, in any interleaving of the steps above.
//!   A request and its answer are two steps, so exchanges may overlap.
//! * At most three exchanges, one reconnect, one delete, and no or one crash, at any step.
//! * Time as an action: a lease may expire while no worker relies on it, and at any time in the
//!   designs that break the timing rule.
//! * A lost reply to step 4 after the database has done it, followed by one retry.
//! * Two kinds of server: [`server::Server`]. Four designs: [`protocol::Protocol`].
//!
//! The invariants are the constants `I1` to `I6` of [`properties`]. Beside them are events that must
//! happen in some state; without them the search would prove nothing.
//!
//! # Left out
//!
//! * Clocks. The timing rule (a lease outlives the deadline of its exchange) is assumed by
//!   `AsBuilt` alone.
//! * A lost answer of the server. It has the effect of a crash between steps 3 and 4, and counts as
//!   one. A deadline passes only on a request that never reached the server.
//! * A request that reaches the server after its sender crashed or gave up.
//! * The reason why a connection is due. A worker may find it due at any time, renewed or not.
//! * Lost requests and replies of the other steps. A lost lease or release is a crash that leaves
//!   its lease behind.
//! * Access tokens, error answers other than a refusal, and users or administrators who revoke.
//!
//! # Limits of every design
//!
//! With a strictly rotating server, a crash between steps 3 and 4 takes the only good token with
//! it. No client can prevent this; the next refresh is refused and the user has to sign in again.
//! The tests show that `AsBuilt` fails in this way alone.
//!
//! After a reconnect in mid-exchange, tokens of the old grant and of the new one may be exchanged at
//! the same time: the reconnect removes the lease and cannot recall a request. The grants share no
//! token, so `I3` counts exchanges per grant.

pub mod properties;
pub mod protocol;
pub mod server;
pub mod state;
pub mod trace;
pub mod transitions;
pub mod verdict;
