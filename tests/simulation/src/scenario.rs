//! One seed: some users, some processes, a bad network, and users who reconnect and leave meanwhile.

use std::sync::Arc;
use std::time::Duration;

use ground::clock::Clock as _;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::Instant;
use vault::audit::Actor;
use vault::ids::ConnectionId;
use vault::integrations::Integration;
use vault::refresh::Cause;
use vault::refresh::drain::DrainLimits;

use crate::audit::Audit;
use crate::clock::SimulatedClock;
use crate::cloud::Cloud;
use crate::entra::{Lifetime, Mood, SimulatedEntra};
use crate::faults::Faults;
use crate::process::Process;
use crate::stage;
use crate::wire::{Sabotage, Wire};

/// Shards of the due index.
const SHARDS: u32 = 2;
/// Duration of the faults.
const TURMOIL: Duration = Duration::from_mins(10);
/// Duration of the time without faults afterwards: longer than the longest wait after a failure.
const CALM: Duration = Duration::from_mins(40);
/// Number of faults in a thousand requests.
const PER_MILLE: u32 = 60;
const LIMITS: DrainLimits = DrainLimits { concurrency: 4, rate: 50.0 };

/// The skew of a process's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    /// At most a second: the timing rule holds.
    Close,
    /// Up to ten minutes: leases overlap, and still no grant may be lost.
    Apart,
}

/// The result of a seed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Refresh requests to Entra.
    pub exchanges: u64,
    /// Largest number of simultaneous exchanges of one grant.
    pub most_under_way: u32,
    /// Number of crashes.
    pub crashes: u32,
    /// Connections at the end.
    pub connections: usize,
}

/// Runs a seed on a paused clock. The same seed gives the same run.
///
/// # Errors
/// The first violation, in words.
pub fn run(seed: u64, clocks: Clocks, sabotage: Sabotage) -> Result<Report, String> {
    fastrand::seed(seed);
    stage::play(Scenario::new(seed, clocks, sabotage).play())
}

struct Scenario {
    seed: u64,
    rng: StdRng,
    clocks: Clocks,
    sabotage: Sabotage,
    cloud: Cloud,
    entra: SimulatedEntra,
    clock: SimulatedClock,
    audit: Arc<Audit>,
}

impl Scenario {
    fn new(seed: u64, clocks: Clocks, sabotage: Sabotage) -> Self {
        let (cloud, clock) = (Cloud::new(), SimulatedClock::new());
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            clocks,
            sabotage,
            entra: SimulatedEntra::default(),
            audit: Arc::new(Audit::new(cloud.clone(), clock)),
            cloud,
            clock,
        }
    }

    async fn play(mut self) -> Result<Report, String> {
        let setting_up = self.process(&Faults::none(), SignedDuration::ZERO, 0);
        stage::set(&self.cloud).await.map_err(|e| format!("the stage: {e}"))?;
        let mut integrations = Vec::new();
        for name in ["one", "two"] {
            let put = setting_up.put_integration(name).await;
            integrations.push(put.map_err(|e| format!("setting up: {e}"))?);
        }
        // Tokens live for minutes, so that many refreshes fall into the ten minutes.
        self.entra.set_lifetime(Lifetime(90, 400));
        let mut connections = Vec::new();
        for user in ["ada", "grace", "linus"] {
            let integration = &integrations[connections.len() % 2];
            let lifetime = SignedDuration::from_secs(self.rng.random_range(10..300));
            let made = setting_up.connect(integration, user, lifetime).await;
            let id = made.map_err(|e| format!("setting up: {e}"))?.ok_or("no connection")?;
            connections.push((id, integration.clone(), user));
        }
        let crashes = self.turmoil(&connections).await;
        self.calm().await?;
        let left = self.verify().await?;
        Ok(Report {
            exchanges: self.entra.exchanges(),
            most_under_way: self.entra.most_under_way(),
            crashes,
            connections: left,
        })
    }

    fn process(&self, faults: &Faults, skew: SignedDuration, seed: u64) -> Process {
        let wire = Wire::new(
            self.cloud.clone(),
            faults.clone(),
            self.sabotage,
            Some(Arc::clone(&self.audit)),
        );
        let clock = self.clock.skewed(skew);
        Process::start(&wire, faults, &self.entra, clock, self.seed.wrapping_add(seed), SHARDS)
    }

    /// Runs two workers and two proxies on a bad network, with users who come and go. Returns the number
    /// of crashes.
    async fn turmoil(&mut self, connections: &[(ConnectionId, Integration, &'static str)]) -> u32 {
        self.entra.set_mood(Mood::Changing);
        let until = Instant::now() + TURMOIL;
        let mut roles = JoinSet::new();
        for number in 1..=4_u64 {
            let faults = Faults::new(self.seed.wrapping_mul(31).wrapping_add(number), PER_MILLE);
            let skew = match self.clocks {
                Clocks::Close => self.rng.random_range(-1000..1000),
                Clocks::Apart => self.rng.random_range(-600_000..600_000),
            };
            let start = {
                let (cloud, audit) = (self.cloud.clone(), Arc::clone(&self.audit));
                let (entra, sabotage) = (self.entra.clone(), self.sabotage);
                let clock = self.clock.skewed(SignedDuration::from_millis(skew));
                let seed = self.seed.wrapping_add(number * 1000);
                move |faults: &Faults, lives: u64| {
                    let wire = Wire::new(
                        cloud.clone(),
                        faults.clone(),
                        sabotage,
                        Some(Arc::clone(&audit)),
                    );
                    Process::start(&wire, faults, &entra, clock, seed.wrapping_add(lives), SHARDS)
                }
            };
            let connections = connections.to_vec();
            roles.spawn(async move {
                let mut lives = 0;
                while Instant::now() < until {
                    let process = start(&faults, u64::from(lives));
                    let role = async {
                        if number % 2 == 0 {
                            work(&process, &faults, until).await;
                        } else {
                            call(&process, &faults, &connections, until).await;
                        }
                    };
                    tokio::select! {
                        biased;
                        () = faults.crashed() => lives += 1,
                        () = role => break,
                    }
                }
                lives
            });
        }
        self.users_come_and_go(connections, until).await;
        let mut crashes = 0;
        while let Some(lives) = roles.join_next().await {
            crashes += lives.unwrap_or_default();
        }
        crashes
    }

    async fn users_come_and_go(
        &mut self,
        connections: &[(ConnectionId, Integration, &'static str)],
        until: Instant,
    ) {
        let process = self.process(&Faults::none(), SignedDuration::ZERO, 99);
        while Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(self.rng.random_range(5_000..90_000))).await;
            let (id, integration, user) = &connections[self.rng.random_range(0..connections.len())];
            match self.rng.random_range(0..6) {
                0 => drop(process.connections.delete(id).await),
                1..4 => {
                    let lifetime = SignedDuration::from_secs(self.rng.random_range(10..300));
                    drop(process.connect(integration, user, lifetime).await);
                }
                4 => drop(process.integrations.pause(&integration.id).await),
                _ => drop(process.integrations.resume(&integration.id).await),
            }
        }
        for (_, integration, _) in connections {
            drop(process.integrations.resume(&integration.id).await);
        }
    }

    /// Runs a worker every few minutes without faults.
    async fn calm(&self) -> Result<(), String> {
        self.entra.set_mood(Mood::Good);
        self.entra.set_lifetime(Lifetime::default());
        let process = self.process(&Faults::none(), SignedDuration::ZERO, 7);
        let drain = process.drain(LIMITS);
        let until = Instant::now() + CALM;
        while Instant::now() < until {
            for shard in 0..SHARDS {
                let deadline = Instant::now() + Duration::from_secs(40);
                let drained = drain.shard(shard, deadline).await;
                drained.failure.map_or(Ok(()), |e| Err(format!("in calm: {e}")))?;
            }
            tokio::time::sleep(Duration::from_mins(4)).await;
        }
        self.audit.look().await;
        Ok(())
    }

    async fn verify(&self) -> Result<usize, String> {
        if let Some(violation) = self.audit.violation() {
            return Err(violation);
        }
        if self.entra.strangers() > 0 {
            return Err("I5: Entra was shown a refresh token that it never issued".to_owned());
        }
        if self.clocks == Clocks::Close && self.entra.most_under_way() > 1 {
            let most = self.entra.most_under_way();
            return Err(format!("I3: {most} exchanges of one grant were under way together"));
        }
        self.every_grant_lives().await
    }

    /// Checks I1: every remaining connection can be refreshed and is scheduled. Returns their number.
    async fn every_grant_lives(&self) -> Result<usize, String> {
        let process = self.process(&Faults::none(), SignedDuration::ZERO, 8);
        let refresher = &process.refresher;
        let mut left = 0;
        let items = self.audit.items(local::names::CONNECTIONS).await;
        let mut grants = 0;
        for item in items {
            let Some(Ok(id)) =
                item.get("pk").and_then(|pk| pk.as_s().ok()).map(|pk| pk.parse::<ConnectionId>())
            else {
                continue;
            };
            let lost = |why: &dyn std::fmt::Display| format!("I1: {id} is lost: {why}");
            let connection = process.connections.get(&id).await.map_err(|e| lost(&e))?;
            let connection = connection.ok_or_else(|| lost(&"gone"))?;
            if connection
                .due_at
                .is_none_or(|due| due < self.clock.now() - SignedDuration::from_hours(1))
            {
                return Err(lost(&"nothing will look at it again"));
            }
            let integration = process.integrations.get(&connection.integration).await;
            let integration =
                integration.map_err(|e| lost(&e))?.ok_or_else(|| lost(&"no integration"))?;
            let cause = Cause::Requested { version: newest_version() };
            let deadline = Instant::now() + Duration::from_secs(20);
            refresher
                .renew(&caller(), connection, &integration, cause, deadline)
                .await
                .map_err(|e| lost(&e))?;
            left += 1;
            grants += 1;
        }
        let stored = self.audit.items(local::names::TOKENS).await.len();
        if stored != grants {
            return Err(format!("I6: {stored} grants are stored for {grants} connections"));
        }
        Ok(left)
    }
}

/// Names who renews tokens, beside the schedule.
fn caller() -> Actor {
    Actor::service("simulation")
}

/// A version above that of every stored token, so that a requested renewal always calls Entra.
fn newest_version() -> u64 {
    u64::MAX - 1
}

/// Runs a worker: it drains each shard every few seconds.
async fn work(process: &Process, faults: &Faults, until: Instant) {
    let drain = process.drain(LIMITS);
    while Instant::now() < until {
        for shard in 0..SHARDS {
            let deadline = Instant::now() + Duration::from_secs(10);
            // A failure of an AWS service is part of the turmoil.
            drop(drain.shard(shard, deadline).await);
        }
        tokio::time::sleep(Duration::from_millis(500 + faults.below(8000))).await;
    }
}

/// Runs a proxy: it uses tokens, and Azure DevOps sometimes rejects one.
async fn call(
    process: &Process,
    faults: &Faults,
    connections: &[(ConnectionId, Integration, &'static str)],
    until: Instant,
) {
    let refresher = &process.refresher;
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(faults.below(6000))).await;
        let index = usize::try_from(faults.below(connections.len() as u64)).unwrap_or_default();
        let (id, _, _) = &connections[index];
        let Ok(Some(connection)) = process.connections.get(id).await else { continue };
        let Ok(Some(integration)) = process.integrations.get(&connection.integration).await else {
            continue;
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        let token = refresher.access_token(&caller(), &connection, &integration, deadline).await;
        let now: Timestamp = process.clock.now();
        drop(process.connections.record_use(&connection, now, &mut process.random.clone()).await);
        if let Ok(token) = token
            && faults.below(4) == 0
        {
            let cause = Cause::Rejected { version: token.version, claims: None };
            drop(refresher.renew(&caller(), connection, &integration, cause, deadline).await);
        }
    }
}
